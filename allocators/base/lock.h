// A four-byte futex lock: what the slow paths take. Constant-initialised, so a static heap needs no
// constructor.
#pragma once

#include <atomic>
#include <cstdint>

// Clang checks the locking rules at compile time (-Wthread-safety); other compilers see nothing.
#ifdef __clang__
#define SQLITEMEM_CAPABILITY(name) __attribute__((capability(name)))
#define SQLITEMEM_SCOPED_CAPABILITY __attribute__((scoped_lockable))
#define SQLITEMEM_GUARDED_BY(lock) __attribute__((guarded_by(lock)))
#define SQLITEMEM_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define SQLITEMEM_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define SQLITEMEM_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define SQLITEMEM_TRY_ACQUIRE(...) __attribute__((try_acquire_capability(__VA_ARGS__)))
#define SQLITEMEM_NO_THREAD_SAFETY __attribute__((no_thread_safety_analysis))
#else
#define SQLITEMEM_CAPABILITY(name)
#define SQLITEMEM_SCOPED_CAPABILITY
#define SQLITEMEM_GUARDED_BY(lock)
#define SQLITEMEM_REQUIRES(...)
#define SQLITEMEM_ACQUIRE(...)
#define SQLITEMEM_RELEASE(...)
#define SQLITEMEM_TRY_ACQUIRE(...)
#define SQLITEMEM_NO_THREAD_SAFETY
#endif

namespace sqlitemem {

/// Not recursive. Uncontended: one compare-and-swap, one exchange. U. Drepper, "Futexes Are
/// Tricky", mutex 3.
class SQLITEMEM_CAPABILITY("lock") Lock {
 public:
  void lock() noexcept SQLITEMEM_ACQUIRE() {
    std::uint32_t expected = free_state;
    if (!state_.compare_exchange_strong(expected, held, std::memory_order_acquire))
      wait_for(expected);
  }
  void unlock() noexcept SQLITEMEM_RELEASE() {
    if (state_.exchange(free_state, std::memory_order_release) == contended) wake_one();
  }
  [[nodiscard]] bool try_lock() noexcept SQLITEMEM_TRY_ACQUIRE(true) {
    std::uint32_t expected = free_state;
    return state_.compare_exchange_strong(expected, held, std::memory_order_acquire);
  }

 private:
  enum : std::uint32_t { free_state, held, contended };
  void wait_for(std::uint32_t seen) noexcept;
  void wake_one() noexcept;

  std::atomic<std::uint32_t> state_{free_state};
};

/// Holds a Lock for a scope.
class SQLITEMEM_SCOPED_CAPABILITY LockGuard {
 public:
  explicit LockGuard(Lock& lock) noexcept SQLITEMEM_ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~LockGuard() SQLITEMEM_RELEASE() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace sqlitemem
