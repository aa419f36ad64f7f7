// One size class: its depot of magazines, and the slabs or runs behind it. All under one lock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/pages/budget.h"
#include "allocators/pages/metadata_heap.h"
#include "allocators/slab/chunk_pool.h"
#include "allocators/slab/magazine.h"
#include "allocators/slab/run_heap.h"
#include "allocators/slab/size_classes.h"
#include "allocators/slab/slab.h"

namespace sqlitemem {

/// What every class draws on.
struct Backing {
  ChunkPool* chunks;
  RunHeap* runs;
  MetadataHeap* metadata;
  MemoryBudget* budget;
  std::atomic<std::int64_t>*
      out_bytes;  ///< Of all classes: blocks live or in a thread's magazines.
};

/// A pointer that was given back and is wrong. Collected under a lock, reported after it is
/// released.
struct BadBlock {
  enum class Kind : std::uint8_t { double_free, not_a_block, interior };
  Kind kind;
  void* block;
  const char* rule;  ///< A literal.
};

/// The bad blocks of one batch; the first few are kept, all are counted (the uncounted ones leak
/// like the rest).
struct BadBlocks {
  std::array<BadBlock, 4> first;  // Set as far as `count` says.
  std::size_t count = 0;
  void add(const BadBlock& bad) noexcept {
    if (count < first.size()) first[count] = bad;
    ++count;
  }
};

/// Invariants:
/// 1. objects_out == objects of all slabs (or runs) that are live, in magazines or in the depot.
/// 2. Slabs with room are in the list of their bucket, full ones in none, empty ones given back.
/// 3. full_objects == sum of counts over the list of full magazines.
class ClassHeap {
 public:
  /// A class is inert until configured; learned ones are configured when they are learned.
  void configure(ClassIndex index, std::size_t object_bytes) noexcept;
  /// 0: not configured yet. Any thread, without the lock.
  [[nodiscard]] std::size_t object_bytes() const noexcept {
    return object_bytes_.load(std::memory_order_acquire);
  }
  [[nodiscard]] const SlabGeometry& geometry() const noexcept { return geometry_; }

  Lock lock;

  /// Up to `count` free objects, lowest addresses last (they are handed out first). Returns how
  /// many; fewer: no memory. `new_slabs` counts slabs added.
  std::size_t take_objects(const Backing& backing, void** out, std::size_t count,
                           std::size_t& new_slabs) noexcept SQLITEMEM_REQUIRES(lock);
  /// Checks each object and puts it back into its slab; bad ones are added to `bad` and stay out.
  void return_objects(const Backing& backing, void* const* objects, std::size_t count,
                      BadBlocks& bad) noexcept SQLITEMEM_REQUIRES(lock);

  // The depot.
  [[nodiscard]] Magazine* pop_full(const Backing& backing) noexcept SQLITEMEM_REQUIRES(lock);
  void push_full(const Backing& backing, Magazine* magazine) noexcept SQLITEMEM_REQUIRES(lock);
  /// An empty magazine of at least `capacity`, from the depot or new; nullptr: no memory.
  [[nodiscard]] Magazine* take_empty(const Backing& backing, std::size_t capacity) noexcept
      SQLITEMEM_REQUIRES(lock);
  void give_empty(const Backing& backing, Magazine* magazine) noexcept SQLITEMEM_REQUIRES(lock);
  /// Returns the magazines that stayed full since the last call (all: every one) to the slabs.
  /// Returns bytes.
  std::size_t reap(const Backing& backing, bool all, BadBlocks& bad) noexcept
      SQLITEMEM_REQUIRES(lock);
  /// True once in a while: the caller should reap().
  [[nodiscard]] bool reap_is_due() const noexcept SQLITEMEM_REQUIRES(lock) {
    return exchanges_since_reap_ >= reap_interval_;
  }

  /// Decommits pages of partly used slabs that no object in use touches. Returns bytes.
  std::size_t purge_slabs(const Backing& backing) noexcept SQLITEMEM_REQUIRES(lock);

  [[nodiscard]] std::optional<Violation> find_violation(const Backing& backing) const noexcept
      SQLITEMEM_REQUIRES(lock);
  /// The first object of the depot that is not a block in use, or is there twice. Allocates; for
  /// heap checks.
  template <class Visit>
  void for_each_depot_object(Visit&& visit) const SQLITEMEM_REQUIRES(lock) {
    for (Magazine* magazine = full_; magazine != nullptr; magazine = magazine->next) {
      for (std::uint32_t i = 0; i < magazine->count; ++i) visit(magazine->objects()[i]);
    }
  }
  /// True if `object` is the start of an object that is out of its slab.
  [[nodiscard]] bool is_out(const Backing& backing, const void* object) const noexcept
      SQLITEMEM_REQUIRES(lock);

  // Counters that have no slot: threads that exited, calls without a cache. Guarded by the lock.
  struct Retired {
    std::uint64_t allocations = 0, requested_bytes = 0, taken = 0, given = 0, slow_allocations = 0,
                  slow_frees = 0;
  };
  Retired retired SQLITEMEM_GUARDED_BY(lock);
  std::uint64_t exchanges SQLITEMEM_GUARDED_BY(lock) = 0;

  [[nodiscard]] std::uint64_t objects_out() const noexcept SQLITEMEM_REQUIRES(lock) {
    return objects_out_;
  }
  [[nodiscard]] std::uint64_t depot_objects() const noexcept SQLITEMEM_REQUIRES(lock) {
    return full_objects_;
  }
  [[nodiscard]] std::uint64_t slabs() const noexcept SQLITEMEM_REQUIRES(lock) {
    return slab_count_;
  }
  /// A run changed its class in place: one object more (1) or less (-1) is out.
  void adopt_run(const Backing& backing, int objects) noexcept SQLITEMEM_REQUIRES(lock) {
    add_out(backing, objects);
  }

 private:
  static constexpr std::size_t bucket_count = 8;
  [[nodiscard]] std::uint8_t bucket_for(const Slab& slab) const noexcept;
  void list(const Backing& backing, std::uint32_t chunk) noexcept SQLITEMEM_REQUIRES(lock);
  void unlist(const Backing& backing, std::uint32_t chunk) noexcept SQLITEMEM_REQUIRES(lock);
  void relist(const Backing& backing, std::uint32_t chunk) noexcept SQLITEMEM_REQUIRES(lock);
  [[nodiscard]] std::uint32_t fullest(const Backing& backing) const noexcept
      SQLITEMEM_REQUIRES(lock);
  [[nodiscard]] std::uint32_t add_slab(const Backing& backing) noexcept SQLITEMEM_REQUIRES(lock);
  void drop_slab(const Backing& backing, std::uint32_t chunk) noexcept SQLITEMEM_REQUIRES(lock);
  std::size_t take_from_slab(const Backing& backing, std::uint32_t chunk, void** out,
                             std::size_t count) noexcept SQLITEMEM_REQUIRES(lock);
  std::size_t take_runs(const Backing& backing, void** out, std::size_t count) noexcept
      SQLITEMEM_REQUIRES(lock);
  [[nodiscard]] bool return_to_slab(const Backing& backing, void* object, BadBlocks& bad) noexcept
      SQLITEMEM_REQUIRES(lock);
  [[nodiscard]] bool return_run(const Backing& backing, void* object, BadBlocks& bad) noexcept
      SQLITEMEM_REQUIRES(lock);
  void add_out(const Backing& backing, std::int64_t objects) noexcept SQLITEMEM_REQUIRES(lock);
  void add_depot(const Backing& backing, std::int64_t objects) noexcept SQLITEMEM_REQUIRES(lock);

  SlabGeometry geometry_{};
  std::atomic<std::uint32_t> object_bytes_{0};  // Set last: whoever sees it sees the geometry.
  ClassIndex index_ = no_class;
  Magazine* full_ SQLITEMEM_GUARDED_BY(lock) = nullptr;
  Magazine* empty_ SQLITEMEM_GUARDED_BY(lock) = nullptr;
  std::uint32_t full_count_ SQLITEMEM_GUARDED_BY(lock) = 0;
  std::uint32_t full_min_ SQLITEMEM_GUARDED_BY(lock) = 0;  // Since the last reap.
  std::uint32_t exchanges_since_reap_ SQLITEMEM_GUARDED_BY(lock) = 0;
  std::uint32_t reap_interval_ = 256;
  std::uint64_t full_objects_ SQLITEMEM_GUARDED_BY(lock) = 0;
  std::array<std::uint32_t, bucket_count> buckets_ SQLITEMEM_GUARDED_BY(lock) = {};
  std::uint64_t slab_count_ SQLITEMEM_GUARDED_BY(lock) = 0;
  std::uint64_t objects_out_ SQLITEMEM_GUARDED_BY(lock) = 0;
  std::uint32_t next_colour_ SQLITEMEM_GUARDED_BY(lock) = 0;
};

}  // namespace sqlitemem
