// The coarse monotonic clock: 6 ns, resolution a few milliseconds. For idleness, not for measuring.
#pragma once

#include <cstdint>
#include <ctime>

namespace sqlitemem {

inline constexpr std::uint64_t ns_per_second = 1'000'000'000;

inline std::uint64_t coarse_clock_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * ns_per_second +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace sqlitemem
