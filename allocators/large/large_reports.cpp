// What large objects report about themselves, and the walk that checks their rules.
#include "allocators/base/bytes.h"
#include "allocators/large/large_objects.h"

namespace sqlitemem {

LargeObjectTotals LargeObjects::totals() const noexcept {
  const LockGuard guard(lock_);
  LargeObjectTotals totals = counters_;
  const FreeRegions& free = map_.free_regions();
  totals.live_objects = map_.live_objects();
  totals.live_bytes = map_.live_page_count() * page_bytes;
  totals.requested_bytes = requested_bytes_;
  totals.mapped_bytes = charged_pages_ * page_bytes;
  totals.free_regions = free.count();
  totals.free_bytes = free.pages() * page_bytes;
  totals.dirty_free_bytes = free.dirty_pages() * page_bytes;
  totals.largest_free_bytes =
      free.largest() == nullptr ? 0 : std::uint64_t{free.largest()->pages} * page_bytes;
  totals.huge_page_bytes = huge_pages_ * page_bytes;
  return totals;
}

std::uint64_t LargeObjects::live_bytes() const noexcept {
  return map_.live_page_count() * page_bytes;
}

std::uint64_t LargeObjects::live_objects() const noexcept { return map_.live_objects(); }

std::vector<LargeObjectInfo> LargeObjects::objects() const {
  std::vector<LargeObjectInfo> rows;
  while (true) {
    // Room is made without the lock: the caller's operator new may lead back to this heap.
    rows.reserve(map_.live_objects() + 16);
    const LockGuard guard(lock_);
    if (map_.live_objects() > rows.capacity()) continue;
    for (const LargeRegion* region = map_.first(); region != nullptr; region = region->above) {
      if (!region->is_live) continue;
      rows.push_back({.object_id = region->object_id,
                      .size_bytes = region->requested_bytes,
                      .mapped_bytes = std::uint64_t{region->pages} * page_bytes,
                      .allocated_at_ns = region->since_ns,
                      .is_huge_page = region->is_huge});
    }
    return rows;
  }
}

std::uint64_t LargeObjects::span_bytes() const noexcept {
  const LockGuard guard(lock_);
  if (!is_started_) return 0;
  return static_cast<std::uint64_t>(map_.area().frontier() - map_.area().begin());
}

void LargeObjects::add_to(FillMap& map) const noexcept {
  const LockGuard guard(lock_);
  if (!is_started_) return;
  for (const LargeRegion* region = map_.first(); region != nullptr; region = region->above) {
    const std::uint64_t bytes = std::uint64_t{region->pages} * page_bytes;
    const std::uint64_t dirty_bytes = std::uint64_t{region->dirty_pages} * page_bytes;
    map.add(std::uint64_t{region->first_page} * page_bytes, bytes,
            {.used_bytes = region->is_live ? bytes : 0,
             .held_bytes = region->is_live ? bytes : dirty_bytes});
  }
}

std::uint64_t LargeObjects::resident_bytes() const noexcept {
  const LockGuard guard(lock_);
  if (!is_started_) return 0;
  const Area& area = map_.area();
  return pages_->resident_bytes(area.begin(),
                                static_cast<std::size_t>(area.frontier() - area.begin()));
}

std::uint64_t LargeObjects::table_resident_bytes() const noexcept {
  const LockGuard guard(lock_);
  return is_started_ ? map_.table_resident_bytes() : 0;
}

std::size_t LargeObjects::bytes_around(const void* address) const noexcept {
  const LockGuard guard(lock_);
  const LargeRegion* const region = is_started_ ? map_.find_around(address) : nullptr;
  return region == nullptr ? 0 : std::size_t{region->pages} * page_bytes;
}

void LargeObjects::reset_statistics() noexcept {
  const LockGuard guard(lock_);
  counters_ = {};
}

std::optional<Violation> LargeObjects::find_violation() const noexcept {
  const LockGuard guard(lock_);
  return find_violation_locked();
}

std::optional<Violation> LargeObjects::find_violation_locked() const noexcept {
  if (!is_started_) return std::nullopt;
  if (const auto broken = map_.find_violation()) return broken;
  const std::uint64_t held = map_.live_page_count() + map_.free_regions().dirty_pages();
  if (held != charged_pages_)
    return Violation{"the budget was charged for live and dirty free pages", held, charged_pages_};
  if (budget_->held_bytes() < charged_pages_ * page_bytes)
    return Violation{"the budget holds at least what was charged here", charged_pages_ * page_bytes,
                     budget_->held_bytes()};
  std::uint64_t requested = 0, huge = 0;
  for (const LargeRegion* region = map_.first(); region != nullptr; region = region->above) {
    if (!region->is_live) continue;
    requested += region->requested_bytes;
    huge += region->is_huge ? round_down(region->pages, huge_page_pages) : 0;
  }
  if (requested != requested_bytes_)
    return Violation{"requested bytes are counted", requested, requested_bytes_};
  if (huge != huge_pages_) return Violation{"huge pages are counted", huge, huge_pages_};
  return std::nullopt;
}

}  // namespace sqlitemem
