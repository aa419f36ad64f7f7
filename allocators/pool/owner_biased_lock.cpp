// The slow sides of the owner-biased lock: the process-wide barrier, and an owner that has to wait.
#include "allocators/pool/owner_biased_lock.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sqlitemem {

void ProcessBarrier::start() noexcept {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0)
    must_fence = false;
}

bool ProcessBarrier::impose() noexcept {
  // Where owners fence, the two exchanges order themselves.
  return must_fence || ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

// The foreign thread holds the lock for the microseconds that a batch of evictions takes, or for a
// time slice when it is preempted.
void OwnerBiasedLock::finish_entering() noexcept {
  do {
    busy_.store(0, std::memory_order_release);
    while (foreign_.load(std::memory_order_acquire) != 0) ::sched_yield();
    busy_.exchange(1, std::memory_order_seq_cst);
  } while (foreign_.load(std::memory_order_acquire) != 0);
}

}  // namespace sqlitemem
