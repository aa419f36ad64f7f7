// How long a process under RLIMIT_AS stays above 80 % of it, seen by a thread that asks the kernel.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sqlitemem::bench {

/// Looks every 5 ms from start to end. Takes next to no address space: a small stack, and no arena
/// of the C library's, as a thread has otherwise.
class UsageWatch {
 public:
  explicit UsageWatch(std::uint64_t limit_bytes);
  ~UsageWatch();
  UsageWatch(const UsageWatch&) = delete;
  UsageWatch& operator=(const UsageWatch&) = delete;

  /// Ends the watch. Milliseconds from going above 80 % to being below again, one for each time
  /// (the first most_spells); a spell that has not ended is left out.
  std::span<const std::uint32_t> finish();

 private:
  static constexpr std::size_t most_spells = 1000;
  void run();

  std::uint64_t limit_bytes_;
  int statm_;
  std::array<std::uint32_t, most_spells> spells_{};
  std::size_t count_ = 0;
  std::atomic<bool> is_over_{false};
  pthread_t thread_{};
  bool is_running_ = false;
};

}  // namespace sqlitemem::bench
