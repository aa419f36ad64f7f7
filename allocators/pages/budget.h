// The hard limit: bytes held from the operating system, counted where pages are taken and given
// back.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace sqlitemem {

/// Held bytes against the memory limit. One atomic add per slab, run or large object taken, never
/// per allocation. A page is charged when it may become resident and refunded when it is
/// decommitted. Thread-safe.
class MemoryBudget {
 public:
  static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

  /// false: the limit would be passed; nothing was charged. The caller reclaims and tries again, or
  /// gives up.
  [[nodiscard]] bool charge(std::uint64_t bytes) noexcept {
    const std::uint64_t now = held_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (now > in_force_.load(std::memory_order_relaxed)) [[unlikely]] {
      held_.fetch_sub(bytes, std::memory_order_relaxed);
      refusals_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    if (now > peak_.load(std::memory_order_relaxed)) raise_peak(now);
    return true;
  }
  /// Charges what is held already, whatever the limit.
  void charge_held(std::uint64_t bytes) noexcept {
    const std::uint64_t now = held_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (now > peak_.load(std::memory_order_relaxed)) raise_peak(now);
  }
  void refund(std::uint64_t bytes) noexcept { held_.fetch_sub(bytes, std::memory_order_relaxed); }

  void set_limit(std::uint64_t bytes) noexcept {
    limit_.store(bytes, std::memory_order_relaxed);
    renew_in_force();
  }
  /// A second limit that comes and goes with the pressure of the whole process. One at a time.
  void set_ceiling(std::uint64_t bytes) noexcept {
    ceiling_.store(bytes, std::memory_order_relaxed);
    renew_in_force();
  }
  [[nodiscard]] std::uint64_t limit() const noexcept {
    return limit_.load(std::memory_order_relaxed);
  }
  /// The lower one of limit and ceiling.
  [[nodiscard]] std::uint64_t in_force() const noexcept {
    return in_force_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t held_bytes() const noexcept {
    return held_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t peak_bytes() const noexcept {
    return peak_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t refusals() const noexcept {
    return refusals_.load(std::memory_order_relaxed);
  }
  void reset_peak() noexcept { peak_.store(held_bytes(), std::memory_order_relaxed); }

 private:
  // Again when the other one has changed meanwhile: what was stored may be from before.
  void renew_in_force() noexcept {
    std::uint64_t lower = std::min(limit_.load(), ceiling_.load());
    for (std::uint64_t stored = ~lower; stored != lower;
         lower = std::min(limit_.load(), ceiling_.load())) {
      in_force_.store(lower);
      stored = lower;
    }
  }
  void raise_peak(std::uint64_t now) noexcept {
    std::uint64_t seen = peak_.load(std::memory_order_relaxed);
    while (seen < now && !peak_.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
    }
  }
  std::atomic<std::uint64_t> held_{0};
  std::atomic<std::uint64_t> peak_{0};
  std::atomic<std::uint64_t> refusals_{0};
  std::atomic<std::uint64_t> limit_{unlimited};
  std::atomic<std::uint64_t> ceiling_{unlimited};
  std::atomic<std::uint64_t> in_force_{unlimited};
};

}  // namespace sqlitemem
