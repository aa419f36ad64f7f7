// Page runs: blocks of 5 to 256 KiB in 1 KiB granules that coalesce, first fit by address within 1
// MiB segments.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/pages/budget.h"
#include "allocators/pages/fill_map.h"
#include "allocators/pages/metadata_heap.h"
#include "allocators/pages/page_source.h"
#include "allocators/pages/region.h"
#include "allocators/slab/size_classes.h"
#include "allocators/slab/totals.h"

namespace sqlitemem {

/// A bitmap over the granules of one segment, one bit set for each granule in use.
///
/// Coalescing is implicit: neighbouring zeros are one free run, whoever freed them. A run of a
/// multiple of four granules starts on a page, so that page-multiple requests are page-aligned.
///
/// Invariants:
/// 1. The runs that `length` describes do not overlap and cover exactly the bits set in `used`.
/// 2. free_granules == number of zero bits.
/// 3. largest_free() is an upper bound of every free run.
/// 4. A page that a run touches is charged.
struct RunSegment {
  static constexpr std::size_t granules = mib / run_granule_bytes;
  static constexpr std::size_t pages = mib / page_bytes;
  static constexpr std::size_t granules_per_page = page_bytes / run_granule_bytes;
  static constexpr std::uint8_t length_bias =
      min_run_granules - 1;  ///< So that 1 … 252 mean 5 … 256 granules.

  std::array<std::atomic<std::uint8_t>, granules>
      length;  ///< At the first granule of a run; 0 elsewhere.
  std::array<std::uint64_t, granules / 64> used;
  std::array<std::uint64_t, pages / 64> charged;
  std::uint64_t last_free_ns;
  std::uint32_t free_granules;
  std::uint32_t live_runs;

  [[nodiscard]] bool is_used(std::size_t granule) const {
    return (used[granule / 64] >> (granule % 64) & 1) != 0;
  }
  void mark(std::size_t first, std::size_t count, bool in_use) noexcept;
  /// First free granule at or after `from`, and the end of that free run. {granules, granules}:
  /// none.
  struct FreeRun {
    std::size_t begin, end;
  };
  [[nodiscard]] FreeRun next_free(std::size_t from) const noexcept;
  /// First granule of the free run that contains `granule`.
  [[nodiscard]] std::size_t free_run_begin(std::size_t granule) const noexcept;
};

/// All runs of a heap. One lock; granules_of() takes none.
class RunHeap {
 public:
  /// False: no memory for the segment table.
  [[nodiscard]] bool start(Area& area, MetadataHeap& metadata, PageSource& pages,
                           MemoryBudget& budget,
                           std::atomic<ClassIndex>* chunk_map_of_area) noexcept
      SQLITEMEM_NO_THREAD_SAFETY;  // Nobody else is there yet.
  void stop() noexcept;

  /// nullptr: area full, page source or budget refuses. `count` in [min_run_granules, 256].
  [[nodiscard]] void* allocate(std::size_t count) noexcept;
  /// The same for a run that is likely to grow: with at least three times as much free behind it.
  /// nullptr also if there is no such place.
  [[nodiscard]] void* allocate_roomy(std::size_t count) noexcept;
  enum class ReleaseResult : std::uint8_t { ok, not_live, interior };
  ReleaseResult release(void* run) noexcept;
  /// Granules of the run that starts at `run`; 0: none does. Lock-free.
  [[nodiscard]] std::size_t granules_of(const void* run) const noexcept;
  /// Bytes of the live run that holds `address`; 0: none does. For error reports.
  [[nodiscard]] std::size_t bytes_around(const void* address) const noexcept;
  /// Grows or shrinks without moving. False: what follows is in use, or no memory; nothing changed.
  [[nodiscard]] bool resize_in_place(void* run, std::size_t count) noexcept;

  /// Decommits free pages of segments in which nothing was freed for `idle_ns` (0: all). Returns
  /// bytes.
  std::size_t purge(std::uint64_t idle_ns, std::uint64_t now_ns) noexcept;

  [[nodiscard]] RunTotals totals() const noexcept;
  /// What runs use and hold; offsets count from the start of their area.
  void add_to(FillMap& map) const noexcept;
  [[nodiscard]] std::uint64_t resident_bytes() const noexcept;
  [[nodiscard]] std::optional<Violation> find_violation() const noexcept;
  Lock& lock() noexcept { return lock_; }

 private:
  struct Place {
    std::uint32_t segment;
    std::size_t granule;
  };
  [[nodiscard]] Place place_of(const void* run) const noexcept;
  [[nodiscard]] std::byte* address_of(std::uint32_t segment, std::size_t granule) const noexcept;
  [[nodiscard]] bool add_segment() noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::optional<std::size_t> find_in(std::uint32_t segment,
                                                   std::size_t count) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::optional<std::size_t> find_roomy_in(std::uint32_t segment,
                                                         std::size_t count) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] void* take(Place place, std::size_t count) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool charge_pages(RunSegment& segment, std::size_t first,
                                  std::size_t count) noexcept SQLITEMEM_REQUIRES(lock_);
  std::size_t purge_segment(std::uint32_t index) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::optional<Violation> find_violation_in(std::uint32_t index) const noexcept
      SQLITEMEM_REQUIRES(lock_);

  mutable Lock lock_;
  Area* area_ = nullptr;
  MetadataHeap* metadata_ = nullptr;
  PageSource* pages_ = nullptr;
  MemoryBudget* budget_ = nullptr;
  std::atomic<ClassIndex>* chunk_map_ = nullptr;
  std::byte* table_memory_ = nullptr;
  std::size_t table_bytes_ = 0;
  std::atomic<RunSegment*>* segments_ = nullptr;  // By segment number; set once each.
  std::uint16_t* largest_free_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;  // Upper bounds, in granules.
  std::uint32_t segment_count_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t live_granules_ SQLITEMEM_GUARDED_BY(lock_) = 0;
};

}  // namespace sqlitemem
