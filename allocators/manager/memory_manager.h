// The memory manager: routes a request to slabs, page runs or large objects, and answers for all of
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "allocators/arena/arena_figures.h"
#include "allocators/base/check.h"
#include "allocators/base/owner_word.h"
#include "allocators/config.h"
#include "allocators/large/large_objects.h"
#include "allocators/pages/budget.h"
#include "allocators/pages/fill_map.h"
#include "allocators/pages/metadata_heap.h"
#include "allocators/pages/region.h"
#include "allocators/slab/run_heap.h"
#include "allocators/slab/slab_heap.h"

namespace sqlitemem {

/// The largest request that is served: SQLite's own limit is 2^31 - 256 bytes or so.
inline constexpr std::size_t max_request_bytes = (std::size_t{1} << 31) - 1;

struct HeapTotals {
  std::uint64_t live_bytes = 0;  ///< Usable bytes of blocks handed out and not freed.
  std::uint64_t live_objects = 0;
  std::uint64_t peak_live_bytes =
      0;  ///< Sampled whenever the heap takes pages, and at every reading.
  std::uint64_t peak_live_objects = 0;
  std::uint64_t cached_bytes = 0;  ///< Free, in magazines and depots, ready to be handed out.
  std::uint64_t held_bytes = 0;    ///< Charged against memory_limit.
  std::uint64_t peak_held_bytes = 0;
  std::uint64_t metadata_bytes = 0;  ///< Our own bookkeeping, mapped; not part of held_bytes.
  std::uint64_t reserved_bytes = 0;  ///< Address space of the region.
  std::uint64_t limit_bytes = 0;     ///< memory_limit; 0: none.
  std::uint64_t largest_request_bytes = 0;
  std::uint64_t allocations = 0, frees = 0;  ///< Since reset_statistics().
  std::uint64_t failures =
      0;  ///< Requests answered with nullptr (limit, exhaustion, over max_request_bytes).
  std::uint64_t last_refused_bytes = 0;  ///< The size of the last one; 0: none.
  std::uint64_t corruptions = 0;         ///< Double frees and corrupt pointers reported.
  std::uint64_t threads = 0;             ///< Threads with a cache.
};

/// Resident bytes by what they hold; the OS is asked (mincore), ~0.7 ms per GiB.
struct ResidentBytes {
  std::uint64_t slabs = 0, runs = 0, large = 0, metadata = 0;
};

/// What one collection gave back, in bytes.
struct CollectResult {
  std::uint64_t magazines =
      0;  ///< Returned from magazines and depots to slabs and runs (not yet to the OS).
  std::uint64_t slabs = 0, runs = 0, large = 0;  ///< Returned to the OS.
  [[nodiscard]] std::uint64_t released() const { return slabs + runs + large; }
};

enum class CorruptionKind : std::uint8_t { double_free, not_a_block, interior_pointer };

/// Says what is wrong with a pointer given to release(), resize() or usable_bytes().
struct CorruptionReport {
  CorruptionKind kind = CorruptionKind::not_a_block;
  std::uintptr_t address = 0;
  std::uint64_t object_bytes = 0;  ///< Of the slab class, run or large object; 0: unknown.
  std::string_view rule;
};
/// Called with no lock held, on the freeing thread, before the process aborts or goes on. Must not
/// use the heap.
using CorruptionHandler = void (*)(const CorruptionReport&) noexcept;

/// Called when the region (not the limit) cannot serve a request; may return a foreign block or
/// nullptr.
using OverflowHandler = void* (*)(std::size_t bytes) noexcept;

/// Called with no lock held when memory is refused (by the limit or the operating system), before
/// the request fails: another user of the same budget gives memory back. Returns bytes.
using ShortageHandler = std::uint64_t (*)(std::size_t bytes) noexcept;

/// Called with no lock held after a request was answered with nullptr. Must not use the heap.
using RefusalHandler = void (*)(std::size_t bytes) noexcept;

/// Called now and then with no lock held, by requests that took the slow path. Must not use the
/// heap.
using SlowPathHandler = void (*)() noexcept;

/// A whole heap. One serves the process (process_heap.h); tests make their own.
/// Threads: every call from any thread; start() and stop() from one, with nobody else inside.
class MemoryManager {
 public:
  struct Settings {
    PageSource* pages = nullptr;   ///< nullptr: os_pages().
    std::size_t region_bytes = 0;  ///< 0: option region_size.
    std::size_t commit_stride = Region::default_stride;
    std::size_t metadata_chunk_bytes = MetadataHeap::default_chunk_bytes;
  };
  enum class StartResult : std::uint8_t {
    ok,
    already_started,
    unsupported_page_size,
    no_address_space,
    no_memory
  };

  constexpr MemoryManager() noexcept = default;
  MemoryManager(const MemoryManager&) = delete;
  MemoryManager& operator=(const MemoryManager&) = delete;

  [[nodiscard]] StartResult start(const Settings& settings) noexcept;
  void stop() noexcept;  ///< For tests. Every block is gone.
  [[nodiscard]] bool is_started() const noexcept { return region_.base() != nullptr; }
  /// Whether RLIMIT_AS or RLIMIT_DATA was set at start: the region may be small then, and is no
  /// limit of its own.
  [[nodiscard]] bool is_space_limited() const noexcept { return is_space_limited_; }

  // With the calling thread's cache. `cache` is the reference to its pointer (at first &no_cache):
  // the first slow call replaces it by a cache of the thread's own.
  [[nodiscard]] void* allocate(ThreadCache*& cache, std::size_t bytes) noexcept;
  void release(ThreadCache*& cache, void* block) noexcept;
  [[nodiscard]] void* resize(ThreadCache*& cache, void* block, std::size_t bytes) noexcept;

  /// True for an address inside the region; such a pointer must go to this heap, any other must
  /// not.
  [[nodiscard]] bool owns(const void* block) const noexcept { return region_.contains(block); }
  /// Which part of this heap an address belongs to.
  [[nodiscard]] ChunkArea area_of(const void* block) const noexcept;
  /// Bytes the caller may use; what round_up() of the request was. 0 (and a corruption report) for
  /// an address outside live slabs, runs and large objects. A freed object whose slab is still
  /// there is noticed only with heap_checks=every_call: it takes a lookup on SQLite's every free.
  [[nodiscard]] std::size_t usable_bytes(const void* block) noexcept;
  /// The usable size that allocate(bytes) will give now: exactly, so that SQLite can skip a resize.
  [[nodiscard]] std::size_t round_up(std::size_t bytes) const noexcept;

  /// Flushes this thread's magazines, asks other threads to flush theirs at their next slow path,
  /// empties the depots, returns empty slabs and every wholly free page to the OS.
  CollectResult collect(ThreadCache*& cache) noexcept;
  /// Coalesces and decommits free regions of large objects and runs; returns bytes given to the OS.
  std::uint64_t coalesce_all() noexcept;

  [[nodiscard]] HeapTotals totals() noexcept;
  [[nodiscard]] std::uint64_t live_bytes() noexcept;  ///< Of totals(), cheaper.
  [[nodiscard]] ResidentBytes resident() noexcept;
  [[nodiscard]] std::vector<SizeClassTotals> size_classes();  ///< Slab and run classes, by size.
  [[nodiscard]] std::vector<RequestPattern>
  request_patterns();  ///< By estimated allocations, descending.
  [[nodiscard]] RunTotals runs() noexcept { return runs_.totals(); }
  [[nodiscard]] LargeObjectTotals large() noexcept { return large_.totals(); }
  [[nodiscard]] std::vector<LargeObjectInfo> large_objects() { return large_.objects(); }
  /// How full the areas of slabs, page runs and large objects are, in at most `most_cells` cells
  /// each. Areas that nothing was taken from have none.
  [[nodiscard]] std::vector<AreaFill> fill_maps(std::size_t most_cells);
  void reset_statistics() noexcept;
  /// Peaks start again from what is live now; the counters go on. For SQLite's status resets.
  void reset_peaks() noexcept;

  /// Walks everything: slabs, runs, large objects, depots, and the magazines of `own`. Takes every
  /// lock in turn.
  [[nodiscard]] std::optional<Violation> find_violation(const ThreadCache* own = nullptr) noexcept;

  void apply_config() noexcept;  ///< Re-reads the runtime options.
  /// A second, softer ceiling on live_bytes, SQLite's hard_heap_limit: 0 for none. Checked when
  /// pages are taken.
  /// Whether `bytes` beyond what the heap has would keep memory_limit and the live limit.
  [[nodiscard]] bool fits_limits(std::uint64_t bytes) noexcept;
  void set_live_limit(std::uint64_t bytes) noexcept {
    live_limit_.store(bytes, std::memory_order_relaxed);
  }
  void set_corruption_handler(CorruptionHandler handler) noexcept { on_corruption_ = handler; }
  void set_overflow_handler(OverflowHandler handler) noexcept { on_overflow_ = handler; }
  void set_shortage_handler(ShortageHandler handler) noexcept {
    on_shortage_.store(handler, std::memory_order_release);
  }
  void set_refusal_handler(RefusalHandler handler) noexcept {
    on_refusal_.store(handler, std::memory_order_release);
  }
  void set_slow_path_handler(SlowPathHandler handler) noexcept {
    on_slow_path_.store(handler, std::memory_order_release);
  }
  /// Bytes that count against the live limit but are not blocks of this heap: the buffer pool's.
  void set_other_live_bytes(const std::atomic<std::uint64_t>& bytes) noexcept {
    other_live_bytes_.store(&bytes, std::memory_order_release);
  }
  /// What the heap shares with other users of memory_limit.
  [[nodiscard]] MemoryBudget& budget() noexcept { return budget_; }
  /// Called once for each thread that gets a cache, on that thread. Must not use the heap.
  using NewThreadHandler = SlabHeap::NewThreadHandler;
  void set_new_thread_handler(NewThreadHandler handler) noexcept {
    slabs_.set_new_thread_handler(handler);
  }

  // Threads and fork; process_heap.cpp wires them to pthread.
  void thread_exits(ThreadCache*& cache) noexcept;
  void before_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY;
  void after_fork_in_parent() noexcept SQLITEMEM_NO_THREAD_SAFETY;
  void after_fork_in_child(const ThreadCache* own) noexcept;

 private:
  [[nodiscard]] void* allocate_slow(ThreadCache*& cache, std::size_t bytes) noexcept;
  [[nodiscard]] void* allocate_once(ThreadCache*& cache, std::size_t bytes,
                                    std::size_t max_batch) noexcept;
  [[nodiscard]] bool can_ever_fit(std::size_t bytes) const noexcept;
  [[nodiscard]] bool may_borrow(std::size_t bytes) const noexcept;
  [[nodiscard]] bool reclaim(std::size_t bytes, std::size_t& max_batch) noexcept;
  [[nodiscard]] std::uint64_t other_live_bytes() const noexcept {
    const auto* bytes = other_live_bytes_.load(std::memory_order_acquire);
    return bytes == nullptr ? 0 : bytes->load(std::memory_order_relaxed);
  }
  std::nullptr_t refuse(std::size_t bytes) noexcept;
  [[nodiscard]] void* allocate_run(std::size_t bytes) noexcept;
  [[nodiscard]] void* allocate_roomy(std::size_t bytes) noexcept;
  void count_resized_run(std::size_t from, std::size_t to, std::size_t request_bytes) noexcept;
  [[nodiscard]] void* allocate_elsewhere(ThreadCache*& cache, std::size_t bytes,
                                         std::size_t max_batch) noexcept;
  [[nodiscard]] std::uint64_t out_bytes() const noexcept;
  [[nodiscard]] bool collect_for_request(ThreadCache*& cache) noexcept;
  void note_collection(bool has_helped) noexcept;
  [[nodiscard]] void* sampled(ThreadCache& cache, const CacheSlot& slot, std::size_t bytes,
                              void* block) noexcept;
  void release_slow(ThreadCache*& cache, void* block) noexcept;
  void release_run(ThreadCache*& cache, void* block, BadBlocks& bad) noexcept;
  void release_large(void* block, BadBlocks& bad) noexcept;
  [[nodiscard]] void* resize_large(ThreadCache*& cache, void* block, std::size_t old_bytes,
                                   std::size_t bytes) noexcept;
  [[nodiscard]] bool resize_in_place(void* block, std::size_t old_bytes,
                                     std::size_t bytes) noexcept;
  [[nodiscard]] std::size_t usable_bytes_slow(const void* block) noexcept;
  [[nodiscard]] bool fits_live_limit(std::size_t bytes, std::size_t& max_batch) noexcept;
  void note_growth() noexcept;
  void raise_peak() noexcept;
  void look_around() noexcept;
  /// Whether the clock was read, which is not done each time.
  bool maintain(ThreadCache& cache, BadBlocks& bad) noexcept;
  void report(const BadBlocks& bad) noexcept;
  void report(const CorruptionReport& corruption) noexcept;
  [[nodiscard]] std::size_t object_bytes_around(const void* block) const noexcept;
  [[nodiscard]] ClassIndex class_of(std::size_t offset) const noexcept {
    return chunk_map_[offset >> chunk_shift].load(std::memory_order_relaxed);
  }
  /// The same for any block of the region, on slow paths: large objects have no entries in the
  /// map, because half a megabyte of them would be resident in every process.
  [[nodiscard]] ClassIndex code_of(const void* block) const noexcept {
    if (region_.large.contains(block)) return large_area_code;
    return class_of(
        static_cast<std::size_t>(static_cast<const std::byte*>(block) - region_.base()));
  }

  Region region_;
  std::atomic<ClassIndex>* chunk_map_ = nullptr;  // What each 64 KiB of the region hold.
  SlabHeap slabs_;
  RunHeap runs_;
  LargeObjects large_;
  ChunkPool chunks_;
  MetadataHeap metadata_;
  MemoryBudget budget_;
  PageSource* pages_ = nullptr;
  CorruptionHandler on_corruption_ = nullptr;
  OverflowHandler on_overflow_ = nullptr;
  std::atomic<ShortageHandler> on_shortage_{nullptr};
  std::atomic<RefusalHandler> on_refusal_{nullptr};
  std::atomic<SlowPathHandler> on_slow_path_{nullptr};
  std::atomic<const std::atomic<std::uint64_t>*> other_live_bytes_{nullptr};
  std::atomic<std::uint64_t> live_limit_{0};
  bool is_space_limited_ = false;
  std::atomic<std::uint64_t> large_run_bytes_{0}, large_run_allocations_{0}, large_run_frees_{0};
  std::atomic<std::uint64_t> large_run_objects_{0};
  std::atomic<std::uint64_t> peak_live_bytes_{0}, peak_live_objects_{0}, next_peak_check_{0};
  std::atomic<std::uint64_t> failures_{0}, last_refused_bytes_{0}, corruptions_{0};
  std::atomic<std::uint64_t> last_maintenance_ns_{0};
  // The most that was live since a collection did not help a refused request; 0: none did not.
  std::atomic<std::uint64_t> fruitless_out_bytes_{0};
};

inline void* MemoryManager::allocate(ThreadCache*& cache, std::size_t bytes) noexcept {
  const std::size_t unit = (bytes + class_granule_bytes - 1) / class_granule_bytes;
  if (unit <= ClassTable::max_unit)
      [[likely]] {  // A request near SIZE_MAX wraps to unit 0: no_class, never loaded.
    const ClassIndex index = slabs_.table().class_for_unit(unit);
    CacheSlot& slot = cache->slots[index];
    void** top = slot.top.load(std::memory_order_relaxed);
    if (top != slot.lo.load(std::memory_order_relaxed)) [[likely]] {
      void* block = *--top;
      // The next block of this class will be written soon after it is handed out: start its cache
      // miss now.
      __builtin_prefetch(top[-1], 1);
      slot.top.store(top, std::memory_order_relaxed);
#if SQLITEMEM_STATISTICS
      if (add_as_owner(slot.tally, Tally::of_request(bytes))) [[unlikely]]
        return sampled(*cache, slot, bytes, block);
#endif
      return block;
    }
  }
  return allocate_slow(cache, bytes);
}

inline void MemoryManager::release(ThreadCache*& cache, void* block) noexcept {
  const std::size_t offset =
      reinterpret_cast<std::uintptr_t>(block) - reinterpret_cast<std::uintptr_t>(region_.base());
  if (offset < region_.bytes()) [[likely]] {
    CacheSlot& slot = cache->slots[class_of(offset)];
    void** top = slot.top.load(std::memory_order_relaxed);
    // The word below an empty magazine is its header, never a block.
    if (top != slot.hi.load(std::memory_order_relaxed) && top[-1] != block) [[likely]] {
      // A freed block is the next one handed out, unless more are freed: fetch it as a free list's
      // link would.
      __builtin_prefetch(block, 1);
      *top = block;
      slot.top.store(top + 1, std::memory_order_relaxed);
      return;
    }
  }
  if (block != nullptr) release_slow(cache, block);
}

inline std::size_t MemoryManager::usable_bytes(const void* block) noexcept {
  const std::size_t offset =
      reinterpret_cast<std::uintptr_t>(block) - reinterpret_cast<std::uintptr_t>(region_.base());
  if (offset >= region_.bytes()) [[unlikely]]
    return block == nullptr ? 0 : usable_bytes_slow(block);
  const ClassIndex index = class_of(offset);
  const std::size_t bytes = slabs_.table().object_bytes_unchecked(index);
  return bytes != 0 ? bytes : usable_bytes_slow(block);
}

}  // namespace sqlitemem
