// What the parked plans of all connections may hold together, and what they have done.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocators/base/owner_word.h"

namespace sqlitemem::ext::plans {

/// A count that is written under one connection's mutex and read anywhere.
class Counter {
 public:
  void add(std::int64_t amount) noexcept { add_as_owner(value_, amount); }
  [[nodiscard]] std::uint64_t value() const noexcept {
    return static_cast<std::uint64_t>(value_.load(std::memory_order_relaxed));
  }

 private:
  std::atomic<std::int64_t> value_{0};
};

struct PlanCounters {
  Counter hits, misses, evictions;
};

/// A connection reserves room before it parks a plan, and keeps what it has reserved, so that a
/// plan that is taken and parked again touches nothing that connections share. Another connection
/// that needs the room takes back what is not in use.
struct Reservation {
  std::size_t plans = 0;
  std::uint64_t bytes = 0;
};

/// Of the whole process. Any thread.
struct ProcessTotals {
  /// Statements that any cache knows: parked, or in a program's hands.
  std::atomic<std::size_t> known{0};
  std::atomic<std::size_t> plans{0};
  std::atomic<std::uint64_t> bytes{0};
  /// Of connections that are closed.
  std::atomic<std::uint64_t> hits{0}, misses{0}, evictions{0};
  std::atomic<std::uint64_t> cleared{0};  ///< By clear_plan_cache().
};
ProcessTotals& process_totals() noexcept;

/// True if more is reserved than plan_cache_max_plans or plan_cache_max_bytes allow.
bool is_over_limits() noexcept;
/// False for a plan larger than plan_cache_max_plan_bytes, or than everything may be together.
bool may_park_bytes(std::uint64_t bytes) noexcept;

}  // namespace sqlitemem::ext::plans
