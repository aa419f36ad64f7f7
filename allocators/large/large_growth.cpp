// Resizing large objects: in place, by moving page tables, by copying.
#include <algorithm>
#include <cstring>

#include "allocators/base/bytes.h"
#include "allocators/base/clock.h"
#include "allocators/large/large_objects.h"

namespace sqlitemem {

void* LargeObjects::resize(void* object, std::size_t bytes) noexcept {
  struct {
    std::size_t bytes = 0;
    std::uint64_t object_id = 0, allocated_at_ns = 0;
  } old;
  {
    const LockGuard guard(lock_);
    LargeRegion* region = is_started_ ? map_.find_live(object) : nullptr;
    if (region == nullptr ||
        bytes > static_cast<std::size_t>(map_.area().end() - map_.area().begin()))
      return nullptr;
    const auto pages =
        static_cast<std::uint32_t>(divide_up(std::max<std::size_t>(bytes, 1), page_bytes));
    Growth growth = Growth::done;
    old = {.bytes = std::size_t{region->pages} * page_bytes,
           .object_id = region->object_id,
           .allocated_at_ns = region->since_ns};
    if (pages < region->pages) shrink(*region, pages);
    if (pages > region->pages) growth = grow_in_place(*region, pages);
    if (growth == Growth::no_memory) return nullptr;
    // Huge pages want their alignment, which a copy gets and a move does not.
    const bool wants_huge = bytes >= 2 * mib && option(&Config::huge_pages) != 0;
    if (growth == Growth::no_room && !wants_huge) {
      if (LargeRegion* const moved = grow_by_moving(*region, pages); moved != nullptr) {
        region = moved;
        growth = Growth::done;
      }
    }
    if (growth == Growth::done) {
      requested_bytes_ += bytes - region->requested_bytes;  // Wraps and comes back when shrinking.
      region->requested_bytes = bytes;
      trim();
      SQLITEMEM_CHECK_DEEP(Locked{*this});
      return map_.address_of(region->first_page);
    }
  }
  // Without the lock: copying a gigabyte would stop everyone else for a quarter of a second.
  void* const copy = allocate(bytes);
  if (copy == nullptr) return nullptr;
  std::memcpy(copy, object, old.bytes);
  SQLITEMEM_CHECK(release(object) == ReleaseResult::ok, old.bytes, bytes);
  const LockGuard guard(lock_);
  LargeRegion* const region = map_.find_live(copy);
  region->object_id = old.object_id;  // It is the same object to its owner.
  region->since_ns = old.allocated_at_ns;
  ++counters_.copied_growths;
  return copy;
}

void LargeObjects::shrink(LargeRegion& region, std::uint32_t pages) noexcept {
  if (!map_.reserve_nodes(1)) return;  // The object keeps its tail: no harm but waste.
  if (region.is_huge) {
    huge_pages_ -= round_down(region.pages, huge_page_pages) - round_down(pages, huge_page_pages);
  }
  count_free(map_.shrink(region, pages, coarse_clock_ns()));
}

LargeObjects::Growth LargeObjects::grow_in_place(LargeRegion& region,
                                                 std::uint32_t pages) noexcept {
  const std::uint32_t missing = pages - region.pages;
  const LargeRegion* behind = region.above;
  if (behind != nullptr && behind->is_live) return Growth::no_room;
  const std::uint32_t room = behind == nullptr ? 0 : behind->pages;
  if (room < missing) {
    if (behind != map_.last() && behind != nullptr) return Growth::no_room;
    // At the frontier: the rest comes from space that nobody has used.
    if (!map_.reserve_nodes(1) || map_.extend(missing - room) == nullptr) return Growth::no_room;
    behind = region.above;
  }
  const PageRun added{.first = region.end_page(), .pages = missing};
  if (!charge(missing - map_.dirty_pages(added), behind)) return Growth::no_memory;
  map_.grow(region, pages);
  if (region.is_huge) {
    huge_pages_ -= round_down(pages - missing, huge_page_pages);
    region.is_huge = false;
    advise_huge(region);
  }
  ++counters_.in_place_growths;
  return Growth::done;
}

// An object that has grown will grow again: the widest place is the best, and as much space as it
// takes is left free behind it. Space without memory costs nothing.
Place LargeObjects::find_roomy(std::uint32_t pages) noexcept {
  LargeRegion* const widest = map_.free_regions().largest();
  if (widest != nullptr && widest->pages / 2 >= pages)
    return {.region = widest, .first_page = widest->first_page};
  const LargeRegion* const last = map_.last();
  const std::uint32_t tail = last != nullptr && !last->is_live ? last->pages : 0;
  for (const std::uint32_t wanted : {2 * pages, pages}) {
    if (wanted <= tail) continue;
    LargeRegion* const region = map_.extend(wanted - tail);
    if (region != nullptr) return {.region = region, .first_page = region->first_page};
  }
  if (widest != nullptr && widest->pages >= pages)
    return {.region = widest, .first_page = widest->first_page};
  return {};
}

// nullptr: not possible, or not worth it; `region` is unchanged and the caller copies.
LargeRegion* LargeObjects::grow_by_moving(LargeRegion& region, std::uint32_t pages) noexcept {
  if (region.pages < RegionMap::min_moved_pages || !map_.can_move(region)) return nullptr;
  if (!map_.reserve_nodes(3)) return nullptr;
  const Place place = find_roomy(pages);
  if (place.region == nullptr) return nullptr;
  // What is charged afterwards: the new object, not the old one, and not what was dirty where it
  // goes.
  const std::uint64_t old_charge =
      std::uint64_t{region.pages} + map_.dirty_pages({.first = place.first_page, .pages = pages});
  if (pages > old_charge && !charge(pages - old_charge, place.region)) return nullptr;
  if (pages < old_charge) refund(old_charge - pages);
  LargeRegion& moved = map_.carve(place, pages, region.since_ns);
  moved.object_id = region.object_id;
  moved.requested_bytes = region.requested_bytes;
  const std::uint32_t old_pages = region.pages;
  const RegionMap::MoveResult result = map_.move_contents(region, moved);
  requested_bytes_ += region.requested_bytes;  // give_back() takes it off, for the old place.
  give_back(region, old_pages - result.held_pages);
  if (result.held_pages !=
      0) {  // Copied, and the old pages could not be returned: they are held, limit or not.
    charged_pages_ += result.held_pages;
    budget_->charge_held(std::uint64_t{result.held_pages} * page_bytes);
  }
  ++(result.moved_pages * 2 >= old_pages ? counters_.moved_growths : counters_.copied_growths);
  return &moved;
}

}  // namespace sqlitemem
