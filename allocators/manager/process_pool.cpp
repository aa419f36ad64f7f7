// Reserves the pool's address space, reads its options, and keeps its lock across fork.
#include "allocators/manager/process_pool.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>

#include "allocators/config.h"
#include "allocators/manager/process_arenas.h"
#include "allocators/manager/process_heap.h"
#include "allocators/pressure/cgroup.h"

namespace sqlitemem {

constinit BufferPool the_process_pool;

namespace {

constexpr BufferPool& pool = the_process_pool;
constinit Lock pool_start_lock;
constinit Area extents, slots, tables;
constinit std::size_t extent_limit = 0;

constexpr std::size_t slot_area_bytes = 32 * mib;  // Some 30,000 caches open at a time.
constexpr std::size_t min_extent_area_bytes = 16 * mib;
constexpr std::size_t limited_extent_area_bytes = 2 * mib;
constexpr std::uint64_t least_automatic_budget = 8 * mib;
constexpr std::uint64_t greatest_automatic_budget = 256 * mib;

extern "C" void sqlitemem_pool_before_fork() SQLITEMEM_NO_THREAD_SAFETY {
  pool.lock().lock();
  pool.adviser().lock();
}
extern "C" void sqlitemem_pool_after_fork() SQLITEMEM_NO_THREAD_SAFETY {
  pool.adviser().unlock();
  pool.lock().unlock();
}

bool reserve(Area& area, std::size_t bytes, std::size_t alignment, std::size_t stride) noexcept {
  void* begin = os_pages().reserve(bytes, alignment);
  if (begin == nullptr) return false;
  area.start(os_pages(), static_cast<std::byte*>(begin), bytes, stride);
  return true;
}

constexpr std::size_t huge_page_bytes = 2 * mib;
/// Where address space or data are limited, extents are opened and unmapped one by one.
bool uses_huge_pages() noexcept {
  return option(&Config::huge_pages) != 0 && !process_heap().is_space_limited();
}
/// The kernel makes no huge page of memory that is accessible in part.
std::size_t extent_stride() noexcept { return uses_huge_pages() ? huge_page_bytes : page_bytes; }

void give_up(Area& area) noexcept {
  if (area.begin() == nullptr) return;
  os_pages().release(area.begin(), static_cast<std::size_t>(area.end() - area.begin()));
  area = Area();
}

/// Room for so many extents, of which the first lie in an area of `area_bytes`.
bool reserve_for(PolicyKind policy, std::size_t extent_count, std::size_t area_bytes) noexcept {
  const std::size_t table_bytes = BufferPool::bytes_of_tables(policy, extent_count);
  const std::size_t slot_bytes =
      round_up(std::min(slot_area_bytes, extent_count * extent_bytes / 16), page_bytes);
  if (reserve(extents, area_bytes, huge_page_bytes, extent_stride()) &&
      reserve(tables, table_bytes, page_bytes, page_bytes) &&
      reserve(slots, slot_bytes, page_bytes, page_bytes)) {
    extent_limit = extent_count;
    return true;
  }
  for (Area* area : {&extents, &tables, &slots}) give_up(*area);
  return false;
}

/// A quarter of the region's size, or less. Where the kernel limits the process, address space or
/// committed memory that the pool holds without need is lost to the program: there extents are
/// mapped one by one, and given back.
bool reserve_all(PolicyKind policy) noexcept {
  const auto wanted =
      std::max(static_cast<std::size_t>(option(&Config::region_size)) / 4, min_extent_area_bytes);
  const std::size_t limit = std::min(address_space_left(), data_limit());
  if (limit != SIZE_MAX) {
    if (limit < min_extent_area_bytes) return false;
    return reserve_for(policy, std::min(wanted, limit) / extent_bytes, limited_extent_area_bytes);
  }
  for (std::size_t bytes = wanted; bytes >= min_extent_area_bytes; bytes /= 2) {
    const std::size_t whole = round_down(bytes, 2 * mib);
    if (reserve_for(policy, whole / extent_bytes, whole)) return true;
  }
  return false;
}

// A lookup table lives in the heap like everything that SQLite would have there.
void* allocate_table(std::size_t bytes) noexcept {
  void* block = heap_allocate(bytes);
  if (block != nullptr) std::fill_n(static_cast<std::byte*>(block), bytes, std::byte{0});
  return block;
}
void release_table(void* block, std::size_t) noexcept { heap_release(block); }
constinit std::atomic<CeilingHandler> ceiling_handler{nullptr};

/// Whether the ceiling was in the way of `bytes`, and is not any more.
bool raise_ceiling(std::uint64_t bytes) noexcept {
  const MemoryBudget& budget = process_heap().budget();
  const std::uint64_t wanted = budget.held_bytes() + bytes;
  const CeilingHandler raise = ceiling_handler.load(std::memory_order_acquire);
  if (raise == nullptr || wanted <= budget.in_force() || wanted > budget.limit()) return false;
  return raise(bytes);
}

/// For the pool, which has no page to evict.
void make_room_for_pages() noexcept {
  make_arenas_give_way();
  heap_collect();
  raise_ceiling(extent_bytes);
}

constinit std::atomic<RefusalHandler> refusal_handler{nullptr};
void page_refused(std::size_t bytes) noexcept {
  if (const auto refused = refusal_handler.load(std::memory_order_relaxed)) refused(bytes);
}

constinit std::atomic<GrowthHandler> growth_handler{nullptr};
GrowthRule growth_rule() noexcept {
  const GrowthHandler handler = growth_handler.load(std::memory_order_relaxed);
  return handler == nullptr ? GrowthRule::grow : handler();
}

/// For the heap, before it refuses a request: what nobody is using first.
std::uint64_t release_memory(std::size_t bytes) noexcept {
  std::uint64_t released = make_arenas_give_way();
  if (released > 0) heap_collect();
  if (released < bytes) released += pool.release_bytes(bytes - released);
  return raise_ceiling(bytes) ? std::max<std::uint64_t>(released, bytes) : released;
}

/// The limit of the control group that the process is in; nullopt: none, or not readable.
std::optional<std::uint64_t> group_limit() noexcept {
  try {
    return least_group_limit({});
  } catch (...) {  // No memory for the files' names.
    return std::nullopt;
  }
}

bool start() noexcept {
  const auto policy = static_cast<PolicyKind>(option(&Config::buffer_pool_policy));
  if (!reserve_all(policy)) return false;
  if (uses_huge_pages())
    os_pages().advise_huge(extents.begin(),
                           static_cast<std::size_t>(extents.end() - extents.begin()));
  const bool is_started = pool.start({.extents = &extents,
                                      .extent_limit = extent_limit,
                                      .slots = &slots,
                                      .tables = &tables,
                                      .pages = &os_pages(),
                                      .budget = &process_heap().budget(),
                                      .allocate = allocate_table,
                                      .release = release_table,
                                      .reclaim = make_room_for_pages,
                                      .growth = growth_rule,
                                      .refused = page_refused},
                                     policy);
  if (!is_started) {
    for (Area* area : {&extents, &tables, &slots}) give_up(*area);
    return false;
  }
  ::pthread_atfork(sqlitemem_pool_before_fork, sqlitemem_pool_after_fork,
                   sqlitemem_pool_after_fork);
  process_heap().set_shortage_handler(release_memory);
  process_heap().set_other_live_bytes(pool.live_bytes());
  return true;
}

}  // namespace

void set_ceiling_handler(CeilingHandler handler) noexcept {
  ceiling_handler.store(handler, std::memory_order_release);
}

std::uint64_t automatic_pool_budget(std::uint64_t memory_limit, std::uint64_t machine_bytes,
                                    std::optional<std::uint64_t> group_limit) noexcept {
  if (memory_limit != 0) return memory_limit / 4;
  return std::clamp(std::min(machine_bytes, group_limit.value_or(machine_bytes)) / 16,
                    least_automatic_budget, greatest_automatic_budget);
}

bool start_process_pool(GrowthHandler growth, RefusalHandler refused) noexcept {
  const LockGuard guard(pool_start_lock);
  if (!process_heap().is_started() || option(&Config::buffer_pool) == 0) return false;
  growth_handler.store(growth, std::memory_order_relaxed);
  refusal_handler.store(refused, std::memory_order_relaxed);
  if (!pool.is_started() && !start()) return false;
  apply_pool_config();
  return true;
}

std::array<OwnSpace, 2> process_spaces() noexcept {
  // There the kernel's limit is the limit: the C library lends what the region has not.
  if (process_heap().is_space_limited()) return {};
  const std::uint64_t held = process_heap().budget().held_bytes();
  const std::uint64_t by_pool = pool.is_started() ? pool.totals().held_bytes : 0;
  OwnSpace of_heap{at_least_zero(held, by_pool), process_heap().totals().reserved_bytes,
                   "address space of the heap (option region_size)"};
  OwnSpace of_pool{by_pool, static_cast<std::uint64_t>(extents.end() - extents.begin()),
                   "address space of the buffer pool"};
  return {of_heap, of_pool};
}

void apply_pool_config() noexcept {
  if (!pool.is_started()) return;
  const auto bytes = static_cast<std::uint64_t>(option(&Config::buffer_pool_size));
  pool.set_advice(option(&Config::buffer_pool_advice) != 0);
  if (bytes != 0) return pool.set_budget(bytes, false);
  const auto pages = static_cast<std::uint64_t>(std::max(0L, ::sysconf(_SC_PHYS_PAGES)));
  pool.set_budget(automatic_pool_budget(static_cast<std::uint64_t>(option(&Config::memory_limit)),
                                        pages * page_bytes, group_limit()),
                  true);
}

}  // namespace sqlitemem
