// Where memory usage is going: forecasts, their reliability, and warnings, from one sample a
// second.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/pressure/forecast_ledger.h"
#include "allocators/pressure/forecast_warning.h"
#include "allocators/pressure/forecasters.h"

namespace sqlitemem {

/// Usage is a share of the limit. Samples come when they come; they are brought to one a second,
/// by straight lines between neighbours. So a second's value is known with the first sample at or
/// after it, and of several within a second only those next to its ends count. Times are rounded
/// to tenths of a second, so that a timer that is now a little early and now a little late gives
/// one sample a second.
///
/// A gap of at most ten seconds is filled with a straight line; the values made up are not used to
/// judge forecasts. After a longer one the trend starts anew: a line across it would look like a
/// very certain trend. What is known of the forecaster's errors stays, and a warning stays until
/// usage ends it.
///
/// Below 9 KiB, no heap; 0.7 µs per sample. Pure and not thread-safe: one lock of its user around
/// everything.
class PressureForecaster {
 public:
  static constexpr std::uint64_t longest_gap_seconds = 10;
  static constexpr std::uint64_t stale_after_seconds = 3;

  /// `history_samples`: of the past that a trend may rest on, 10 … 60; others are taken as the
  /// nearest of these.
  explicit PressureForecaster(ForecasterKind kind = ForecasterKind::gated_trend,
                              std::size_t history_samples = SampleWindow::most_samples) noexcept;

  /// `now_ns`: monotonic; a time before the last one counts as that. `usage`: what is no finite
  /// number is ignored, negative counts as 0, above 1000 as 1000.
  void add(std::uint64_t now_ns, double usage) noexcept;
  /// The limit changed: usages are `factor` = old limit / new limit times what they were. Ignored
  /// unless finite and above 0. Limits that differ a millionfold, in one change or in several,
  /// leave nothing to learn from the past: everything starts anew.
  void rescale(double factor) noexcept;
  /// Starts with the samples of the last minute. How reliable the other kind was does not count.
  void set_kind(ForecasterKind kind) noexcept;
  [[nodiscard]] ForecasterKind kind() const noexcept { return kind_; }

  /// nullopt: fewer than two seconds are known.
  [[nodiscard]] std::optional<ForecastReading> reading(std::uint64_t now_ns) const noexcept;
  [[nodiscard]] std::optional<Violation> find_violation() const noexcept {
    return ledger_.find_violation();
  }

 private:
  /// The next second's value.
  void step(double usage, bool is_measured) noexcept;
  void start_trend(std::uint64_t tenth, double usage) noexcept;
  void fill_reading() noexcept;

  ForecasterKind kind_;
  std::size_t history_samples_;
  AnyForecaster forecaster_;
  SampleWindow recent_;  ///< As they came, for another kind to start with.
  ForecastLedger ledger_;
  PressureWarning warning_{warning_rule};
  PressureWarning advisory_{advisory_rule};
  TrendLine line_;           ///< At the last full second.
  ForecastReading reading_;  ///< The same.

  bool has_started_ = false;
  std::uint64_t last_ns_ = 0;      ///< Time of the last sample.
  std::uint64_t last_tenth_ = 0;   ///< The same in tenths of a second, rounded.
  std::uint64_t next_second_ = 0;  ///< The next full second, in tenths.
  double last_usage_ = 0;
  double scale_ = 1;  ///< The product of all factors since the start.
};

/// Critical: at 0.90, or there within 120 seconds by a trend that is more than chance.
[[nodiscard]] Trend trend_of(const TrendLine& line, double usage) noexcept;

}  // namespace sqlitemem
