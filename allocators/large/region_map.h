// The map of the large-object area: which pages are live, which are free, which may be resident.
#pragma once

#include <cstdint>
#include <optional>

#include "allocators/base/check.h"
#include "allocators/large/free_regions.h"
#include "allocators/large/side_table.h"
#include "allocators/pages/metadata_heap.h"
#include "allocators/pages/page_source.h"
#include "allocators/pages/region.h"

namespace sqlitemem {

/// Tiles the area with regions and keeps the page-wise truth beside it.
///
///   area     | live 5 | free 3 | live 2 | free 6          | frontier …
///   starts   A . . . . . . . B . . . . . . .     a pointer where a live region begins
///   dirty    1 1 1 1 1 0 1 1 1 1 0 0 0 0 1 1     may be resident; always 1 in live regions
///   seams    1 . . . . . 1 . 1 . . . . . 1 .     a kernel mapping may begin here
///
/// A free region may be partly dirty: its neighbours can always be merged with it, without a system
/// call. Seams appear where page tables were moved. The kernel allows a process 65 530 mappings in
/// all, hence max_seams.
///
/// Under the owner's lock, but for live_pages().
class RegionMap {
 public:
  [[nodiscard]] bool start(Area& area, MetadataHeap& metadata, PageSource& pages) noexcept;
  void stop() noexcept;

  /// Makes sure that the next `count` operations that need a node find one. false: no memory.
  [[nodiscard]] bool reserve_nodes(int count) noexcept;
  /// Extends the area by `pages` clean pages; they join the last region if that is free. Needs one
  /// node. nullptr: the area is full, or no memory; else the last region, which is free.
  [[nodiscard]] LargeRegion* extend(std::uint32_t pages) noexcept;
  /// Makes [first_page, first_page + pages) of a free region live and dirty. Needs two nodes.
  LargeRegion& carve(Place place, std::uint32_t pages, std::uint64_t now_ns) noexcept;
  /// Moves the boundary between a live region and what is behind it, which is free when growing.
  void grow(LargeRegion& region, std::uint32_t pages) noexcept;
  /// Needs a node unless the region behind is free. Returns how many free neighbours were merged (0
  /// or 1).
  int shrink(LargeRegion& region, std::uint32_t pages, std::uint64_t now_ns) noexcept;
  /// Makes a live region free and merges it with its free neighbours; returns how many (0 to 2).
  /// `clean_pages`: how many of its pages move_contents() left without memory.
  int make_free(LargeRegion& region, std::uint64_t now_ns, std::uint32_t clean_pages) noexcept;

  /// Returns up to `most_pages` dirty pages of the region to the operating system, from its start
  /// upwards.
  std::uint32_t decommit(LargeRegion& region, std::uint32_t most_pages) noexcept;
  /// Moves the memory behind the live region `from` to the start of the live region `to`, as far as
  /// the kernel can; the rest is copied. `from` is clean afterwards but for the pages that could be
  /// neither moved nor decommitted.
  struct MoveResult {
    std::uint32_t moved_pages = 0, copied_pages = 0;
    std::uint32_t held_pages = 0;  ///< Of the copied ones, still dirty in `from`.
  };
  MoveResult move_contents(LargeRegion& from, LargeRegion& to) noexcept;
  /// Whether move_contents() would be quick: not too many pieces, and the kernel has not said no
  /// before.
  [[nodiscard]] bool can_move(const LargeRegion& region) const noexcept;
  /// Puts dirty pages of other free regions, oldest first, behind clean ones of `place`. Returns
  /// how many.
  std::uint32_t transplant(Place place, std::uint32_t pages, std::uint32_t most_pages) noexcept;
  /// Remembers that a kernel mapping may begin at the page, and another behind the run.
  void note_mapping(PageRun run) noexcept;

  [[nodiscard]] LargeRegion* find_live(const void* object) const noexcept;
  /// The live region that holds the address. O(regions); for error reports.
  [[nodiscard]] LargeRegion* find_around(const void* address) const noexcept;
  /// 0 unless a live region begins at `object`. Any thread, no lock.
  [[nodiscard]] std::uint32_t live_pages(const void* object) const noexcept;

  [[nodiscard]] std::uint32_t dirty_pages(PageRun run) const noexcept { return dirty_.count(run); }
  [[nodiscard]] std::uint32_t clean_pages(Place place, std::uint32_t pages) const noexcept {
    if (place.region->dirty_pages == place.region->pages) return 0;
    return pages - dirty_.count({.first = place.first_page, .pages = pages});
  }
  [[nodiscard]] std::byte* address_of(std::uint32_t page) const noexcept {
    return area_->begin() + std::size_t{page} * page_bytes;
  }
  [[nodiscard]] const Area& area() const noexcept { return *area_; }
  [[nodiscard]] const FreeRegions& free_regions() const noexcept { return free_; }
  [[nodiscard]] LargeRegion* first() const noexcept { return first_; }
  [[nodiscard]] LargeRegion* last() const noexcept { return last_; }
  [[nodiscard]] std::uint64_t live_page_count() const noexcept {
    return live_pages_.load(std::memory_order_relaxed);  // Any thread.
  }
  [[nodiscard]] std::uint64_t live_objects() const noexcept {
    return live_objects_.load(std::memory_order_relaxed);  // Any thread.
  }
  [[nodiscard]] std::uint32_t seams() const noexcept { return seam_count_; }
  [[nodiscard]] std::uint64_t table_resident_bytes() const noexcept {
    return starts_.resident_bytes() + dirty_.resident_bytes() + seams_.resident_bytes();
  }

  [[nodiscard]] std::optional<Violation> find_violation() const noexcept;

  /// Each move adds two at most. A quarter of what the kernel allows by default.
  static constexpr std::uint32_t max_seams = 16384;
  /// Fewer pages are copied: moving costs 5 µs and 0.02 µs a page, copying 0.15 µs a page into
  /// dirty memory.
  static constexpr std::uint32_t min_moved_pages = 32;
  /// A donor of fewer pages is not worth its system call and its seams.
  static constexpr std::uint32_t min_transplanted_pages = 64;

 private:
  friend struct LargeObjectsTestAccess;
  [[nodiscard]] bool cover(std::size_t pages) noexcept;
  [[nodiscard]] LargeRegion& take_node() noexcept;
  void give_node(LargeRegion& region) noexcept;
  void link_above(LargeRegion& region, LargeRegion* below) noexcept;
  void unlink(LargeRegion& region) noexcept;
  void set_start(std::uint32_t page, LargeRegion* region) noexcept;
  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t change) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
  void set_live(LargeRegion& region, bool is_live) noexcept;
  [[nodiscard]] LargeRegion* free_below(const LargeRegion& region) const noexcept;
  [[nodiscard]] LargeRegion* free_above(const LargeRegion& region) const noexcept;
  struct Donor {
    LargeRegion* region = nullptr;
    PageRun run;
  };
  [[nodiscard]] Donor find_donor(const LargeRegion* receiver, std::uint32_t wanted) const noexcept;
  /// The first run of dirty pages in [from, end) that can be moved in one piece; no pages: none.
  [[nodiscard]] PageRun next_movable_run(std::uint32_t from, std::uint32_t end) const noexcept;
  void add_seam(std::uint32_t page) noexcept;
  [[nodiscard]] bool move_pages(PageRun from, std::uint32_t to) noexcept;
  [[nodiscard]] std::optional<Violation> find_region_violation(
      const LargeRegion& region) const noexcept;

  Area* area_ = nullptr;
  MetadataHeap* metadata_ = nullptr;
  PageSource* pages_ = nullptr;
  SideTable<LargeRegion*> starts_;
  PageBits dirty_;
  PageBits seams_;
  FreeRegions free_;
  LargeRegion* first_ = nullptr;
  LargeRegion* last_ = nullptr;
  LargeRegion* spare_ = nullptr;  // Nodes not in use, linked by `above`.
  int spare_count_ = 0;
  std::uint32_t seam_count_ = 0;
  int refused_moves_ = 0;                                       // In a row.
  std::atomic<std::uint64_t> live_pages_{0}, live_objects_{0};  // Written under the lock only.
};

}  // namespace sqlitemem
