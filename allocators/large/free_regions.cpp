// Which free region an object is taken from, and the upkeep of the three indexes.
#include "allocators/large/free_regions.h"

#include "allocators/base/bytes.h"

namespace sqlitemem {

void FreeRegions::start(std::uint64_t base_page, const PageBits& dirty) noexcept {
  base_page_ = base_page;
  dirty_ = &dirty;
  by_address_.forget_all();
  by_size_.forget_all();
  oldest_ = newest_ = nullptr;
  count_ = pages_ = dirty_pages_ = 0;
}

void FreeRegions::insert(LargeRegion& region, LargeRegion* newer) noexcept {
  by_address_.insert(region);
  by_size_.insert(region);
  ++count_;
  pages_ += region.pages;
  dirty_pages_ += region.dirty_pages;
  region.most_movable = region.dirty_pages;
  if (region.dirty_pages != 0) link_by_age(region, newer);
}

void FreeRegions::erase(LargeRegion& region) noexcept {
  SQLITEMEM_CHECK(count_ > 0 && pages_ >= region.pages, pages_, region.pages);
  by_address_.erase(region);
  by_size_.erase(region);
  --count_;
  pages_ -= region.pages;
  dirty_pages_ -= region.dirty_pages;
  if (region.dirty_pages != 0) unlink_by_age(region);
}

void FreeRegions::set_dirty(LargeRegion& region, std::uint32_t dirty_pages) noexcept {
  SQLITEMEM_CHECK(dirty_pages <= region.dirty_pages, dirty_pages, region.dirty_pages);
  if (region.dirty_pages != 0 && dirty_pages == 0) unlink_by_age(region);
  dirty_pages_ -= region.dirty_pages - dirty_pages;
  region.dirty_pages = dirty_pages;
}

void FreeRegions::add_dirty(LargeRegion& region, std::uint32_t dirty_pages) noexcept {
  if (region.dirty_pages != 0) unlink_by_age(region);
  if (newest_ != nullptr) region.since_ns = std::max(region.since_ns, newest_->since_ns);
  region.dirty_pages += dirty_pages;
  region.most_movable = region.dirty_pages;
  dirty_pages_ += dirty_pages;
  if (region.dirty_pages != 0) link_by_age(region, nullptr);
}

void FreeRegions::link_by_age(LargeRegion& region, LargeRegion* newer) noexcept {
  region.newer = newer;
  region.older = newer == nullptr ? newest_ : newer->older;
  (region.older == nullptr ? oldest_ : region.older->newer) = &region;
  (region.newer == nullptr ? newest_ : region.newer->older) = &region;
}

void FreeRegions::unlink_by_age(LargeRegion& region) noexcept {
  (region.older == nullptr ? oldest_ : region.older->newer) = region.newer;
  (region.newer == nullptr ? newest_ : region.newer->older) = region.older;
  region.older = region.newer = nullptr;
}

Place FreeRegions::find(const PlaceRequest& request) const noexcept {
  switch (request.strategy) {
    case AllocationStrategy::first_fit:
      return first_fit(request);
    case AllocationStrategy::worst_fit:
      return worst_fit(request);
    case AllocationStrategy::best_fit:
      break;
  }
  return best_fit(request);
}

std::uint32_t FreeRegions::first_fit_in(const LargeRegion& region,
                                        const PlaceRequest& request) const noexcept {
  const std::uint64_t absolute = base_page_ + region.first_page;
  return static_cast<std::uint32_t>(round_up(absolute, request.alignment_pages) - base_page_);
}

std::uint32_t FreeRegions::last_fit_in(const LargeRegion& region,
                                       const PlaceRequest& request) const noexcept {
  const std::uint64_t absolute = base_page_ + region.end_page() - request.pages;
  return static_cast<std::uint32_t>(round_down(absolute, request.alignment_pages) - base_page_);
}

// The smallest region that fits; of those nearly as small, the one with the fewest pages to fault
// in. A page fault costs 1.1 µs, so a few hundred pages of it outweigh a slightly worse fit.
Place FreeRegions::best_fit(const PlaceRequest& request) const noexcept {
  Place best;
  std::uint32_t least_clean = 0;
  int candidates = 0;
  const auto consider = [&](LargeRegion& region, std::uint32_t first_page) {
    const std::uint32_t dirty = region.dirty_pages == 0 || region.dirty_pages == region.pages
                                    ? std::min(region.dirty_pages, request.pages)
                                    : dirty_->count({.first = first_page, .pages = request.pages});
    const std::uint32_t clean = request.pages - dirty;
    if (best.region != nullptr && clean >= least_clean) return;
    best = {.region = &region, .first_page = first_page};
    least_clean = clean;
  };
  by_size_.visit_from([&](const LargeRegion& region) { return region.pages < request.pages; },
                      [&](LargeRegion& region) {
                        const std::uint32_t front = first_fit_in(region, request);
                        if (front + request.pages > region.end_page())
                          return false;  // Too small once aligned.
                        consider(region, front);
                        if (region.dirty_pages != 0 && region.dirty_pages != region.pages)
                          consider(region, last_fit_in(region, request));
                        return least_clean == 0 || ++candidates == best_fit_candidates;
                      });
  return best;
}

// The lowest address that fits: the tree by address knows the largest region in each subtree.
Place FreeRegions::first_fit(const PlaceRequest& request) const noexcept {
  const std::uint32_t enough = request.pages + request.alignment_pages - 1;
  LargeRegion* node = by_address_.root();
  while (node != nullptr && node->most_pages >= enough) {
    const auto [left, right] = node->by_address;
    if (left != nullptr && left->most_pages >= enough) {
      node = left;
    } else if (node->pages >= enough) {
      return {.region = node, .first_page = first_fit_in(*node, request)};
    } else {
      node = right;
    }
  }
  return {};
}

Place FreeRegions::worst_fit(const PlaceRequest& request) const noexcept {
  LargeRegion* const region = by_size_.last();
  if (region == nullptr) return {};
  const std::uint32_t first_page = first_fit_in(*region, request);
  if (first_page + request.pages > region->end_page()) return {};
  return {.region = region, .first_page = first_page};
}

std::optional<Violation> FreeRegions::find_violation() const noexcept {
  const auto at = [](const LargeRegion* region) {
    return reinterpret_cast<std::uintptr_t>(region);
  };
  std::uint64_t by_address = 0, by_size = 0, by_age = 0, pages = 0, dirty = 0;
  const LargeRegion* previous = nullptr;
  const auto unordered_address = [&](const LargeRegion& region) {
    if (previous != nullptr && !ByAddress::before(*previous, region)) return true;
    previous = &region;
    return ++by_address > count_;
  };
  if (by_address_.visit_from([](const LargeRegion&) { return false; }, unordered_address))
    return Violation{"free regions by address ascend, and are as many as counted", count_,
                     by_address, at(previous)};
  previous = nullptr;
  const auto unordered_size = [&](const LargeRegion& region) {
    if (previous != nullptr && !BySize::before(*previous, region)) return true;
    previous = &region;
    pages += region.pages;
    dirty += region.dirty_pages;
    by_age += region.dirty_pages != 0 ? 1 : 0;
    return ++by_size > count_;
  };
  if (by_size_.visit_from([](const LargeRegion&) { return false; }, unordered_size))
    return Violation{"free regions by size ascend, and are as many as counted", count_, by_size,
                     at(previous)};
  if (by_address != by_size)
    return Violation{"the index by size equals the index by address", by_address, by_size};
  if (by_size != count_) return Violation{"free regions are counted", by_size, count_};
  if (pages != pages_) return Violation{"free pages are counted", pages, pages_};
  if (dirty != dirty_pages_) return Violation{"dirty free pages are counted", dirty, dirty_pages_};
  const LargeRegion* older = nullptr;
  std::uint64_t listed = 0;
  for (const LargeRegion* region = oldest_; region != nullptr; region = region->newer) {
    if (++listed > by_age || region->dirty_pages == 0 || region->older != older)
      return Violation{"the list by age holds the dirty free regions", by_age, listed, at(region)};
    if (older != nullptr && older->since_ns > region->since_ns)
      return Violation{"the list by age ascends", older->since_ns, region->since_ns, at(region)};
    older = region;
  }
  if (listed != by_age)
    return Violation{"the list by age holds every dirty free region", by_age, listed};
  if (newest_ != older)
    return Violation{"the list by age ends at the newest", at(older), at(newest_)};
  return std::nullopt;
}

}  // namespace sqlitemem
