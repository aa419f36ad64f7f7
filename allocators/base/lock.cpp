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

}  // namespace

void Lock::wait_for(std::uint32_t seen) noexcept {
  if (seen != contended) seen = state_.exchange(contended, std::memory_order_acquire);
  while (seen != free_state) {
    futex(&state_, FUTEX_WAIT_PRIVATE, contended);  // Returns at once if the word has changed.
    seen = state_.exchange(contended, std::memory_order_acquire);
  }
}

void Lock::wake_one() noexcept { futex(&state_, FUTEX_WAKE_PRIVATE, 1); }

}  // namespace sqlitemem
