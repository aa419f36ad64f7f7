// The monitor of memory pressure: samples in; a series, a level, a forecast and orders out. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "allocators/pressure/level_tracker.h"
#include "allocators/pressure/memory_limits.h"
#include "allocators/pressure/pressure_controller.h"
#include "allocators/pressure/pressure_forecaster.h"
#include "allocators/pressure/pressure_reading.h"

namespace sqlitemem {

/// The options that concern the monitor.
struct PressureRules {
  ForecasterKind forecaster = ForecasterKind::gated_trend;
  std::size_t history_size = 60;  ///< Samples kept for memory_history.
  std::size_t levels = 1;         ///< Of pressure_level_presets.
  ResponseMode mode = ResponseMode::reclaim;
};

/// What the caller read at one moment.
struct PressureFigures {
  std::uint64_t now_ns = 0;               ///< Monotonic.
  std::int64_t unix_ms = 0;               ///< Wall clock.
  const LimitReadings* limits = nullptr;  ///< Not null.
  std::uint64_t heap_held_bytes = 0, pool_bytes = 0;
  std::uint64_t allocations = 0, frees = 0;  ///< Since the heap's start.
};

/// Keeps the series and decides. Not thread-safe: one lock of its user around all calls. Memory is
/// operator new's; where there is none, the oldest samples go, and nothing throws.
class PressureMonitor {
 public:
  explicit PressureMonitor(const PressureRules& rules = {});

  void apply(const PressureRules& rules) noexcept;

  /// The option response_mode, or what stands for it here.
  void set_mode(ResponseMode mode) noexcept;

  /// Adds a sample. With Act::yes the controller is asked, too, and the order has to be carried out
  /// and reported by acted(); with Act::no nothing changes but the series and the level.
  enum class Act : bool { no, yes };
  PressureOrder add(const PressureFigures& figures, Act act) noexcept;

  /// An action of `stage` was carried out; `action` names it, as in memory_responses.
  void acted(ResponseStage stage, const char* action, std::uint64_t requested_bytes,
             std::uint64_t freed_bytes) noexcept;

  /// What is known now. std::bad_alloc passes through.
  [[nodiscard]] PressureReading reading(std::uint64_t now_ns) const;
  /// Of `limits`, the one that the samples are about; nullptr: no limit is known.
  [[nodiscard]] const LimitReading* followed(const LimitReadings& limits) const noexcept {
    return choose_limit(limits);
  }
  [[nodiscard]] ResponseStage stage() const noexcept { return stage_; }
  [[nodiscard]] PressureLevel level() const noexcept { return levels_.level(); }
  [[nodiscard]] std::size_t samples() const noexcept { return history_.size(); }

 private:
  void keep(const PressureSample& sample) noexcept;
  void keep_trough(const PressureSample& sample) noexcept;
  [[nodiscard]] const LimitReading* choose_limit(const LimitReadings& limits) const noexcept;
  void follow_limit(const LimitReading& chosen) noexcept;
  void note_stage(ResponseStage stage, std::uint64_t now_ns) noexcept;

  PressureRules rules_;
  PressureForecaster forecaster_;
  PressureController controller_;
  LevelTracker levels_;
  ResponseStage stage_ = ResponseStage::none;
  std::deque<PressureSample> history_;
  std::deque<PressureSample> troughs_;    ///< For growth, which a minute of history cannot show.
  std::uint64_t trough_begins_ns_ = 0;    ///< The span of the last of them.
  std::vector<std::uint64_t> events_ns_;  ///< Of the last hour.
  std::uint64_t event_count_ = 0;
  std::uint64_t used_bytes_ = 0, limit_bytes_ = 0;  ///< limit_bytes_ 0: none is known.
  LimitSource source_ = LimitSource::none;
  std::uint32_t limit_id_ = 0;  ///< Another one for each limit that is followed.
  std::string limit_name_, note_;
  std::optional<double> psi_some_avg10_, psi_full_avg10_;
  std::uint64_t last_ns_ = 0;
  const char* last_action_ = "";  ///< A literal.
  std::optional<std::uint64_t> last_freed_bytes_;
};

}  // namespace sqlitemem
