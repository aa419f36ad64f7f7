// The contended half of Lock: sleep in the kernel until woken.
#include "allocators/base/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sqlitemem {
namespace {

long futex(std::atomic<std::uint32_t>* word, int operation, std::uint32_t value) noexcept {
  return ::syscall(SYS_futex, word, operation, value, nullptr, nullptr, 0);
}

/// Looks at a held lock before going to sleep. Most are held for a microsecond or two, and falling
/// asleep and being woken costs both sides more than that.
constexpr int most_looks = 500;

void wait_a_little() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Lock::wait_for(std::uint32_t seen) noexcept {
  for (int look = 0; seen == held && look < most_looks; ++look) {
    wait_a_little();
    seen = state_.load(std::memory_order_relaxed);
    if (seen == free_state &&
        state_.compare_exchange_strong(seen, held, std::memory_order_acquire)) {
      return;
    }
  }
  if (seen != contended) seen = state_.exchange(contended, std::memory_order_acquire);
  while (seen != free_state) {
    futex(&state_, FUTEX_WAIT_PRIVATE, contended);  // Returns at once if the word has changed.
    seen = state_.exchange(contended, std::memory_order_acquire);
  }
}

void Lock::wake_one() noexcept { futex(&state_, FUTEX_WAKE_PRIVATE, 1); }

}  // namespace sqlitemem
