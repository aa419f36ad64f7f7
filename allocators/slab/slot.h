// What the owning thread does to one slot of its cache: pop, push, exchange magazines, count.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "allocators/slab/magazine.h"

namespace sqlitemem {

/// The owner changes a slot's pointers between two of these; readers retry (a sequence lock with
/// release stores).
class SlotChange {
 public:
  explicit SlotChange(CacheSlotCounters& counters) : counters_(counters) {
    version_ = counters_.version.load(std::memory_order_relaxed);
    counters_.version.store(version_ + 1, std::memory_order_relaxed);
  }
  ~SlotChange() { counters_.version.store(version_ + 2, std::memory_order_release); }
  SlotChange(const SlotChange&) = delete;
  SlotChange& operator=(const SlotChange&) = delete;

 private:
  CacheSlotCounters& counters_;
  std::uint32_t version_;
};

/// Single writer: a load and a store, never a locked instruction.
template <class Counter>
inline void bump(Counter& counter, std::uint64_t by = 1) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_release);
}

inline void load_magazine(CacheSlot& slot, Magazine* magazine, std::uint32_t limit) noexcept {
  void** lo = magazine->objects();
  const std::uint32_t usable = std::max(std::min(magazine->capacity, limit), magazine->count);
  slot.loaded.store(magazine, std::memory_order_release);
  slot.lo.store(lo, std::memory_order_release);
  slot.hi.store(lo + usable, std::memory_order_release);
  slot.top.store(lo + magazine->count, std::memory_order_release);
  magazine->count = 0;  // `top` counts now; and the word below lo equals no block.
}

inline void set_previous(CacheSlot& slot, CacheSlotCounters& counters,
                         Magazine* magazine) noexcept {
  slot.previous.store(magazine, std::memory_order_release);
  counters.previous_count.store(magazine == nullptr ? 0 : magazine->count,
                                std::memory_order_release);
}

inline Magazine* unload(CacheSlot& slot) noexcept {
  Magazine* magazine = slot.loaded.load(std::memory_order_relaxed);
  if (magazine != nullptr) {
    magazine->count = static_cast<std::uint32_t>(slot.top.load(std::memory_order_relaxed) -
                                                 slot.lo.load(std::memory_order_relaxed));
  }
  return magazine;
}

inline void swap_magazines(CacheSlot& slot, CacheSlotCounters& counters,
                           std::uint32_t limit) noexcept {
  const SlotChange change(counters);
  Magazine* unloaded = unload(slot);
  load_magazine(slot, slot.previous.load(std::memory_order_relaxed), limit);
  set_previous(slot, counters, unloaded);
}

inline void* pop(CacheSlot& slot) noexcept {
  void** top = slot.top.load(std::memory_order_relaxed) - 1;
  slot.top.store(top, std::memory_order_relaxed);
  return *top;
}

inline void push(CacheSlot& slot, void* block) noexcept {
  void** top = slot.top.load(std::memory_order_relaxed);
  *top = block;
  slot.top.store(top + 1, std::memory_order_relaxed);
}

}  // namespace sqlitemem
