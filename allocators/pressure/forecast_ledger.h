// What was forecast, how it turned out, and the forecasts that this allows.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "allocators/pressure/forecast_errors.h"
#include "allocators/pressure/forecasters.h"

namespace sqlitemem {

/// Keeps every forecast until its time has come, and judges it then. Once per second: judge(),
/// keep() for each horizon, advance().
///
/// Invariants: those of the errors kept.
class ForecastLedger {
 public:
  static constexpr std::size_t horizon_count = forecast_horizons.size();

  /// The usage of this second is known: the forecasts for it are judged. `is_measured`: false of a
  /// value filled into a gap, by which nothing is judged.
  void judge(double usage, bool is_measured) noexcept;
  /// What `line` says of forecast_horizons[index] seconds from this one, with its interval.
  /// `yields`: it moves towards persistence where the line has been the worse forecast of late.
  [[nodiscard]] HorizonForecast forecast(std::size_t index, const TrendLine& line, double usage,
                                         bool yields) const noexcept;
  /// Such a forecast will be judged.
  void keep(std::size_t index, const TrendLine& line, double usage,
            const HorizonForecast& forecast) noexcept;
  void advance() noexcept { ++second_; }

  /// Of the line 30 seconds ahead, of late; see SkillMeter.
  [[nodiscard]] double skill() const noexcept { return recent_skill_.skill(); }
  /// The limit changed: a usage is `factor` times what it was. Above 0.
  void rescale(double factor) noexcept;
  /// Forecasts that are still open will not be judged: there was a gap.
  void forget_open() noexcept;
  /// Nothing of the past counts: another forecaster begins.
  void clear() noexcept;
  [[nodiscard]] std::optional<Violation> find_violation() const noexcept;

 private:
  struct Open {
    float by_line = 0, issued = 0, half_width = 0;
    float usage = -1;  ///< When it was made; negative: there is no forecast here.
  };
  struct Record {
    RecentErrors errors;
    AccuracyByWidth accuracy;
    SkillMeter skill{0.01};
  };

  /// Each horizon has as many places as seconds.
  [[nodiscard]] Open& open_at(std::size_t index) noexcept;

  static constexpr std::size_t all_horizons = [] {
    std::size_t sum = 0;
    for (const unsigned horizon : forecast_horizons) sum += horizon;
    return sum;
  }();
  std::array<Open, all_horizons> open_{};
  std::array<Record, horizon_count> records_{};
  SkillMeter recent_skill_{0.04};
  std::size_t second_ = 0;
};

/// What to do about a usage that is expected: eviction begins gently at 0.80 of the limit,
/// becomes aggressive at 0.90, and from 0.95 everything goes that can.
[[nodiscard]] RecommendedAction recommended_action_at(double usage) noexcept;

}  // namespace sqlitemem
