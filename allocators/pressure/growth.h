// Whether memory has kept growing: the sign of a leak, told from caches that fill and from bursts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "allocators/pressure/pressure_reading.h"

namespace sqlitemem {

/// What is measured: the heap without the buffer pool, whose growth is bounded and wanted; without
/// a heap of ours, what the process has in memory.
enum class GrowthSubject : std::uint8_t { heap, process };

struct Growth {
  GrowthSubject subject = GrowthSubject::heap;
  double seconds = 0;                             ///< From the first trough to the last.
  std::uint64_t first_bytes = 0, last_bytes = 0;  ///< The first and the last trough.
  unsigned rises = 0, steps = 0;  ///< Of so many steps from trough to trough, those upwards.
  double bytes_per_hour = 0;      ///< The median slope between troughs (Theil and Sen); signed.
  /// All but one step rise, none falls back by more than a tenth of the whole, growth is more than
  /// noise (1 MiB and a twentieth of the first trough), and it is not levelling off.
  bool is_continuous = false;
};

/// The window is cut into spans of equal length, and only the least of each counts: the trough is
/// what stays after work is done. Statistical tests of a trend (Mann and Kendall's) assume
/// independent samples; memory is nearer to a random walk, which they nearly always find a trend
/// in. Hence the demand that almost every step rises.
///
/// nullopt: the history is shorter than min_growth_seconds, or has a span without a sample.
/// Pure; no allocation.
[[nodiscard]] std::optional<Growth> find_growth(std::span<const PressureSample> history) noexcept;

/// Of the troughs, or where they do not reach back far enough of the history.
[[nodiscard]] inline std::optional<Growth> growth_in(const PressureReading& reading) noexcept {
  const auto growth = find_growth(reading.troughs);
  return growth ? growth : find_growth(reading.history);
}

inline constexpr double min_growth_seconds = 240;
inline constexpr std::uint64_t min_growth_bytes = 1024 * 1024;

}  // namespace sqlitemem
