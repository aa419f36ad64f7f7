// What each forecaster makes of the last minute.
#include "allocators/pressure/forecasters.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sqlitemem {
namespace {

// Of a line through samples without any noise the error would be 0; a slope below this (0.4 % of
// the limit per hour) is of no use to anybody.
constexpr double least_slope_error = 1e-6;

constexpr double jump_in_mean_steps = 6;
constexpr double least_jump = 0.015;
constexpr std::size_t steps_compared = 20;

constexpr std::size_t recent_samples = 15;
constexpr std::size_t enough_to_compare = 30;
constexpr double changed_slope_errors = 4;
constexpr double least_slope_change = 2e-4;

constexpr double certain_errors = 3;
constexpr double chance_errors = 2;
constexpr double gated_damping_seconds = 120;

constexpr double peaks_alike = 0.06;
constexpr double above_peaks = 0.01;
constexpr double room_above_peaks = 0.015;

TrendLine no_trend(double usage, std::size_t samples) noexcept {
  return {.level = usage, .samples = samples};
}

}  // namespace

void TrendLine::rescale(double factor) noexcept {
  level *= factor;
  slope *= factor;
  fitted_slope *= factor;
  slope_error *= factor;
  cap *= factor;
}

double TrendLine::at(double seconds) const noexcept {
  const double lasting =
      damping_seconds > 0 ? damping_seconds * (1 - std::exp(-seconds / damping_seconds)) : seconds;
  return std::max(0.0, std::min(level + slope * lasting, cap));
}

std::optional<double> TrendLine::seconds_to(double usage, double with_slope,
                                            double damping) const noexcept {
  if (level >= usage) return 0;
  if (with_slope <= 0 || cap < usage) return std::nullopt;
  const double undamped = (usage - level) / with_slope;
  if (damping <= 0) return undamped;
  if (undamped >= damping) return std::nullopt;
  return -damping * std::log(1 - undamped / damping);
}

TrendLine Persistence::add(double usage) noexcept {
  samples_ = std::min(samples_ + 1, SampleWindow::most_samples);
  return no_trend(usage, samples_);
}

TrendLine OrdinaryLeastSquares::add(double usage) noexcept {
  window_.push(usage);
  if (window_.size() < least_trend_samples) return no_trend(usage, window_.size());
  const LineFit fit = fit_line(window_.all());
  const double error = fit.slope_error + least_slope_error;
  return {.level = fit.at_end,
          .slope = fit.slope,
          .fitted_slope = fit.slope,
          .slope_error = error,
          .is_significant = std::abs(fit.slope) > chance_errors * error,
          .r_squared = fit.r_squared,
          .samples = window_.size()};
}

void PeakMemory::add(double usage) noexcept {
  if (!has_started_) {
    has_started_ = true;
    extreme_ = usage;
  } else if (is_falling_) {
    extreme_ = std::min(extreme_, usage);
    if (usage - extreme_ < least_fall) return;
    is_falling_ = false;
    extreme_ = usage;
  } else {
    extreme_ = std::max(extreme_, usage);
    if (extreme_ - usage < least_fall) return;
    before_ = std::exchange(last_, extreme_);
    peaks_ = std::min<std::size_t>(peaks_ + 1, 2);
    is_falling_ = true;
    extreme_ = usage;
  }
}

void PeakMemory::rescale(double factor) noexcept {
  extreme_ *= factor;
  last_ *= factor;
  before_ *= factor;
}

double PeakMemory::cap(double usage) const noexcept {
  const double highest = std::max(last_, before_);
  const bool says_nothing =
      peaks_ < 2 || std::abs(last_ - before_) >= peaks_alike || usage > highest + above_peaks;
  if (says_nothing) return std::numeric_limits<double>::infinity();
  return highest + std::max(0.0, last_ - before_) + room_above_peaks;
}

LineFit GatedTrend::fit_current_slope() noexcept {
  const LineFit whole = fit_line(window_.all());
  if (window_.size() <= enough_to_compare) return whole;
  const LineFit recent = fit_line(window_.last(recent_samples));
  const double error = whole.inflation() * std::hypot(whole.slope_error, recent.slope_error);
  const double change = std::abs(recent.slope - whole.slope);
  if (change <= changed_slope_errors * error + least_slope_change) return whole;
  window_.keep_last(recent_samples);
  return recent;
}

TrendLine GatedTrend::add(double usage) noexcept {
  peaks_.add(usage);
  if (window_.size() > 0) {
    const double jump = usage - window_.newest();
    const double usual = mean_step(window_.last(steps_compared + 1));
    if (std::abs(jump) > std::max(jump_in_mean_steps * usual, least_jump)) {
      window_.add_to_all(jump);
    }
  }
  window_.push(usage);
  TrendLine line = no_trend(usage, window_.size());
  if (window_.size() < least_trend_samples) return line;

  const LineFit fit = fit_current_slope();
  line.fitted_slope = fit.slope;
  line.slope_error = fit.slope_error * fit.inflation() + least_slope_error;
  const double errors = fit.slope / line.slope_error;
  line.is_significant = std::abs(errors) > certain_errors;
  // After James and Stein: the less certain it is, the nearer to 0.
  if (line.is_significant) {
    line.slope = fit.slope * (1 - certain_errors * certain_errors / (errors * errors));
  }
  // Without a trend the last sample says more about the next minute than the line does.
  const double share_of_fit = line.is_significant ? 0.5 : 0.3;
  line.level = share_of_fit * fit.at_end + (1 - share_of_fit) * usage;
  line.damping_seconds = gated_damping_seconds;
  line.cap = peaks_.cap(usage);
  line.r_squared = fit.r_squared;
  line.samples = window_.size();
  return line;
}

void GatedTrend::rescale(double factor) noexcept {
  window_.multiply_all(factor);
  peaks_.rescale(factor);
}

namespace {

template <class... Known>
AnyForecaster make(ForecasterKind kind, std::size_t samples,
                   const std::variant<Known...>*) noexcept {
  static_assert((Forecaster<Known> && ...));
  AnyForecaster made{std::in_place_index<0>, samples};
  static_cast<void>(
      ((kind == Known::kind ? (made.template emplace<Known>(samples), true) : false) || ...));
  return made;
}

}  // namespace

AnyForecaster make_forecaster(ForecasterKind kind, std::size_t samples) noexcept {
  return make(kind, samples, static_cast<const AnyForecaster*>(nullptr));
}

}  // namespace sqlitemem
