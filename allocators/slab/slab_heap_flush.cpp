// Giving back: magazines to depots and slabs, depots to slabs, idle pages to the operating system.
#include "allocators/slab/slab_heap.h"
#include "allocators/slab/slot.h"

namespace sqlitemem {

std::size_t SlabHeap::flush_slot(ThreadCache& cache, std::size_t index, BadBlocks& bad) noexcept {
  CacheSlot& slot = cache.slots[index];
  CacheSlotCounters& counters = cache.counters[index];
  if (slot.loaded.load(std::memory_order_relaxed) == nullptr) return 0;
  ClassHeap& heap = classes_[index];
  const LockGuard guard(heap.lock);
  const SlotChange change(counters);
  std::size_t flushed = 0;
  for (Magazine* magazine : {unload(slot), slot.previous.load(std::memory_order_relaxed)}) {
    if (magazine == nullptr) continue;
    heap.return_objects(backing_, magazine->objects(), magazine->count, bad);
    bump(counters.given, magazine->count);
    flushed += magazine->count;
    backing_.metadata->release(magazine, Magazine::bytes_for(magazine->capacity));
  }
  slot.top.store(nullptr, std::memory_order_release);
  slot.lo.store(nullptr, std::memory_order_release);
  slot.hi.store(nullptr, std::memory_order_release);
  slot.loaded.store(nullptr, std::memory_order_release);
  set_previous(slot, counters, nullptr);
  counters.target_capacity.store(0, std::memory_order_relaxed);
  counters.visits = 0;
  return flushed * heap.object_bytes();
}

std::size_t SlabHeap::flush(ThreadCache* cache, BadBlocks& bad) noexcept {
  const std::uint32_t epoch = trim_epoch_.fetch_add(1, std::memory_order_relaxed) + 1;
  std::size_t flushed = 0;
  if (!is_placeholder(cache)) {
    cache->trim_epoch.store(epoch, std::memory_order_relaxed);
    for (std::size_t index = first_fixed_class; index < run_area_code; ++index)
      flushed += flush_slot(*cache, index, bad);
  }
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index) {
    const LockGuard guard(classes_[index].lock);
    flushed += classes_[index].reap(backing_, true, bad);
  }
  return flushed;
}

std::size_t SlabHeap::reap(BadBlocks& bad) noexcept {
  std::size_t returned = 0;
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index) {
    const LockGuard guard(classes_[index].lock);
    returned += classes_[index].reap(backing_, false, bad);
  }
  return returned;
}

std::size_t SlabHeap::purge_slabs() noexcept {
  std::size_t freed = 0;
  for (std::size_t index = first_fixed_class; index < first_run_class; ++index) {
    const LockGuard guard(classes_[index].lock);
    freed += classes_[index].purge_slabs(backing_);
  }
  return freed;
}

}  // namespace sqlitemem
