// How much memory to give back, and when to refuse more: usage of a limit in, an order out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/check.h"
#include "allocators/pressure/pressure_reading.h"

namespace sqlitemem {

/// Option response_mode: `off` gives no orders, `reclaim` never refuses or interrupts anything.
enum class ResponseMode : std::uint8_t { off, reclaim, full };

/// One look at the limit with the least room.
struct UsageSample {
  std::uint64_t at_ns = 0;  ///< Monotonic. Samples may be 0.1 s to 10 s apart.
  std::uint64_t used_bytes = 0;
  std::uint64_t limit_bytes = 0;  ///< 0: no limit is known; then there are no orders.
  /// Of used_bytes: what the kernel drops by itself before it runs out (LimitReading::file_bytes).
  /// It is not counted here: the page cache of a busy container fills most of any limit.
  std::uint64_t file_bytes = 0;
  /// Another id: another limit, whose usage is measured otherwise. The change to it is no rise.
  std::uint32_t limit_id = 0;
};

struct PressureOrder {
  ResponseStage stage = ResponseStage::none;
  std::uint64_t bytes_to_free = 0;  ///< Until the next sample.
  bool stops_growth = false;        ///< Caches and pools shall not grow.
  bool refuses = false;             ///< What can wait or fail shall; true only in `full`.
  /// When to look again at the latest: sooner while something has to be done, or while the fastest
  /// recent rise could bring usage to 0.90 before. 0.1 s to 1 s.
  std::uint64_t check_after_ns = 1'000'000'000;
  double used_ratio = 0;      ///< Of the limit, without file_bytes.
  double expected_ratio = 0;  ///< With the burst reserve.
};

/// The thresholds and speeds. Ratios are shares of the limit, speeds shares of it per second;
/// "expected" is usage with the burst reserve.
struct PressureThresholds {
  static constexpr double gentle_expected = 0.88, gentle_used = 0.80;
  static constexpr double gentle_expected_slow = 0.85;  ///< If memory comes back slowly.
  static constexpr double aggressive_expected = 0.95;
  static constexpr double emergency_expected = 0.98, emergency_expected_used = 0.75;
  static constexpr double emergency_used = 0.90;
  static constexpr double refusal_used = 0.95;
  /// A stage is left when usage was so far below its entry for so long.
  static constexpr double exit_margin = 0.05;
  static constexpr std::uint64_t calm_ns = 5'000'000'000;
  static constexpr double emergency_exit_expected = 0.90, emergency_exit_used = 0.85;
  static constexpr double refusal_exit_used = 0.92;  ///< At once.

  static constexpr double target_expected = 0.86;  ///< What eviction aims at.
  static constexpr double growth_stop_expected = 0.85;
  static constexpr double gentle_speed = 0.01, aggressive_speed = 0.05, emergency_speed = 0.25;
  static constexpr double gentle_spread_seconds = 20, aggressive_spread_seconds = 5;

  static constexpr double least_reserve = 0.03, greatest_rise = 0.35;
  static constexpr std::uint64_t rise_ns = 3'000'000'000;  ///< The reserve is a rise in so long.
  static constexpr double reserve_per_second = 0.9977;  ///< What is left of it: half in 5 minutes.

  static constexpr double effect_weight = 0.3;  ///< Of the newest action.
  static constexpr double least_effect_counted = 0.20;
  static constexpr double weak_effect = 0.25;  ///< Below, the next stage takes over.
  static constexpr double slow_reclaim = 0.01;
};

/// Developed in simulation (tests/support/pressure_plant.h has the plant): the fastest recent rise,
/// the burst reserve, is added to usage, and stages have thresholds on the sum. That prevents as
/// many deaths as forecasts do, and costs less throughput. The idea is that of ZGC's director and
/// of the OpenTelemetry memory limiter: usage stays as far from the limit as it can come before
/// the next action takes effect.
///
/// - What the controller's own actions freed is added to usage where rises are measured, so that an
///   eviction never looks like falling demand, nor its end like rising demand.
/// - A stage is entered at once, and left one at a time, after 5 calm seconds in which it would not
///   have been entered.
/// - It orders the bytes that bring expected usage down to 0.86, divided by the effect that such
///   orders had; a stage whose orders had no effect hands over to the next.
///
/// Pure: no clock, no lock, no allocation. One lock of its user around everything.
///
/// Invariants:
/// (1) Stage none in mode off, not above emergency in mode reclaim.
/// (2) Effects are in [0, 1], the reserve in [least_reserve, greatest_rise].
/// (3) The remembered positions have ascending times.
class PressureController {
 public:
  [[nodiscard]] PressureOrder observe(const UsageSample& sample, ResponseMode mode) noexcept;
  /// What was done about an order: `requested_bytes`, no more than there was to free; `freed_bytes`
  /// of it that went back to the operating system. With ResponseStage::none, for what was freed
  /// without an order (the guard's evictions), no effect is learned.
  void acted(ResponseStage stage, std::uint64_t requested_bytes,
             std::uint64_t freed_bytes) noexcept;

  [[nodiscard]] ResponseStage stage() const noexcept { return stage_; }
  [[nodiscard]] double burst_reserve() const noexcept { return reserve_; }
  /// Freed per requested byte lately, 0 … 1. Requires gentle, aggressive, emergency or refusal.
  [[nodiscard]] double effect_of(ResponseStage stage) const noexcept;
  /// So much of the limit comes back per second when much is asked for; nullopt: never asked.
  [[nodiscard]] std::optional<double> reclaim_speed() const noexcept { return reclaim_speed_; }
  [[nodiscard]] std::optional<Violation> find_violation() const noexcept;

 private:
  friend struct PressureControllerTestAccess;
  /// Usage, as it would be if nothing had been freed.
  struct Position {
    std::uint64_t at_ns = 0, bytes = 0;
  };
  static constexpr std::size_t position_count = 48;

  [[nodiscard]] std::uint64_t elapsed_since_last(std::uint64_t at_ns) noexcept;
  void learn_reserve(const UsageSample& sample, std::uint64_t used_bytes,
                     double elapsed_seconds) noexcept;
  [[nodiscard]] std::uint64_t position_before(std::uint64_t at_ns) const noexcept;
  void move_positions_to(std::uint64_t bytes) noexcept;
  void remember(Position position) noexcept;
  void learn_speed(const UsageSample& sample, double elapsed_seconds) noexcept;
  [[nodiscard]] bool enters(ResponseStage stage) const noexcept;
  [[nodiscard]] bool is_calm(ResponseStage stage) const noexcept;
  void move_stage(std::uint64_t elapsed_ns) noexcept;
  void set_stage(ResponseStage stage) noexcept;
  [[nodiscard]] std::uint64_t check_after() const noexcept;
  [[nodiscard]] double share_to_free(double elapsed_seconds) const noexcept;

  ResponseMode mode_ = ResponseMode::full;
  ResponseStage stage_ = ResponseStage::none;
  std::uint64_t calm_ns_ = 0;       ///< For so long the stage's exit condition has held.
  double used_ = 0, expected_ = 0;  ///< At the last sample.
  double reserve_ = PressureThresholds::least_reserve;
  std::array<double, 3> effects_ = {1, 1, 1};  ///< Gentle, aggressive, emergency.
  std::optional<double> reclaim_speed_;

  std::optional<std::uint64_t> last_at_ns_;
  std::uint32_t limit_id_ = 0;
  std::uint64_t freed_bytes_ = 0;                        ///< In all.
  std::uint64_t requested_since_ = 0, freed_since_ = 0;  ///< Since the last sample.
  std::array<Position, position_count> positions_;       ///< A ring, the newest before next_.
  std::size_t next_ = 0, remembered_ = 0;
};

}  // namespace sqlitemem
