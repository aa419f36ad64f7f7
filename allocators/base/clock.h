// The coarse monotonic clock: 6 ns, resolution a few milliseconds. For idleness, not for measuring.
#pragma once

#include <cstdint>
#include <ctime>

namespace sqlitemem {

inline std::uint64_t coarse_clock_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace sqlitemem
