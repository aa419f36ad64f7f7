// When a forecast becomes a warning, and when the warning ends.
#pragma once

#include <cstdint>

#include "allocators/pressure/forecasters.h"

namespace sqlitemem {

/// What tells one warning from another. Usages are shares of the limit.
struct WarningRule {
  double armed_from;       ///< Below this usage a trend does not warn.
  double held_from;        ///< From this usage on a trend keeps a warning that there is.
  double damping_seconds;  ///< Of the growth; 0: it goes on for ever.
};

/// Made to be right: on series not used for tuning one in ten was not followed by a usage of 0.85.
inline constexpr WarningRule warning_rule{0.75, 0.70, 120};
/// Made to be early: one in four or five was not.
inline constexpr WarningRule advisory_rule{0.65, 0.60, 0};

/// A sample alarms when usage is at 0.85, or when it is armed, would be critical within 100 seconds
/// even with a slope three standard errors smaller, and of late the forecaster's errors 30 seconds
/// ahead have been a tenth smaller than persistence's. Three alarms among five samples raise the
/// warning, and so does a usage of 0.87. It ends after ten samples without an alarm, below 0.81,
/// with nothing critical in sight of 135 seconds.
class PressureWarning {
 public:
  explicit PressureWarning(const WarningRule& rule) noexcept : rule_(rule) {}

  /// Once per second. `skill`: see SkillMeter.
  void update(double usage, const TrendLine& line, double skill) noexcept;
  /// The samples before do not count any more; a warning stays until usage ends it.
  void forget_samples() noexcept { alarms_ = 0; }
  [[nodiscard]] bool is_on() const noexcept { return is_on_; }

 private:
  WarningRule rule_;
  std::uint8_t alarms_ = 0;  ///< The last five samples, the newest is the lowest bit.
  std::uint8_t quiet_samples_ = 0;
  bool is_on_ = false;
};

}  // namespace sqlitemem
