// Memory without its addresses: giving pages back, moving page tables, and the seams that moving
// leaves.
#include <algorithm>
#include <cstring>

#include "allocators/large/region_map.h"

namespace sqlitemem {
namespace {

constexpr int max_refused_moves = 8;  // In a row: the kernel cannot do it, so stop asking.

}  // namespace

bool RegionMap::can_move(const LargeRegion& region) const noexcept {
  constexpr std::uint32_t most_pieces = 16;
  const PageRun inner{.first = region.first_page + 1, .pages = region.pages - 1};
  return refused_moves_ < max_refused_moves && seam_count_ + 2 * most_pieces <= max_seams &&
         seams_.count(inner) < most_pieces;
}

std::uint32_t RegionMap::decommit(LargeRegion& region, std::uint32_t most_pages) noexcept {
  std::uint32_t returned = 0;
  for (std::uint32_t at = region.first_page; returned < most_pages;) {
    PageRun run = dirty_.next_run(at, region.end_page());
    if (run.pages == 0) break;
    run.pages = std::min(run.pages, most_pages - returned);
    // Refused on locked memory, for example; the pages stay dirty, which is the truth.
    if (!pages_->decommit(address_of(run.first), std::size_t{run.pages} * page_bytes)) break;
    dirty_.clear(run);
    returned += run.pages;
    at = run.end();
  }
  free_.set_dirty(region, region.dirty_pages - returned);
  return returned;
}

void RegionMap::add_seam(std::uint32_t page) noexcept {
  if (seams_.test(page)) return;
  seams_.set({.first = page, .pages = 1});
  ++seam_count_;
}

void RegionMap::note_mapping(PageRun run) noexcept {
  add_seam(run.first);
  add_seam(run.end());
}

bool RegionMap::move_pages(PageRun from, std::uint32_t to) noexcept {
  if (seam_count_ + 2 > max_seams || refused_moves_ == max_refused_moves) return false;
  const bool moved =
      pages_->move(address_of(from.first), address_of(to), std::size_t{from.pages} * page_bytes);
  if (moved && from.pages > 1) {  // The target is one mapping now.
    const PageRun inner{.first = to + 1, .pages = from.pages - 1};
    seam_count_ -= seams_.count(inner);
    seams_.clear(inner);
  }
  refused_moves_ = moved ? 0 : refused_moves_ + 1;
  note_mapping(
      {.first = to, .pages = from.pages});  // Even if it failed: it may have been repaired.
  return moved;
}

RegionMap::MoveResult RegionMap::move_contents(LargeRegion& from, LargeRegion& to) noexcept {
  SQLITEMEM_CHECK(from.is_live && to.is_live && to.pages >= from.pages, to.pages, from.pages);
  MoveResult result;
  for (std::uint32_t done = 0; done < from.pages;) {
    const std::uint32_t first = from.first_page + done;
    const std::uint32_t seam = seams_.find(first + 1, from.end_page(), true);
    const PageRun run{.first = first, .pages = seam - first};
    const std::uint32_t target = to.first_page + done;
    const std::size_t bytes = std::size_t{run.pages} * page_bytes;
    done += run.pages;
    if (run.pages >= min_moved_pages && move_pages(run, target)) {
      dirty_.clear(run);
      result.moved_pages += run.pages;
      continue;
    }
    std::memcpy(address_of(target), address_of(first), bytes);
    result.copied_pages += run.pages;
    if (pages_->decommit(address_of(first), bytes)) {
      dirty_.clear(run);
    } else {
      result.held_pages += run.pages;
    }
  }
  return result;
}

PageRun RegionMap::next_movable_run(std::uint32_t from, std::uint32_t end) const noexcept {
  PageRun run = dirty_.next_run(from, end);
  // A mapping can be moved only as a part of one mapping, so runs end at seams.
  if (run.pages != 0) run.pages = seams_.find(run.first + 1, run.end(), true) - run.first;
  return run;
}

// The oldest run that is long enough, else the longest seen. What a search has learned of a
// region spares the next ones the walk over its bits, which took a third of the time of untouched
// large objects.
RegionMap::Donor RegionMap::find_donor(const LargeRegion* receiver,
                                       std::uint32_t wanted) const noexcept {
  constexpr int regions_looked_at = 16;
  Donor best;
  LargeRegion* region = free_.oldest_dirty();
  for (int seen = 0; region != nullptr && seen < regions_looked_at;
       ++seen, region = region->newer) {
    const std::uint32_t least = std::max(best.run.pages + 1, min_transplanted_pages);
    if (region == receiver || region->most_movable < least) continue;
    std::uint32_t longest = 0;
    for (std::uint32_t at = region->first_page; at < region->end_page();) {
      const PageRun run = next_movable_run(at, region->end_page());
      if (run.pages == 0) break;
      at = run.end();
      longest = std::max(longest, run.pages);
      if (run.pages <= best.run.pages) continue;
      best = {.region = region, .run = run};
      if (run.pages >= wanted) return best;
    }
    region->most_movable = longest;
  }
  return best;
}

std::uint32_t RegionMap::transplant(Place place, std::uint32_t pages,
                                    std::uint32_t most_pages) noexcept {
  const std::uint32_t end = place.first_page + pages;
  std::uint32_t moved = 0;
  for (std::uint32_t at = place.first_page; at < end && moved < most_pages;) {
    const std::uint32_t first = dirty_.find(at, end, false);
    const std::uint32_t clean = dirty_.find(first, end, true) - first;
    const std::uint32_t wanted = std::min(clean, most_pages - moved);
    at = first + clean;
    if (wanted < min_transplanted_pages) continue;
    Donor donor = find_donor(place.region, wanted);
    if (donor.run.pages < min_transplanted_pages) break;
    donor.run.pages = std::min(donor.run.pages, wanted);
    if (!move_pages(donor.run, first)) break;
    dirty_.clear(donor.run);
    dirty_.set({.first = first, .pages = donor.run.pages});
    free_.set_dirty(*donor.region, donor.region->dirty_pages - donor.run.pages);
    moved += donor.run.pages;
    at = first + donor.run.pages;
  }
  if (moved != 0) free_.add_dirty(*place.region, moved);
  return moved;
}

}  // namespace sqlitemem
