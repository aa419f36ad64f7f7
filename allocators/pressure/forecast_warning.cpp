// Warnings: the rule, and its hysteresis.
#include "allocators/pressure/forecast_warning.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace sqlitemem {
namespace {

constexpr double alarming_usage = 0.85;
constexpr double warning_usage = 0.87;
constexpr double calm_usage = 0.81;
constexpr double alarming_seconds = 100;
constexpr double held_seconds = 135;
constexpr double least_skill = 0.1;
constexpr int alarms_to_warn = 3;
constexpr unsigned samples_compared = 5;
constexpr unsigned samples_to_calm = 10;
constexpr double cautious_errors = 3;

}  // namespace

void PressureWarning::update(double usage, const TrendLine& line, double skill) noexcept {
  const double cautious_slope = line.fitted_slope - cautious_errors * line.slope_error;
  const double seconds = line.seconds_to(critical_usage, cautious_slope, rule_.damping_seconds)
                             .value_or(std::numeric_limits<double>::infinity());
  const bool is_near =
      usage >= rule_.armed_from && skill >= least_skill && seconds <= alarming_seconds;
  const bool is_alarming = is_near || usage >= alarming_usage;
  const unsigned kept = (1U << samples_compared) - 1;
  alarms_ = static_cast<std::uint8_t>((alarms_ * 2U + (is_alarming ? 1 : 0)) & kept);
  quiet_samples_ =
      is_alarming ? 0 : static_cast<std::uint8_t>(std::min(quiet_samples_ + 1U, samples_to_calm));
  if (!is_on_) {
    is_on_ = std::popcount(alarms_) >= alarms_to_warn || usage >= warning_usage;
    return;
  }
  const bool is_held = usage >= rule_.held_from && seconds <= held_seconds;
  is_on_ = quiet_samples_ < samples_to_calm || usage >= calm_usage || is_held;
}

}  // namespace sqlitemem
