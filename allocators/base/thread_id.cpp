// Thread numbers, remembered per thread and forgotten in the child of a fork.
#include "allocators/base/thread_id.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

namespace sqlitemem {
namespace {

[[gnu::tls_model("initial-exec")]] constinit thread_local std::uint64_t own_id = 0;

void forget_id_in_child() noexcept { own_id = 0; }

[[gnu::noinline]] std::uint64_t ask() noexcept {
  static std::once_flag is_registered;
  std::call_once(is_registered, [] { ::pthread_atfork(nullptr, nullptr, forget_id_in_child); });
  own_id = static_cast<std::uint64_t>(::syscall(SYS_gettid));
  return own_id;
}

}  // namespace

std::uint64_t current_thread_id() noexcept { return own_id != 0 ? own_id : ask(); }

// Signal 0 is never delivered: the kernel only looks for the thread.
bool thread_exists(std::uint64_t thread_id) noexcept {
  const long rc =
      ::syscall(SYS_tgkill, static_cast<long>(::getpid()), static_cast<long>(thread_id), 0L);
  return rc == 0 || errno != ESRCH;
}

}  // namespace sqlitemem
