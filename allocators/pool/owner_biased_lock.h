// A lock that costs its usual owner two plain stores: whoever else wants it pays for a membarrier.
#pragma once

#include <atomic>
#include <cstdint>

namespace sqlitemem {

/// Whether owners need a full fence at each entry, because the kernel has no membarrier (or hides
/// it). Decided once, before the first entry.
class ProcessBarrier {
 public:
  /// Registers the process for MEMBARRIER_CMD_PRIVATE_EXPEDITED. Idempotent. A child of fork()
  /// inherits the registration.
  static void start() noexcept;
  /// Every other running thread of the process passes a full fence before this returns. false: the
  /// kernel refused (a sandbox was entered since start()); no lock that was announced is entered.
  [[nodiscard]] static bool impose() noexcept;
  static bool owners_must_fence() noexcept { return must_fence; }

 private:
  inline static constinit bool must_fence = true;
};

/// Mutual exclusion between one owner at a time (its callers see to that: SQLite serialises the
/// calls on one page cache) and a foreign thread that only ever tries.
///
///   owner:    busy = 1; compiler fence; foreign != 0 → step back and wait; …; busy = 0
///   foreign:  foreign = 1; membarrier in all threads; busy != 0 → give up; …; foreign = 0
///
/// Dekker's algorithm with an asymmetric fence, as in D. Dice, H. Huang, M. Yang, "Asymmetric
/// Dekker Synchronization" (2001). Foreign threads are serialised by a lock of their own.
class OwnerBiasedLock {
 public:
  void enter() noexcept {
    if (!begin_entering()) [[unlikely]]
      finish_entering();
  }
  /// The usual half of enter(). false: finish_entering() has to follow. Apart, so that a hit needs
  /// no stack frame for a call that it hardly ever makes.
  [[nodiscard]] bool begin_entering() noexcept {
    if (ProcessBarrier::owners_must_fence()) [[unlikely]]
      busy_.exchange(1, std::memory_order_seq_cst);
    else
      busy_.store(1, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return foreign_.load(std::memory_order_seq_cst) == 0;
  }
  /// Waits until no foreign thread is inside.
  void finish_entering() noexcept;
  void leave() noexcept { busy_.store(0, std::memory_order_release); }

  /// Step 1 of a foreign entry. Then, once for any number of locks, ProcessBarrier::impose().
  void announce() noexcept { foreign_.exchange(1, std::memory_order_seq_cst); }
  /// Step 2. false: the owner is inside; withdraw() and leave the data alone.
  [[nodiscard]] bool is_entered() const noexcept {
    return busy_.load(std::memory_order_seq_cst) == 0;
  }
  /// Ends a foreign entry, successful or not.
  void withdraw() noexcept { foreign_.store(0, std::memory_order_release); }

 private:
  std::atomic<std::uint32_t> busy_{0};
  std::atomic<std::uint32_t> foreign_{0};
};

}  // namespace sqlitemem
