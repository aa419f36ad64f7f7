// Magazines and the per-thread cache: what the hot path touches, and nothing else.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocators/slab/size_classes.h"

namespace sqlitemem {

/// An array of free blocks of one class. Owned by a thread's slot or by a depot, never by both.
/// J. Bonwick, J. Adams, "Magazines and Vmem", USENIX 2001; the bounds are pointers, because an
/// index makes the hot pair 70 % slower (a longer store-to-load chain).
struct Magazine {
  Magazine* next;          ///< In the depot's lists.
  std::uint32_t count;     ///< Blocks in it; 0 while it is loaded (the slot's `top` counts then).
  std::uint32_t capacity;  ///< Physical.

  [[nodiscard]] void** objects() noexcept { return reinterpret_cast<void**>(this + 1); }
  [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t capacity) {
    return sizeof(Magazine) + capacity * sizeof(void*);
  }
};
static_assert(sizeof(Magazine) == 16);

/// What the hot path counts, in one word, so that an allocation costs one addition: the requested
/// bytes since the last sample in the low 30 bits, and above them the number of allocations until
/// the next one, negative. The word turns positive when a sample is due.
struct Tally {
  static constexpr int byte_bits = 30;
  static constexpr std::int64_t one_allocation = std::int64_t{1} << byte_bits;
  static constexpr std::int64_t max_interval = 384;  ///< Allocations.

  [[nodiscard]] static constexpr std::int64_t fresh(std::int64_t interval) {
    return -interval * one_allocation;
  }
  [[nodiscard]] static constexpr std::int64_t of_request(std::size_t bytes) {
    return static_cast<std::int64_t>(bytes) + one_allocation;
  }
  [[nodiscard]] static constexpr std::uint64_t allocations(std::int64_t tally,
                                                           std::int64_t interval) {
    const std::int64_t count = interval + (tally >> byte_bits);
    return count < 0 ? 0 : static_cast<std::uint64_t>(count);  // Read while a sample is taken.
  }
  [[nodiscard]] static constexpr std::uint64_t requested_bytes(std::int64_t tally) {
    return static_cast<std::uint64_t>(tally & (one_allocation - 1));
  }
};
static_assert(Tally::max_interval * static_cast<std::int64_t>(max_cached_bytes) <
              Tally::one_allocation);

/// One class of one thread; a cache line. Written by its thread only; read by anyone with relaxed
/// loads.
///
///   lo             top            hi
///   | free blocks  | empty        |      of the loaded magazine
///
/// The word below lo is the magazine's count and capacity.
///
/// All pointers null: no magazine yet, so that both directions take the slow path at their first
/// branch.
struct alignas(64) CacheSlot {
  std::atomic<void**> top, lo, hi;
  std::atomic<Magazine*> loaded, previous;
  std::atomic<std::int64_t> tally;                                ///< See Tally.
  std::atomic<std::uint64_t> settled_allocations, settled_bytes;  ///< Up to the last sample.
};

/// The part of a slot that only the slow path needs.
struct CacheSlotCounters {
  std::atomic<std::uint32_t> version;          ///< Odd while the pointers of the slot change.
  std::atomic<std::uint32_t> target_capacity;  ///< Of the next magazine; grows with depot traffic.
  std::atomic<std::uint32_t>
      previous_count;          ///< Of `previous`, for readers that must not follow the pointer.
  std::uint32_t visits;        ///< Depot visits since the last growth.
  std::uint32_t sample_shift;  ///< The mean interval is 1 << sample_shift.
  std::atomic<std::int64_t> sample_interval;  ///< Allocations, the last one given out.
  std::atomic<std::uint64_t> taken, given;    ///< Blocks moved from and to depot and slabs.
  std::atomic<std::uint64_t> slow_allocations, slow_frees;
};

/// A thread's magazines. Invariants (numbered as find_violation() reports them):
/// 1. lo <= top <= hi for every slot, and hi - lo <= loaded->capacity.
/// 2. previous is empty or full of blocks of the slot's class; loaded->count == 0.
struct ThreadCache {
  std::array<CacheSlot, class_slot_count> slots;
  std::array<CacheSlotCounters, class_slot_count> counters;
  ThreadCache* next;  ///< In the registry.
  std::atomic<std::uint32_t> trim_epoch;
  std::atomic<bool> in_use;                ///< false: its thread exited; may be given to a new one.
  std::uint32_t slow_calls;                ///< Owner only; paces the clock reads of maintenance.
  std::size_t hint_request, hint_rounded;  ///< The last round_up(), see heap_round_up().
};

/// Stands for "no cache yet": all slots empty, so every call takes the slow path. Never written.
extern ThreadCache no_cache;
/// Stands for "this thread is past its exit handler": blocks go to the depots directly.
extern ThreadCache exited_cache;

inline bool is_placeholder(const ThreadCache* cache) {
  return cache == &no_cache || cache == &exited_cache;
}

}  // namespace sqlitemem
