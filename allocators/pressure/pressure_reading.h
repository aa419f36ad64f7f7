// What is known of the process's memory pressure at one moment: plain values, for tables and
// alerts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sqlitemem {

/// What is reported, by thresholds on usage / limit (option pressure_levels).
enum class PressureLevel : std::uint8_t { normal, warning, high, critical, emergency };
/// How far the response has gone; it has thresholds of its own (pressure_controller.h).
enum class ResponseStage : std::uint8_t { none, gentle, aggressive, emergency, refusal };
/// Which of the limits has the least room.
enum class LimitSource : std::uint8_t { none, config, cgroup, rlimit, host };
enum class ForecasterKind : std::uint8_t { gated_trend, ols, persistence };
enum class Trend : std::uint8_t { decreasing, stable, increasing, critical };
enum class RecommendedAction : std::uint8_t {
  monitor,
  gentle_eviction,
  aggressive_eviction,
  emergency_cleanup
};

inline constexpr std::array<std::string_view, 5> pressure_level_names = {
    "normal", "warning", "high", "critical", "emergency"};
[[nodiscard]] constexpr std::string_view name_of(PressureLevel level) noexcept {
  return pressure_level_names[static_cast<std::size_t>(level)];
}
inline constexpr std::array<std::string_view, 5> response_stage_names = {
    "none", "gentle", "aggressive", "emergency", "refusal"};
[[nodiscard]] constexpr std::string_view name_of(ResponseStage stage) noexcept {
  return response_stage_names[static_cast<std::size_t>(stage)];
}
[[nodiscard]] constexpr std::string_view name_of(LimitSource source) noexcept {
  constexpr std::array<std::string_view, 5> names = {"none", "config", "cgroup", "rlimit", "host"};
  return names[static_cast<std::size_t>(source)];
}
[[nodiscard]] constexpr std::string_view name_of(ForecasterKind kind) noexcept {
  constexpr std::array<std::string_view, 3> names = {"gated_trend", "ols", "persistence"};
  return names[static_cast<std::size_t>(kind)];
}
[[nodiscard]] constexpr std::string_view name_of(Trend trend) noexcept {
  constexpr std::array<std::string_view, 4> names = {"decreasing", "stable", "increasing",
                                                     "critical"};
  return names[static_cast<std::size_t>(trend)];
}
[[nodiscard]] constexpr std::string_view name_of(RecommendedAction action) noexcept {
  constexpr std::array<std::string_view, 4> names = {"monitor", "gentle_eviction",
                                                     "aggressive_eviction", "emergency_cleanup"};
  return names[static_cast<std::size_t>(action)];
}

/// Seconds ahead.
inline constexpr std::array<unsigned, 3> forecast_horizons = {30, 60, 120};

/// Usage as a share of the limit, `horizon_seconds` from now.
struct HorizonForecast {
  unsigned horizon_seconds = 0;
  double predicted = 0;
  double low = 0, high = 0;  ///< Of ten matured forecasts, eight were within such an interval.
  /// Of the matured forecasts with an interval as wide as this, how many were within 5 points;
  /// nullopt before there are enough of them.
  std::optional<double> confidence;
  bool is_confident = false;  ///< The interval is at most 5 points to either side.
  /// By `predicted`: recommended_action_at().
  RecommendedAction recommended_action = RecommendedAction::monitor;
};

/// What a forecaster says at one moment. Ratios are shares of the limit.
struct ForecastReading {
  ForecasterKind kind = ForecasterKind::gated_trend;
  std::array<HorizonForecast, forecast_horizons.size()> horizons;
  double current = 0;
  double slope_per_second = 0;  ///< The trend that the forecast uses.
  std::optional<double> r_squared;
  Trend trend = Trend::stable;
  std::optional<double> seconds_to_critical;  ///< Until 0.90; nullopt: not in sight.
  bool is_warning = false;
  bool is_advisory = false;  ///< As is_warning, earlier and more often in vain: not to act on.
  bool is_stale = false;     ///< The last sample is older than three seconds.
  std::size_t samples = 0;
};

/// One moment of the sampled series.
struct PressureSample {
  std::uint64_t at_ns = 0;                        ///< Since the process's first sample; monotonic.
  std::int64_t at_unix_ms = 0;                    ///< Wall clock.
  std::uint64_t used_bytes = 0, limit_bytes = 0;  ///< Of the limit with the least room.
  std::uint64_t resident_bytes = 0;               ///< Of the process.
  std::uint64_t heap_held_bytes = 0;              ///< Heap and buffer pool; 0 without them.
  std::uint64_t pool_bytes = 0;
  std::uint64_t allocations = 0;  ///< Of the heap since its start.
  std::uint64_t freed = 0;        ///< Blocks given back to the heap since its start.
  ResponseStage stage = ResponseStage::none;
};

/// Everything the pressure monitor knows, read in one go.
struct PressureReading {
  PressureLevel level = PressureLevel::normal;
  std::uint64_t used_bytes = 0;
  std::optional<std::uint64_t> limit_bytes;  ///< nullopt: no limit is known.
  LimitSource limit_source = LimitSource::none;
  std::string limit_note;  ///< Which file or option says so, in words.
  std::int64_t since_unix_ms = 0;
  std::uint64_t read_at_ns = 0;  ///< The clock of PressureSample::at_ns.
  ResponseStage stage = ResponseStage::none;
  std::string last_action;  ///< Empty: none yet.
  std::optional<std::uint64_t> last_freed_bytes;
  std::optional<double> psi_some_avg10, psi_full_avg10;  ///< Percent of time.
  std::optional<ForecastReading> forecast;               ///< nullopt: fewer than two samples.
  std::vector<PressureSample> history;                   ///< Oldest first.
  /// Of each 20 seconds the sample with the least held; the last half hour, oldest first.
  std::vector<PressureSample> troughs;
  std::uint64_t pressure_events = 0;  ///< Times that the stage rose from none.
  std::uint64_t pressure_events_last_hour = 0;
  std::uint64_t refused_requests = 0;  ///< By heap and buffer pool, since the start or a reset.
  std::string note;  ///< What cannot be measured here, in words; empty if nothing.
};

}  // namespace sqlitemem
