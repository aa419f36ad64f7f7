// How good forecasts and warnings were on a series whose end is known.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "allocators/pressure/pressure_forecaster.h"

namespace sqlitemem::bench {

/// When to warn.
enum class Alarm {
  warning,   ///< ForecastReading::is_warning.
  advisory,  ///< ForecastReading::is_advisory.
  /// Critical within 120 seconds in three of five samples; ends after ten samples that are not.
  plain_time_to_critical,
  level_80,  ///< Usage is at 0.80.
};

/// One reading per second, as the forecaster gave it after the sample of that second.
[[nodiscard]] std::vector<ForecastReading> run_forecaster(ForecasterKind kind,
                                                          std::span<const double> usage);
/// Per second, whether the alarm is on.
[[nodiscard]] std::vector<bool> run_alarm(Alarm alarm, std::span<const double> usage,
                                          std::span<const ForecastReading> readings);

/// Usages and forecasts beyond are the same as this.
inline constexpr double usage_cap = 1.2;
/// The first second that counts.
inline constexpr std::size_t first_judged = 20;

/// Sums over forecasts at one horizon.
struct HorizonScore {
  std::size_t forecasts = 0, accurate = 0;  ///< Accurate: within 0.05.
  /// From seconds whose usage differs by more than 0.05 from that at the horizon.
  std::size_t moving = 0, moving_accurate = 0;
  double errors = 0, persistence_errors = 0;  ///< Sums of their sizes.
  std::size_t covered = 0;                    ///< Within the interval.
  double half_widths = 0;
  std::size_t confident = 0, confident_accurate = 0;
  std::size_t rated = 0, rated_accurate = 0;  ///< With a confidence.
  double confidence = 0;                      ///< Their sum.

  void operator+=(const HorizonScore& other);
};
using HorizonScores = std::array<HorizonScore, forecast_horizons.size()>;
[[nodiscard]] HorizonScores score_forecasts(std::span<const double> usage,
                                            std::span<const ForecastReading> readings);

/// An event is usage that reaches 0.90, having been below 0.80 since the one before. It is gradual
/// if usage was at 0.75 or above 15 seconds earlier. A warning is an episode of alarms that starts
/// below 0.90. It is false, strictly, if no event follows within 180 seconds; materially, if usage
/// does not even reach 0.85 in that time. Its lead is the time from its start to the event, at most
/// 180, if it was on 5 seconds before; an event with less than 5 seconds of lead is missed. Events
/// before first_judged, and warnings with less than 180 seconds to come, are left out.
struct AlarmScore {
  std::size_t warnings = 0, false_strictly = 0, false_materially = 0;
  std::size_t events = 0, missed = 0;
  std::size_t gradual_missed = 0;
  std::vector<double> gradual_leads;  ///< Seconds, of each gradual event; missed ones too.
  double hours = 0;

  void operator+=(const AlarmScore& other);
};
[[nodiscard]] AlarmScore score_alarms(std::span<const double> usage,
                                      const std::vector<bool>& is_on);

}  // namespace sqlitemem::bench
