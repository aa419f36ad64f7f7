// Reads SQLite's limits now and then, and compares them with what the heap and the pool hold.
#include "ext/host/memory_limits.h"

#include <algorithm>
#include <atomic>

#include "allocators/base/clock.h"
#include "allocators/manager/process_heap.h"
#include "allocators/manager/process_pool.h"
#include "ext/host/mode.h"
#include "ext/pressure/pressure_watch.h"

namespace sqlitemem::ext {
namespace {

using Limit = sqlite3_int64 (*)(sqlite3_int64);
constinit std::atomic<Limit> soft_limit_of{nullptr}, hard_limit_of{nullptr};
constinit std::atomic<sqlite3_int64 (*)()> used_of{nullptr};
constinit std::atomic<std::uint64_t> read_at_ns{0};
constinit std::atomic<std::uint64_t> soft_limit{0}, hard_limit{0};

std::uint64_t value_of(Limit limit) noexcept {
  return static_cast<std::uint64_t>(limit == nullptr ? 0 : std::max<sqlite3_int64>(0, limit(-1)));
}

void read_limits() noexcept {
  const std::uint64_t now = coarse_clock_ns();
  // Looked at first, so that threads do not take the line from each other for nothing.
  if (read_at_ns.load(std::memory_order_relaxed) == now) return;
  if (read_at_ns.exchange(now, std::memory_order_relaxed) == now) return;
  soft_limit.store(value_of(soft_limit_of.load()), std::memory_order_relaxed);
  hard_limit.store(value_of(hard_limit_of.load()), std::memory_order_relaxed);
}

/// What counts against the limits: all that SQLite has from the heap, and all pages.
std::uint64_t bytes_in_use() noexcept {
  const auto used = used_of.load();
  const bool counts_for_itself = memory_accounting() == Accounting::sqlite && used != nullptr;
  const std::uint64_t heap = counts_for_itself
                                 ? static_cast<std::uint64_t>(std::max<sqlite3_int64>(0, used()))
                                 : process_heap().live_bytes();
  return heap + process_pool().live_bytes().load(std::memory_order_relaxed);
}

GrowthRule growth_under_limits() noexcept {
  read_limits();
  const std::uint64_t soft = soft_limit.load(std::memory_order_relaxed);
  const std::uint64_t hard = hard_limit.load(std::memory_order_relaxed);
  if (soft == 0 && hard == 0) return GrowthRule::grow;
  const std::uint64_t used = bytes_in_use();
  if (hard != 0 && used >= hard) return GrowthRule::refuse;
  return soft != 0 && used >= soft ? GrowthRule::recycle : GrowthRule::grow;
}

}  // namespace

void keep_limits_of(const HostSqlite& sqlite) noexcept {
  used_of.store(sqlite.memory_used);
  hard_limit_of.store(sqlite.hard_heap_limit64);
  soft_limit_of.store(sqlite.soft_heap_limit64);
}

GrowthRule pool_growth() noexcept {
  pressure_tick();
  const GrowthRule pressure = growth_under_pressure();
  return std::max(pressure, growth_under_limits());
}

}  // namespace sqlitemem::ext
