// The thread: one read of /proc/self/statm every 5 ms.
#include "bench/survival/usage_watch.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

namespace sqlitemem::bench {

using Clock = std::chrono::steady_clock;

UsageWatch::UsageWatch(std::uint64_t limit_bytes)
    : limit_bytes_(limit_bytes), statm_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {
  constexpr std::size_t stack_bytes = 64 * 1024;
  ::mallopt(M_ARENA_MAX, 1);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, stack_bytes);
  const auto start = [](void* self) -> void* {
    static_cast<UsageWatch*>(self)->run();
    return nullptr;
  };
  is_running_ = ::pthread_create(&thread_, &attributes, start, this) == 0;
  ::pthread_attr_destroy(&attributes);
}

UsageWatch::~UsageWatch() {
  finish();
  ::close(statm_);
}

std::span<const std::uint32_t> UsageWatch::finish() {
  is_over_ = true;
  if (is_running_) ::pthread_join(thread_, nullptr);
  is_running_ = false;
  return {spells_.data(), count_};
}

void UsageWatch::run() {
  constexpr double above = 0.80;
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  bool is_above = false;
  Clock::time_point since;
  while (!is_over_) {
    std::array<char, 64> text{};
    const bool is_read = ::pread(statm_, text.data(), text.size() - 1, 0) > 0;
    const std::uint64_t mapped = std::strtoull(text.data(), nullptr, 10) * page_bytes;
    const bool is_now =
        is_read && static_cast<double>(mapped) > above * static_cast<double>(limit_bytes_);
    const Clock::time_point now = Clock::now();
    if (is_now && !is_above) since = now;
    if (!is_now && is_above && count_ < most_spells) {
      spells_[count_++] = static_cast<std::uint32_t>(
          std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count());
    }
    is_above = is_now;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace sqlitemem::bench
