// The two clocks of the benchmarks: CPU time of the calling thread, and the wall clock.
#pragma once

#include <cstdint>
#include <ctime>

namespace sqlitemem::bench {

inline std::uint64_t read_clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(now.tv_nsec);
}

/// CPU time of this thread, user and kernel. It leaves out the time that other processes take from
/// us, which on a shared machine is most of the noise.
inline std::uint64_t thread_cpu_ns() { return read_clock_ns(CLOCK_THREAD_CPUTIME_ID); }

/// Needed where waiting is part of what is measured, e.g. for the throughput of two threads.
inline std::uint64_t wall_ns() { return read_clock_ns(CLOCK_MONOTONIC); }

}  // namespace sqlitemem::bench
