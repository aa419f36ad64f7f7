// All size classes, their depots, and every thread's magazines: the slow half of the hot path.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/slab/chunk_pool.h"
#include "allocators/slab/class_heap.h"
#include "allocators/slab/magazine.h"
#include "allocators/slab/request_statistics.h"
#include "allocators/slab/run_heap.h"
#include "allocators/slab/size_classes.h"
#include "allocators/slab/totals.h"

namespace sqlitemem {

/// Blocks of 16 B to 32 KiB. Lock order: registry → one class → runs or chunk pool → metadata.
class SlabHeap {
 public:
  /// `checks_every_call`: no magazines, so that each block's slab is asked at each call.
  void start(const Backing& backing, bool checks_every_call) noexcept;

  [[nodiscard]] ClassTable& table() noexcept { return table_; }
  [[nodiscard]] const ClassTable& table() const noexcept { return table_; }
  [[nodiscard]] RequestStatistics& requests() noexcept { return requests_; }

  /// One block of `index`; `request_bytes` is what the caller asked. `max_batch` bounds what is
  /// taken into the cache. nullptr: no memory. Replaces &no_cache in `cache` by a cache of this
  /// thread's own.
  [[nodiscard]] void* allocate(ThreadCache*& cache, ClassIndex index, std::size_t request_bytes,
                               std::size_t max_batch) noexcept;
  /// Takes a block of `index` back. What is found wrong is added to `bad`.
  void release(ThreadCache*& cache, void* block, ClassIndex index, BadBlocks& bad) noexcept;
  /// The sample that is due: records `request_bytes` and sets the next interval.
  void sample(ThreadCache& cache, ClassIndex index, std::size_t request_bytes) noexcept;
  /// A run of class `from` grew or shrank in place and is now of class `to` (no_class: above 32
  /// KiB).
  void reclassify_run(ClassIndex from, ClassIndex to, std::size_t request_bytes) noexcept;

  /// Gives this thread's magazines back if flush() asked for it since the last call.
  void heed_trim(ThreadCache& cache, BadBlocks& bad) noexcept;
  /// Flushes `cache` and all depots to slabs and runs; asks the other threads to flush at their
  /// next slow path.
  std::size_t flush(ThreadCache* cache, BadBlocks& bad) noexcept;
  /// Returns what the depots did not need since the last call.
  std::size_t reap(BadBlocks& bad) noexcept;
  /// Decommits idle pages of partly used slabs. Returns bytes.
  std::size_t purge_slabs() noexcept;

  using NewThreadHandler = void (*)(ThreadCache*) noexcept;
  void set_new_thread_handler(NewThreadHandler handler) noexcept { on_new_thread_ = handler; }
  [[nodiscard]] NewThreadHandler new_thread_handler() const noexcept { return on_new_thread_; }
  void apply_config() noexcept;

  /// Bytes of all blocks that are live or in a thread's magazines. One load; for growth checks.
  [[nodiscard]] std::uint64_t out_bytes() const noexcept {
    return static_cast<std::uint64_t>(out_bytes_.load(std::memory_order_relaxed));
  }
  /// In the magazines of `cache`; for its own thread.
  [[nodiscard]] std::uint64_t cached_bytes(const ThreadCache& cache) const noexcept;
  /// Whether a block of slab class `index` starts at `block` and is not in its slab. Takes the
  /// class's lock.
  [[nodiscard]] bool is_out(const void* block, ClassIndex index) noexcept;
  /// Live bytes and objects, exact when no other thread is inside. Takes the registry and class
  /// locks in turn.
  struct LiveTotals {
    std::uint64_t bytes = 0, objects = 0, cached_bytes = 0, allocations = 0, frees = 0;
  };
  [[nodiscard]] LiveTotals live() noexcept;
  [[nodiscard]] std::vector<SizeClassTotals> size_classes();
  /// What slabs use and hold; offsets count from the start of their area. Takes the class locks in
  /// turn, for each slab anew.
  void add_to(FillMap& map) noexcept;
  void reset_statistics() noexcept;
  /// Exact above 32 KiB, else the largest class in use.
  [[nodiscard]] std::uint64_t largest_request_bytes() noexcept;
  [[nodiscard]] std::uint64_t threads() noexcept;
  [[nodiscard]] std::uint64_t learned_classes() const noexcept { return table_.learned_count(); }

  /// The first broken rule of any class. `deep`: also looks for blocks that are in two magazines
  /// (allocates).
  [[nodiscard]] std::optional<Violation> find_violation(const ThreadCache* own, bool deep) noexcept;

  void thread_exits(ThreadCache*& cache, BadBlocks& bad) noexcept;
  void lock_all() noexcept SQLITEMEM_NO_THREAD_SAFETY;
  void unlock_all() noexcept SQLITEMEM_NO_THREAD_SAFETY;
  void adopt_after_fork(const ThreadCache* own) noexcept SQLITEMEM_NO_THREAD_SAFETY;

 private:
  /// A slot as a reader sees it.
  struct SlotView {
    std::uint64_t allocations = 0, requested_bytes = 0, cached = 0, taken = 0, given = 0;
    std::uint64_t slow_allocations = 0, slow_frees = 0, capacity = 0;
  };
  [[nodiscard]] static SlotView view(const ThreadCache& cache, std::size_t index) noexcept;
  [[nodiscard]] SizeClassTotals totals_of(std::size_t index) noexcept
      SQLITEMEM_REQUIRES(registry_lock_);
  [[nodiscard]] SizeClassTotals totals_since_reset(std::size_t index) noexcept
      SQLITEMEM_REQUIRES(registry_lock_);

  [[nodiscard]] bool ensure_cache(ThreadCache*& cache) noexcept;
  [[nodiscard]] bool refill(ThreadCache& cache, ClassIndex index, std::size_t max_batch,
                            std::size_t& new_slabs) noexcept;
  [[nodiscard]] bool make_room(ThreadCache& cache, ClassIndex index, BadBlocks& bad) noexcept;
  [[nodiscard]] void* allocate_uncached(ClassIndex index, std::size_t request_bytes,
                                        std::size_t& new_slabs) noexcept;
  void release_uncached(void* block, ClassIndex index, BadBlocks& bad) noexcept;
  [[nodiscard]] static std::uint32_t capacity_for(const CacheSlotCounters& counters,
                                                  const ClassHeap& heap) noexcept
      SQLITEMEM_REQUIRES(heap.lock);
  void grow_magazines(ThreadCache& cache, ClassIndex index) const noexcept;
  std::size_t flush_slot(ThreadCache& cache, std::size_t index, BadBlocks& bad) noexcept;
  void retire_counters(ThreadCache& cache, std::size_t index) noexcept;
  void consider_learning(std::size_t request_bytes, ClassIndex index,
                         std::size_t new_slabs) noexcept;
  [[nodiscard]] std::optional<Violation> find_double(const ThreadCache* own, std::size_t index);

  Backing backing_{};
  ClassTable table_;
  std::array<ClassHeap, class_slot_count> classes_;
  std::array<std::atomic<std::uint32_t>, class_slot_count> max_capacity_{};
  RequestStatistics requests_;
  Lock registry_lock_;
  ThreadCache* registry_ SQLITEMEM_GUARDED_BY(registry_lock_) = nullptr;
  Lock learning_lock_;
  std::atomic<std::uint32_t> trim_epoch_{0};
  std::atomic<std::int64_t> out_bytes_{0};
  NewThreadHandler on_new_thread_ = nullptr;
  bool every_call_checked_ = false;
  std::array<SizeClassTotals, class_slot_count> baseline_ SQLITEMEM_GUARDED_BY(registry_lock_) = {};
};

}  // namespace sqlitemem
