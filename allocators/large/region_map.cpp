// Splitting, merging and growing the regions that tile the area.
#include "allocators/large/region_map.h"

#include <new>

namespace sqlitemem {

bool RegionMap::start(Area& area, MetadataHeap& metadata, PageSource& pages) noexcept {
  area_ = &area;
  metadata_ = &metadata;
  pages_ = &pages;
  const auto area_pages = static_cast<std::size_t>(area.end() - area.begin()) / page_bytes;
  free_.start(reinterpret_cast<std::uintptr_t>(area.begin()) / page_bytes, dirty_);
  const bool reserved = starts_.start(pages, area_pages + 1) &&
                        dirty_.start(pages, area_pages + 1) && seams_.start(pages, area_pages + 1);
  if (!reserved) stop();
  return reserved;
}

void RegionMap::stop() noexcept {
  while (first_ != nullptr) {
    LargeRegion* const region = first_;
    first_ = region->above;
    give_node(*region);
  }
  while (spare_ != nullptr) {
    LargeRegion* const node = spare_;
    spare_ = node->above;
    metadata_->release(node, sizeof(LargeRegion));
  }
  last_ = nullptr;
  spare_count_ = 0;
  seam_count_ = 0;
  refused_moves_ = 0;
  live_pages_ = live_objects_ = 0;
  if (area_ != nullptr) free_.start(0, dirty_);
  starts_.stop();
  dirty_.stop();
  seams_.stop();
}

bool RegionMap::reserve_nodes(int count) noexcept {
  while (spare_count_ < count) {
    void* const memory = metadata_->allocate(sizeof(LargeRegion));
    if (memory == nullptr) return false;
    give_node(*new (memory) LargeRegion);
  }
  return true;
}

LargeRegion& RegionMap::take_node() noexcept {
  SQLITEMEM_CHECK(spare_ != nullptr, spare_count_, 1);
  LargeRegion* const node = spare_;
  spare_ = node->above;
  --spare_count_;
  node->above = node->below = nullptr;
  node->dirty_pages = 0;
  node->is_huge = false;
  return *node;
}

void RegionMap::give_node(LargeRegion& region) noexcept {
  region.live_pages.store(0, std::memory_order_relaxed);
  region.is_live = false;
  region.above = spare_;
  spare_ = &region;
  ++spare_count_;
}

void RegionMap::link_above(LargeRegion& region, LargeRegion* below) noexcept {
  region.below = below;
  region.above = below == nullptr ? first_ : below->above;
  (region.below == nullptr ? first_ : region.below->above) = &region;
  (region.above == nullptr ? last_ : region.above->below) = &region;
}

void RegionMap::unlink(LargeRegion& region) noexcept {
  (region.below == nullptr ? first_ : region.below->above) = region.above;
  (region.above == nullptr ? last_ : region.above->below) = region.below;
}

void RegionMap::set_start(std::uint32_t page, LargeRegion* region) noexcept {
  std::atomic_ref<LargeRegion*>(starts_[page]).store(region, std::memory_order_release);
}

void RegionMap::set_live(LargeRegion& region, bool is_live) noexcept {
  region.is_live = is_live;
  region.live_pages.store(is_live ? region.pages : 0, std::memory_order_relaxed);
  set_start(region.first_page, is_live ? &region : nullptr);
  const std::uint64_t one = 1, pages = region.pages;
  add(live_pages_, is_live ? pages : 0 - pages);
  add(live_objects_, is_live ? one : 0 - one);
}

LargeRegion* RegionMap::free_below(const LargeRegion& region) const noexcept {
  return region.below != nullptr && !region.below->is_live ? region.below : nullptr;
}

LargeRegion* RegionMap::free_above(const LargeRegion& region) const noexcept {
  return region.above != nullptr && !region.above->is_live ? region.above : nullptr;
}

bool RegionMap::cover(std::size_t pages) noexcept {
  return starts_.cover(pages + 1) && dirty_.cover(pages + 1) && seams_.cover(pages + 1);
}

LargeRegion* RegionMap::extend(std::uint32_t pages) noexcept {
  const std::size_t before =
      static_cast<std::size_t>(area_->frontier() - area_->begin()) / page_bytes;
  const std::size_t bytes = std::size_t{pages} * page_bytes;
  if (bytes > area_->bytes_left() || !cover(before + pages)) return nullptr;
  const std::byte* const committed = area_->committed();
  if (area_->extend(bytes) == nullptr) return nullptr;
  // What is committed in two steps may be two mappings.
  if (area_->committed() != committed)
    add_seam(static_cast<std::uint32_t>(static_cast<std::size_t>(committed - area_->begin()) /
                                        page_bytes));
  if (last_ != nullptr && !last_->is_live) {
    LargeRegion* const newer = last_->newer;
    free_.erase(*last_);
    last_->pages += pages;
    free_.insert(*last_, newer);
    return last_;
  }
  LargeRegion& region = take_node();
  region.first_page = static_cast<std::uint32_t>(before);
  region.pages = pages;
  region.since_ns = 0;
  link_above(region, last_);
  free_.insert(region);
  return &region;
}

LargeRegion& RegionMap::carve(Place place, std::uint32_t pages, std::uint64_t now_ns) noexcept {
  LargeRegion& region = *place.region;
  const std::uint32_t end = place.first_page + pages;
  SQLITEMEM_CHECK(!region.is_live && place.first_page >= region.first_page, place.first_page,
                  region.first_page);
  SQLITEMEM_CHECK(end <= region.end_page(), end, region.end_page());
  LargeRegion* const newer = region.newer;
  const std::uint32_t was_dirty = region.dirty_pages;
  free_.erase(region);
  const PageRun front{.first = region.first_page, .pages = place.first_page - region.first_page};
  const PageRun back{.first = end, .pages = region.end_page() - end};
  const bool all_dirty = was_dirty == region.pages;
  for (const PageRun rest : {front, back}) {
    if (rest.pages == 0) continue;
    LargeRegion& node = take_node();
    node.first_page = rest.first;
    node.pages = rest.pages;
    node.dirty_pages = all_dirty ? rest.pages : was_dirty == 0 ? 0 : dirty_.count(rest);
    node.since_ns = region.since_ns;
    link_above(node, rest.first < place.first_page ? region.below : &region);
    free_.insert(node, newer);
  }
  region.first_page = place.first_page;
  region.pages = pages;
  region.dirty_pages = 0;
  region.since_ns = now_ns;
  region.is_huge = false;
  if (!all_dirty) dirty_.set(region.run());
  set_live(region, true);
  return region;
}

void RegionMap::grow(LargeRegion& region, std::uint32_t pages) noexcept {
  LargeRegion& behind = *region.above;
  const PageRun added{.first = region.end_page(), .pages = pages - region.pages};
  SQLITEMEM_CHECK(!behind.is_live && behind.pages >= added.pages, behind.pages, added.pages);
  LargeRegion* const newer = behind.newer;
  const std::uint32_t taken_dirty = dirty_.count(added);
  free_.erase(behind);
  if (behind.pages == added.pages) {
    unlink(behind);
    give_node(behind);
  } else {
    behind.first_page += added.pages;
    behind.pages -= added.pages;
    behind.dirty_pages -= taken_dirty;
    free_.insert(behind, newer);
  }
  dirty_.set(added);
  add(live_pages_, added.pages);
  region.pages = pages;
  region.live_pages.store(pages, std::memory_order_relaxed);
}

int RegionMap::shrink(LargeRegion& region, std::uint32_t pages, std::uint64_t now_ns) noexcept {
  const PageRun tail{.first = region.first_page + pages, .pages = region.pages - pages};
  LargeRegion* behind = free_above(region);
  const int merges = behind == nullptr ? 0 : 1;
  if (behind != nullptr) {
    free_.erase(*behind);
  } else {
    behind = &take_node();
    behind->pages = 0;
    link_above(*behind, &region);
  }
  behind->first_page = tail.first;
  behind->pages += tail.pages;
  behind->dirty_pages += tail.pages;
  behind->since_ns = now_ns;
  free_.insert(*behind);
  add(live_pages_, 0 - std::uint64_t{tail.pages});
  region.pages = pages;
  region.live_pages.store(pages, std::memory_order_relaxed);
  return merges;
}

int RegionMap::make_free(LargeRegion& region, std::uint64_t now_ns,
                         std::uint32_t clean_pages) noexcept {
  SQLITEMEM_CHECK(region.is_live, region.first_page, region.pages);
  set_live(region, false);
  region.is_huge = false;
  region.dirty_pages = region.pages - clean_pages;
  region.since_ns = now_ns;
  int merges = 0;
  if (LargeRegion* const below = free_below(region); below != nullptr) {
    free_.erase(*below);
    region.first_page = below->first_page;
    region.pages += below->pages;
    region.dirty_pages += below->dirty_pages;
    unlink(*below);
    give_node(*below);
    ++merges;
  }
  if (LargeRegion* const above = free_above(region); above != nullptr) {
    free_.erase(*above);
    region.pages += above->pages;
    region.dirty_pages += above->dirty_pages;
    unlink(*above);
    give_node(*above);
    ++merges;
  }
  free_.insert(region);
  return merges;
}

LargeRegion* RegionMap::find_live(const void* object) const noexcept {
  const auto offset =
      static_cast<std::size_t>(static_cast<const std::byte*>(object) - area_->begin());
  if (offset % page_bytes != 0 || offset / page_bytes >= starts_.covered()) return nullptr;
  return std::atomic_ref<LargeRegion*>(starts_[offset / page_bytes])
      .load(std::memory_order_acquire);
}

std::uint32_t RegionMap::live_pages(const void* object) const noexcept {
  const LargeRegion* const region = find_live(object);
  return region == nullptr ? 0 : region->live_pages.load(std::memory_order_relaxed);
}

LargeRegion* RegionMap::find_around(const void* address) const noexcept {
  const auto offset =
      static_cast<std::size_t>(static_cast<const std::byte*>(address) - area_->begin());
  for (LargeRegion* region = first_; region != nullptr; region = region->above) {
    if (region->is_live && offset / page_bytes >= region->first_page &&
        offset / page_bytes < region->end_page())
      return region;
  }
  return nullptr;
}

std::optional<Violation> RegionMap::find_region_violation(
    const LargeRegion& region) const noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address_of(region.first_page));
  const std::uint32_t dirty = dirty_.count(region.run());
  const LargeRegion* const start = starts_[region.first_page];
  if (region.is_live) {
    if (dirty != region.pages)
      return Violation{"every page of a live object is charged", region.pages, dirty, at};
    if (start != &region) return Violation{"the table points to each live object", 1, 0, at};
    if (region.live_pages.load(std::memory_order_relaxed) != region.pages)
      return Violation{"the lock-free size is the region's", region.pages, region.live_pages, at};
    return std::nullopt;
  }
  if (region.below != nullptr && !region.below->is_live)
    return Violation{"free neighbours are merged", 0, region.below->pages, at};
  if (start != nullptr) return Violation{"the table points to live objects only", 0, 1, at};
  if (dirty != region.dirty_pages)
    return Violation{"a free region knows its dirty pages", dirty, region.dirty_pages, at};
  for (std::uint32_t page = region.first_page; page < region.end_page();) {
    const PageRun run = next_movable_run(page, region.end_page());
    if (run.pages > region.most_movable)
      return Violation{"no movable run is longer than a free region says", region.most_movable,
                       run.pages, at};
    page = run.end();
  }
  return std::nullopt;
}

std::optional<Violation> RegionMap::find_violation() const noexcept {
  std::uint64_t page = 0, live_pages = 0, live_objects = 0, free_count = 0;
  const LargeRegion* below = nullptr;
  for (const LargeRegion* region = first_; region != nullptr; region = region->above) {
    const auto at = reinterpret_cast<std::uintptr_t>(address_of(region->first_page));
    if (region->first_page != page)
      return Violation{"regions tile the area without gap or overlap", page, region->first_page,
                       at};
    if (region->below != below || region->pages == 0)
      return Violation{"each region knows the one below", 1, 0, at};
    if (const auto broken = find_region_violation(*region)) return broken;
    live_pages += region->is_live ? region->pages : 0;
    live_objects += region->is_live ? 1 : 0;
    free_count += region->is_live ? 0 : 1;
    page += region->pages;
    below = region;
  }
  const std::uint64_t frontier =
      area_ == nullptr ? 0
                       : static_cast<std::size_t>(area_->frontier() - area_->begin()) / page_bytes;
  if (page != frontier || last_ != below)
    return Violation{"regions tile the area up to its frontier", frontier, page};
  if (live_pages != live_pages_)
    return Violation{"live pages are counted", live_pages, live_pages_};
  if (live_objects != live_objects_)
    return Violation{"live objects are counted", live_objects, live_objects_};
  if (free_count != free_.count())
    return Violation{"every free region is indexed", free_count, free_.count()};
  if (frontier != 0 &&
      seams_.count({.first = 0, .pages = static_cast<std::uint32_t>(frontier)}) > seam_count_)
    return Violation{"seams are counted",
                     seams_.count({.first = 0, .pages = static_cast<std::uint32_t>(frontier)}),
                     seam_count_};
  return free_.find_violation();
}

}  // namespace sqlitemem
