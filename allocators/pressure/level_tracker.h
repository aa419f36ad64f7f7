// The reported level of pressure, and since when. What is done about it is PressureController's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "allocators/pressure/pressure_reading.h"

namespace sqlitemem {

/// Usage from which warning, high, critical and emergency are reported, as percent of the limit.
struct PressureLevels {
  std::string_view name;
  std::array<unsigned, 4> percents;  ///< Ascending.
};

/// Option pressure_levels. A program under development may run full; one that lives depend on warns
/// early.
inline constexpr std::array<PressureLevels, 3> pressure_level_presets = {{
    {"development", {80, 90, 95, 98}},
    {"production", {70, 80, 90, 95}},
    {"mission_critical", {60, 70, 80, 90}},
}};

/// nullptr: no preset has that name.
[[nodiscard]] constexpr const PressureLevels* find_pressure_levels(std::string_view name) noexcept {
  for (const PressureLevels& levels : pressure_level_presets) {
    if (levels.name == name) return &levels;
  }
  return nullptr;
}

/// A level is reported at once when usage reaches it, and left when usage is a point below it, so
/// that usage at a threshold does not make the report flap. Pure; one lock of its user around it.
class LevelTracker {
 public:
  static constexpr double points_below = 1;

  /// Takes effect at the next observe().
  void set_levels(const PressureLevels& levels) noexcept { percents_ = levels.percents; }
  /// `used_ratio`: of the limit; 0 where no limit is known. Times are wall clock, for since.
  PressureLevel observe(double used_ratio, std::int64_t now_unix_ms) noexcept {
    const auto reached = [&](double percent) {
      std::size_t level = 0;
      while (level < percents_.size() && percent >= percents_[level]) level++;
      return static_cast<PressureLevel>(level);
    };
    const double percent = used_ratio * 100;
    PressureLevel next = level_;
    if (reached(percent) > level_) next = reached(percent);
    if (reached(percent + points_below) < level_) next = reached(percent + points_below);
    if (next != level_ || !since_unix_ms_) since_unix_ms_ = now_unix_ms;
    return level_ = next;
  }
  [[nodiscard]] PressureLevel level() const noexcept { return level_; }
  /// When the level became what it is; 0 before the first observe().
  [[nodiscard]] std::int64_t since_unix_ms() const noexcept { return since_unix_ms_.value_or(0); }

 private:
  std::array<unsigned, 4> percents_ = pressure_level_presets[1].percents;
  PressureLevel level_ = PressureLevel::normal;
  std::optional<std::int64_t> since_unix_ms_;
};

}  // namespace sqlitemem
