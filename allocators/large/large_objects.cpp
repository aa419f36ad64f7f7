// Taking and giving back large objects: where they go, what the budget is charged, how much freed
// memory is kept.
#include "allocators/large/large_objects.h"

#include <algorithm>

#include "allocators/base/bytes.h"
#include "allocators/base/clock.h"

namespace sqlitemem {
namespace {

/// 0 if the area can never hold it.
std::uint32_t pages_for(std::size_t bytes, const Area& area) noexcept {
  if (bytes > static_cast<std::size_t>(area.end() - area.begin())) return 0;
  return static_cast<std::uint32_t>(divide_up(std::max<std::size_t>(bytes, 1), page_bytes));
}

}  // namespace

bool LargeObjects::start(Area& area, MetadataHeap& metadata, PageSource& pages,
                         MemoryBudget& budget) noexcept {
  const LockGuard guard(lock_);
  pages_ = &pages;
  budget_ = &budget;
  next_object_id_ = 1;
  is_started_ = map_.start(area, metadata, pages);
  return is_started_;
}

void LargeObjects::stop() noexcept {
  const LockGuard guard(lock_);
  if (!is_started_) return;
  refund(charged_pages_);
  map_.stop();
  requested_bytes_ = huge_pages_ = usual_live_pages_x256_ = live_samples_ = 0;
  counters_ = {};
  is_started_ = false;
}

void* LargeObjects::allocate(std::size_t bytes) noexcept {
  const LockGuard guard(lock_);
  if (!is_started_) return nullptr;
  const std::uint32_t pages = pages_for(bytes, map_.area());
  if (pages == 0) return nullptr;
  const bool is_huge = bytes >= huge_page_pages * page_bytes && option(&Config::huge_pages) != 0;
  LargeRegion* const region = take(pages, is_huge ? huge_page_pages : 1);
  if (region == nullptr) return nullptr;
  region->object_id = next_object_id_++;
  region->requested_bytes = bytes;
  requested_bytes_ += bytes;
  ++counters_.allocations;
  if (is_huge) advise_huge(*region);
  trim();
  SQLITEMEM_CHECK_DEEP(Locked{*this});
  return map_.address_of(region->first_page);
}

LargeObjects::ReleaseResult LargeObjects::release(void* object) noexcept {
  const LockGuard guard(lock_);
  if (!is_started_) return ReleaseResult::not_live;
  LargeRegion* const region = map_.find_live(object);
  if (region == nullptr) {
    return map_.find_around(object) == nullptr ? ReleaseResult::not_live : ReleaseResult::interior;
  }
  ++counters_.frees;
  give_back(*region, 0);
  trim();
  SQLITEMEM_CHECK_DEEP(Locked{*this});
  return ReleaseResult::ok;
}

void LargeObjects::give_back(LargeRegion& region, std::uint32_t clean_pages) noexcept {
  requested_bytes_ -= region.requested_bytes;
  if (region.is_huge) huge_pages_ -= round_down(region.pages, huge_page_pages);
  count_free(map_.make_free(region, coarse_clock_ns(), clean_pages));
}

void LargeObjects::count_free(int neighbours) noexcept {
  counters_.coalesces += static_cast<std::uint64_t>(neighbours);
  if (neighbours == 0) return;
  ++counters_.coalescible_frees;
  ++counters_.merged_frees;  // Merging is immediate and complete: rule 2 would break otherwise.
}

std::size_t LargeObjects::usable_bytes(const void* object) const noexcept {
  return std::size_t{map_.live_pages(object)} * page_bytes;
}

LargeRegion* LargeObjects::take(std::uint32_t pages, std::uint32_t alignment_pages) noexcept {
  if (!map_.reserve_nodes(3)) return nullptr;  // One to extend, two to carve.
  const std::byte* const frontier = map_.area().frontier();
  const Place place =
      find_or_extend({.pages = pages,
                      .alignment_pages = alignment_pages,
                      .strategy = option_as<AllocationStrategy>(&Config::allocation_strategy)});
  if (place.region == nullptr) return nullptr;
  reuse_dirty_memory(place, pages);
  if (!charge(map_.clean_pages(place, pages), place.region)) return nullptr;
  if (map_.area().frontier() == frontier) ++counters_.free_list_hits;
  return &map_.carve(place, pages, coarse_clock_ns());
}

Place LargeObjects::find_or_extend(const PlaceRequest& request) noexcept {
  const Place place = map_.free_regions().find(request);
  if (place.region != nullptr) return place;
  // Whatever is free at the end of the area is used up first.
  const LargeRegion* const last = map_.last();
  const std::uint32_t tail = last != nullptr && !last->is_live ? last->pages : 0;
  const std::uint32_t needed = request.pages + request.alignment_pages - 1;
  LargeRegion* region = map_.extend(needed > tail ? needed - tail : 1);
  if (region == nullptr) return {};
  // Only the last region can fit now; an alignment may leave pages before the object.
  const auto base = reinterpret_cast<std::uintptr_t>(map_.area().begin()) / page_bytes;
  const auto first = round_up(base + region->first_page, request.alignment_pages) - base;
  return {.region = region, .first_page = static_cast<std::uint32_t>(first)};
}

bool LargeObjects::charge(std::uint64_t pages, const LargeRegion* keep) noexcept {
  if (!budget_->charge(pages * page_bytes)) {
    // Free dirty memory counts against the limit, and is worth less than a live object.
    decommit_oldest(pages, keep);
    if (!budget_->charge(pages * page_bytes)) return false;
  }
  charged_pages_ += pages;
  return true;
}

void LargeObjects::refund(std::uint64_t pages) noexcept {
  SQLITEMEM_CHECK(pages <= charged_pages_, pages, charged_pages_);
  charged_pages_ -= pages;
  budget_->refund(pages * page_bytes);
}

std::uint64_t LargeObjects::decommit_oldest(std::uint64_t pages, const LargeRegion* keep) noexcept {
  std::uint64_t returned = 0;
  LargeRegion* region = map_.free_regions().oldest_dirty();
  while (region != nullptr && returned < pages) {
    LargeRegion* const newer = region->newer;
    if (region != keep) {
      const std::uint64_t missing = std::min<std::uint64_t>(pages - returned, region->dirty_pages);
      returned += map_.decommit(*region, static_cast<std::uint32_t>(missing));
    }
    region = newer;
  }
  counters_.decommitted_bytes += returned * page_bytes;
  refund(returned);
  return returned;
}

// What may be held, live and dirty. Against what is usually live, not what is live at present: live
// memory goes up and down, and what is returned in a dip is faulted in again at the next rise.
std::uint64_t LargeObjects::kept_pages() const noexcept {
  const std::uint64_t usual = usual_live_pages_x256_ / 256;
  const auto percent = static_cast<std::uint64_t>(option(&Config::large_object_retain));
  return std::max(usual + usual * percent / 100, map_.live_page_count() + kept_floor_pages);
}

void LargeObjects::reuse_dirty_memory(Place place, std::uint32_t pages) noexcept {
  const std::uint32_t clean = map_.clean_pages(place, pages);
  const std::uint64_t excess = at_least_zero(charged_pages_ + clean, kept_pages());
  if (excess == 0 || clean == 0) return;
  map_.transplant(place, pages, static_cast<std::uint32_t>(std::min<std::uint64_t>(excess, clean)));
}

// A mean over all samples at first, over some 4096 in the end: longer than objects live, else what
// is usual would follow every dip, and pages would go back to be faulted in again. A program that
// clearly grows is followed sixteen times as fast.
void LargeObjects::note_live(std::uint64_t live_pages) noexcept {
  live_samples_ = std::min(live_samples_ + 1, usual_samples);
  const std::uint64_t usual = usual_live_pages_x256_ / 256;
  const bool grows = live_pages > usual + usual / 4;
  const std::uint64_t weight = grows ? std::min(live_samples_, usual_samples / 16) : live_samples_;
  usual_live_pages_x256_ -= usual_live_pages_x256_ / weight;
  usual_live_pages_x256_ += live_pages * 256 / weight;
}

void LargeObjects::trim() noexcept {
  const std::uint64_t live = map_.live_page_count();
  note_live(live);
  const std::uint64_t most = std::min(kept_pages(), live + std::max(live, kept_floor_pages));
  const std::uint64_t excess = at_least_zero(charged_pages_, most);
  // A system call for a few pages costs more than they are worth: wait for a batch.
  if (excess > most / trim_batch_divisor) decommit_oldest(excess, nullptr);
}

void LargeObjects::advise_huge(LargeRegion& region) noexcept {
  const std::uint32_t pages = static_cast<std::uint32_t>(round_down(region.pages, huge_page_pages));
  if (!pages_->advise_huge(map_.address_of(region.first_page), std::size_t{pages} * page_bytes))
    return;
  map_.note_mapping({.first = region.first_page, .pages = pages});  // Advice splits mappings.
  region.is_huge = true;
  huge_pages_ += pages;
}

std::size_t LargeObjects::purge(std::uint64_t idle_ns, std::uint64_t now_ns) noexcept {
  std::size_t returned_bytes = 0;
  while (true) {  // The lock is given up between regions: a gigabyte takes 25 ms to return.
    const LockGuard guard(lock_);
    LargeRegion* const region = is_started_ ? map_.free_regions().oldest_dirty() : nullptr;
    if (region == nullptr || at_least_zero(now_ns, region->since_ns) < idle_ns) break;
    const std::uint64_t returned = decommit_oldest(region->dirty_pages, nullptr);
    SQLITEMEM_CHECK_DEEP(Locked{*this});
    returned_bytes += returned * page_bytes;
    if (returned == 0) break;  // The operating system refuses.
  }
  return returned_bytes;
}

std::size_t LargeObjects::coalesce_all() noexcept {
  return purge(0, coarse_clock_ns());  // Rule 2: there is nothing left to merge.
}

}  // namespace sqlitemem
