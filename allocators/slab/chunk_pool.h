// The slab area, 64 KiB at a time: descriptors by chunk number, and the free chunks that wait for
// re-use or purge.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/pages/budget.h"
#include "allocators/pages/fill_map.h"
#include "allocators/pages/page_source.h"
#include "allocators/pages/region.h"
#include "allocators/slab/slab.h"

namespace sqlitemem {

/// Free chunks are kept newest first, so that warm memory is re-used and the cold end is purged.
///
/// Invariants:
/// 1. Every chunk below the frontier is a slab (class_index != no_class) or free and listed.
/// 2. The chunk map says the same as the descriptors.
/// 3. dirty_pages == sum of charged pages of free chunks.
class ChunkPool {
 public:
  [[nodiscard]] bool start(Area& area, PageSource& pages, MemoryBudget& budget,
                           std::atomic<ClassIndex>* chunk_map_of_area) noexcept;
  void stop() noexcept;

  /// A chunk for a slab of `index`; its descriptor is cleared except for charged_pages. no_chunk:
  /// no memory.
  [[nodiscard]] std::uint32_t take(ClassIndex index) noexcept;
  /// Takes back an empty slab's chunk.
  void give(std::uint32_t chunk) noexcept;

  [[nodiscard]] Slab& slab(std::uint32_t chunk) const noexcept { return slabs_[chunk]; }
  [[nodiscard]] std::byte* address_of(std::uint32_t chunk) const noexcept {
    return area_->begin() + (std::size_t{chunk} << chunk_shift);
  }
  [[nodiscard]] std::uint32_t chunk_of(const void* block) const noexcept {
    return static_cast<std::uint32_t>(
        static_cast<std::size_t>(static_cast<const std::byte*>(block) - area_->begin()) >>
        chunk_shift);
  }

  /// Decommits the charged pages in `idle` of a chunk that the caller owns. Returns bytes.
  std::size_t purge_pages(std::uint32_t chunk, std::uint16_t idle) noexcept;
  /// Decommits free chunks that were freed `idle_ns` ago or more (0: all). Returns bytes.
  std::size_t purge(std::uint64_t idle_ns, std::uint64_t now_ns) noexcept;

  [[nodiscard]] std::uint64_t dirty_free_bytes() const noexcept;
  [[nodiscard]] std::uint64_t free_chunks() const noexcept;
  [[nodiscard]] std::uint64_t chunks() const noexcept;  ///< Ever taken from the area.
  [[nodiscard]] std::uint64_t resident_bytes() const noexcept;
  /// no_class: a free chunk. Certain only under the lock of the class that it names.
  [[nodiscard]] ClassIndex class_of(std::uint32_t chunk) const noexcept {
    return chunk_map_[chunk].load(std::memory_order_relaxed);
  }
  /// Adds what the free chunks hold; offsets count from the start of the area.
  void add_free_chunks(FillMap& map) const noexcept;
  [[nodiscard]] std::optional<Violation> find_violation() const noexcept;
  Lock& lock() noexcept { return lock_; }

 private:
  void unlink(std::uint32_t chunk) noexcept SQLITEMEM_REQUIRES(lock_);

  mutable Lock lock_;
  Area* area_ = nullptr;
  PageSource* pages_ = nullptr;
  MemoryBudget* budget_ = nullptr;
  std::atomic<ClassIndex>* chunk_map_ = nullptr;
  Slab* slabs_ = nullptr;
  std::byte* table_memory_ = nullptr;
  std::size_t table_bytes_ = 0;
  Area table_;
  std::uint32_t newest_ SQLITEMEM_GUARDED_BY(lock_) = no_chunk;
  std::uint32_t oldest_ SQLITEMEM_GUARDED_BY(lock_) = no_chunk;
  std::uint32_t free_count_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint32_t chunk_count_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t dirty_pages_ SQLITEMEM_GUARDED_BY(lock_) = 0;
};

}  // namespace sqlitemem
