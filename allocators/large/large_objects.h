// Large objects: whole pages from their own area; free regions by address and by size, coalesced at
// once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/config.h"
#include "allocators/large/region_map.h"
#include "allocators/pages/budget.h"
#include "allocators/pages/fill_map.h"
#include "allocators/pages/metadata_heap.h"
#include "allocators/pages/page_source.h"
#include "allocators/pages/region.h"

namespace sqlitemem {

/// What large_object_stats() shows. Formulas: docs/reference.md.
struct LargeObjectTotals {
  std::uint64_t allocations = 0, frees = 0;        ///< Since the last reset_statistics().
  std::uint64_t live_objects = 0, live_bytes = 0;  ///< live_bytes: page-rounded.
  std::uint64_t requested_bytes = 0;               ///< Of the live objects, as last asked for.
  std::uint64_t mapped_bytes = 0;  ///< Live plus free-but-dirty: what the budget was charged.
  std::uint64_t free_regions = 0, free_bytes = 0, dirty_free_bytes = 0, largest_free_bytes = 0;
  std::uint64_t free_list_hits =
      0;  ///< Allocations served from a free region, not by extending the area.
  std::uint64_t coalesces = 0;          ///< Merges with a free neighbour.
  std::uint64_t coalescible_frees = 0;  ///< Frees that had at least one free neighbour.
  std::uint64_t merged_frees = 0;  ///< Of those, frees that were merged with every free neighbour.
  std::uint64_t decommitted_bytes = 0;  ///< Returned to the OS since the last reset.
  std::uint64_t in_place_growths = 0, moved_growths = 0, copied_growths = 0;
  std::uint64_t huge_page_bytes = 0;  ///< Advised for huge pages, live.
};

/// One live object, for large_objects().
struct LargeObjectInfo {
  std::uint64_t object_id = 0;  ///< Small integer, in order of allocation.
  std::uint64_t size_bytes = 0, mapped_bytes = 0;
  std::uint64_t allocated_at_ns = 0;  ///< CLOCK_MONOTONIC_COARSE.
  bool is_huge_page = false;
};

/// Thread-safe behind one lock. Nothing throws, nothing allocates outside the MetadataHeap.
///
/// Freed memory stays resident ("dirty") and is charged to the budget until it is used again or
/// decommitted. How much of it is kept: see kept_pages(). Rules that hold between calls, in the
/// order find_violation() asks:
///  1. Regions tile the area from its begin to its frontier, without gap or overlap.
///  2. Free neighbours are merged, always.
///  3. A live region's pages are all dirty; a free region knows how many of its are.
///  4. The table points to the live regions, and to nothing else.
///  5. The indexes of free regions by address, by size and by age hold the same set.
///  6. The counters of live, free and dirty pages equal the sums over regions.
///  7. The budget was charged for exactly the live and the dirty free pages.
class LargeObjects {
 public:
  /// False: no memory for the table of sizes.
  [[nodiscard]] bool start(Area& area, MetadataHeap& metadata, PageSource& pages,
                           MemoryBudget& budget) noexcept;
  void stop() noexcept;

  /// Page-aligned. nullptr: area full, page source or budget refuses.
  [[nodiscard]] void* allocate(std::size_t bytes) noexcept;

  enum class ReleaseResult : std::uint8_t { ok, not_live, interior };
  /// `not_live`: a double free or an address never handed out; `interior`: inside a live object.
  /// Nothing was changed then.
  ReleaseResult release(void* object) noexcept;

  /// Grows or shrinks: in place if the region behind is free, else by moving page tables, else by
  /// copying. nullptr: no memory, `object` is unchanged.
  [[nodiscard]] void* resize(void* object, std::size_t bytes) noexcept;

  /// Page-rounded size of a live object; 0 if `object` is not the start of one. Lock-free.
  [[nodiscard]] std::size_t usable_bytes(const void* object) const noexcept;

  /// The same for the live object that holds `address`; 0: none does. For error reports.
  [[nodiscard]] std::size_t bytes_around(const void* address) const noexcept;

  /// Decommits free regions that have been idle for `idle_ns` (0: all). Returns bytes given back to
  /// the OS.
  std::size_t purge(std::uint64_t idle_ns, std::uint64_t now_ns) noexcept;
  /// Merges free neighbours of every kind, decommits them all, and returns the bytes given back.
  std::size_t coalesce_all() noexcept;

  [[nodiscard]] LargeObjectTotals totals() const noexcept;
  /// From the start of the area to what was never handed out.
  [[nodiscard]] std::uint64_t span_bytes() const noexcept;
  /// What objects use, and what is held with the free regions between them.
  void add_to(FillMap& map) const noexcept;
  /// Of live objects, page-rounded; one relaxed load each, for checks on growth.
  [[nodiscard]] std::uint64_t live_bytes() const noexcept;
  [[nodiscard]] std::uint64_t live_objects() const noexcept;
  [[nodiscard]] std::vector<LargeObjectInfo> objects()
      const;  ///< Caller's allocator; copied under the lock in bounded memory.
  [[nodiscard]] std::uint64_t resident_bytes()
      const noexcept;  ///< Of the whole area, by asking the OS.
  void reset_statistics() noexcept;

  /// The first broken rule, or nullopt. O(regions).
  [[nodiscard]] std::optional<Violation> find_violation() const noexcept;

  Lock& lock() noexcept { return lock_; }  ///< For fork.

  /// Of the tables beside the area, by asking the OS; they are not part of the MetadataHeap.
  [[nodiscard]] std::uint64_t table_resident_bytes() const noexcept;

 private:
  friend struct LargeObjectsTestAccess;

  // Freed memory is kept for re-use up to the share large_object_retain of what is usually live,
  // and up to kept_floor_pages in a small process. The prize is a page fault (1.1 µs) for each
  // page; the price is fragmentation_ratio. With 64 live objects of 256 KiB to 8 MiB, the default
  // of 17 % gives 0.147; 22 % gives 0.18 in two thirds of the time, 30 % gives 0.23 in a third, as
  // fast as keeping everything, which gives 0.29.
  static constexpr std::uint32_t huge_page_pages = 2 * mib / page_bytes;
  static constexpr std::uint64_t kept_floor_pages = 16 * mib / page_bytes;
  static constexpr std::uint64_t usual_samples = 4096;     // Two an object: its birth and its end.
  static constexpr std::uint64_t trim_batch_divisor = 64;  // 1.6 % of what may be held.

  [[nodiscard]] std::optional<Violation> find_violation_locked() const noexcept
      SQLITEMEM_REQUIRES(lock_);
  struct Locked {  // What CHECK_DEEP asks when the lock is held.
    const LargeObjects& objects;
    [[nodiscard]] std::optional<Violation> find_violation() const noexcept
        SQLITEMEM_NO_THREAD_SAFETY {
      return objects.find_violation_locked();
    }
  };
  [[nodiscard]] LargeRegion* take(std::uint32_t pages, std::uint32_t alignment_pages) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] Place find_or_extend(const PlaceRequest& request) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] Place find_roomy(std::uint32_t pages) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool charge(std::uint64_t pages, const LargeRegion* keep) noexcept
      SQLITEMEM_REQUIRES(lock_);
  void refund(std::uint64_t pages) noexcept SQLITEMEM_REQUIRES(lock_);
  std::uint64_t decommit_oldest(std::uint64_t pages, const LargeRegion* keep) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::uint64_t kept_pages() const noexcept SQLITEMEM_REQUIRES(lock_);
  void reuse_dirty_memory(Place place, std::uint32_t pages) noexcept SQLITEMEM_REQUIRES(lock_);
  void note_live(std::uint64_t live_pages) noexcept SQLITEMEM_REQUIRES(lock_);
  void trim() noexcept SQLITEMEM_REQUIRES(lock_);
  void advise_huge(LargeRegion& region) noexcept SQLITEMEM_REQUIRES(lock_);
  void count_free(int neighbours) noexcept SQLITEMEM_REQUIRES(lock_);
  void give_back(LargeRegion& region, std::uint32_t clean_pages) noexcept SQLITEMEM_REQUIRES(lock_);

  enum class Growth : std::uint8_t { done, no_room, no_memory };
  [[nodiscard]] Growth grow_in_place(LargeRegion& region, std::uint32_t pages) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] LargeRegion* grow_by_moving(LargeRegion& region, std::uint32_t pages) noexcept
      SQLITEMEM_REQUIRES(lock_);
  void shrink(LargeRegion& region, std::uint32_t pages) noexcept SQLITEMEM_REQUIRES(lock_);

  mutable Lock lock_;
  RegionMap map_;
  PageSource* pages_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  MemoryBudget* budget_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  bool is_started_ SQLITEMEM_GUARDED_BY(lock_) = false;
  std::uint64_t next_object_id_ SQLITEMEM_GUARDED_BY(lock_) = 1;
  std::uint64_t charged_pages_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t requested_bytes_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t huge_pages_ SQLITEMEM_GUARDED_BY(lock_) = 0;  // Live and advised, in small pages.
  std::uint64_t usual_live_pages_x256_ SQLITEMEM_GUARDED_BY(lock_) = 0;  // See note_live().
  std::uint64_t live_samples_ SQLITEMEM_GUARDED_BY(lock_) = 0;           // Up to usual_samples.
  LargeObjectTotals counters_ SQLITEMEM_GUARDED_BY(lock_);  // Only what counts since a reset.
};

}  // namespace sqlitemem
