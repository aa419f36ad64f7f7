// The forecasters there are; adding one means a class, its kind's name, and an entry in the list.
#pragma once

#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <variant>

#include "allocators/pressure/forecast_fit.h"
#include "allocators/pressure/pressure_reading.h"

namespace sqlitemem {

/// Usage, as a share of the limit, from which the process is in danger.
inline constexpr double critical_usage = 0.90;

/// Where usage goes, as one forecaster sees it. Times are seconds from the last sample.
struct TrendLine {
  double level = 0;         ///< Where the line starts.
  double slope = 0;         ///< Per second, as the forecast uses it; 0: no trend is certain enough.
  double fitted_slope = 0;  ///< Per second, as it was measured.
  double slope_error = 0;   ///< One standard error of fitted_slope.
  /// Growth slows down with this time constant, so that it is worth at most slope times this; 0:
  /// it never does.
  double damping_seconds = 0;
  double cap = std::numeric_limits<double>::infinity();  ///< The line stays at or below it.
  bool is_significant = false;                           ///< The trend is more than chance.
  std::optional<double> r_squared = std::nullopt;
  std::size_t samples = 0;  ///< That the line rests on.

  /// The limit changed: usages are `factor` times what they were. Above 0.
  void rescale(double factor) noexcept;
  /// Never negative.
  [[nodiscard]] double at(double seconds) const noexcept;
  /// Until the line meets `usage` if it had the slope `with_slope` and the damping `damping`; 0 if
  /// it starts there; nullopt: never.
  [[nodiscard]] std::optional<double> seconds_to(double usage, double with_slope,
                                                 double damping) const noexcept;
  [[nodiscard]] std::optional<double> seconds_to_critical() const noexcept {
    return seconds_to(critical_usage, slope, damping_seconds);
  }
};

/// Pure: no clock, no lock, no allocation. add() is called once per second. Its user asks for the
/// line after each sample.
// clang-format off
template <class T>
concept Forecaster = requires(T& forecaster, double number, std::size_t samples) {
  { T::kind } -> std::convertible_to<ForecasterKind>;
  /// Its forecasts move towards persistence where they have been the worse ones of late.
  { T::yields_to_persistence } -> std::convertible_to<bool>;
  /// `samples`: of the past that it may use; at most SampleWindow::most_samples.
  T(samples);
  { forecaster.add(number) } noexcept -> std::same_as<TrendLine>;
  /// The limit changed: all that was added, times `number`, is what would have been added.
  { forecaster.rescale(number) } noexcept;
};
// clang-format on

/// Fewer samples say nothing about a trend; forecasters answer as Persistence does.
inline constexpr std::size_t least_trend_samples = 8;

/// Nothing changes. What every other forecaster is held against.
class Persistence {
 public:
  static constexpr ForecasterKind kind = ForecasterKind::persistence;
  static constexpr bool yields_to_persistence = false;
  explicit Persistence(std::size_t) noexcept {}

  TrendLine add(double usage) noexcept;
  void rescale(double) noexcept {}

 private:
  std::size_t samples_ = 0;
};

/// Ordinary least squares over the window, prolonged without limit.
class OrdinaryLeastSquares {
 public:
  static constexpr ForecasterKind kind = ForecasterKind::ols;
  static constexpr bool yields_to_persistence = false;
  explicit OrdinaryLeastSquares(std::size_t samples) noexcept : window_(samples) {}

  TrendLine add(double usage) noexcept;
  void rescale(double factor) noexcept { window_.multiply_all(factor); }

 private:
  SampleWindow window_;
};

/// The last two peaks of a series that rises and falls again and again.
class PeakMemory {
 public:
  /// A fall by so much from the highest value makes that a peak; a rise by so much from the lowest
  /// value since starts the next climb.
  static constexpr double least_fall = 0.05;

  void add(double usage) noexcept;
  void rescale(double factor) noexcept;
  /// What usage will not exceed if it goes on like this; infinity if the peaks do not say.
  [[nodiscard]] double cap(double usage) const noexcept;

 private:
  double extreme_ = 0;  ///< Highest value of the climb, or lowest one of the fall.
  bool is_falling_ = false;
  bool has_started_ = false;
  std::size_t peaks_ = 0;  ///< So far, at most 2.
  double last_ = 0, before_ = 0;
};

/// Least squares that believes a trend as far as the samples prove it:
///
/// 1. A jump (more than 6 mean steps and 0.015) is spliced out: the samples before it move by its
///    height, so that it does not look like a slope.
/// 2. The slope's standard error counts the autocorrelation of the residuals.
/// 3. If the last 15 of more than 30 samples have another slope, by more than 4 standard errors,
///    the older ones are dropped.
/// 4. The slope shrinks by the factor 1 - 9 / T², T being slope / error; within 3 errors it is 0.
///    The line starts half-way between the last sample and its own end.
/// 5. Growth is damped with a time constant of 120 seconds.
/// 6. A saw-tooth does not exceed its last two peaks.
/// 7. In PressureForecaster: it yields to persistence where it was the worse one of late.
class GatedTrend {
 public:
  static constexpr ForecasterKind kind = ForecasterKind::gated_trend;
  static constexpr bool yields_to_persistence = true;
  explicit GatedTrend(std::size_t samples) noexcept : window_(samples) {}

  TrendLine add(double usage) noexcept;
  void rescale(double factor) noexcept;

  /// As spliced: for tests.
  [[nodiscard]] const SampleWindow& window() const noexcept { return window_; }

 private:
  /// The window's line; drops the samples before a change of slope first.
  LineFit fit_current_slope() noexcept;

  SampleWindow window_;
  PeakMemory peaks_;
};

/// In the order of ForecasterKind.
using AnyForecaster = std::variant<GatedTrend, OrdinaryLeastSquares, Persistence>;
[[nodiscard]] AnyForecaster make_forecaster(ForecasterKind kind, std::size_t samples) noexcept;

}  // namespace sqlitemem
