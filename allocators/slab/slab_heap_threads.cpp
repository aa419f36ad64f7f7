// Threads that end and processes that fork: whose magazines are whose.
#include "allocators/slab/slab_heap.h"

namespace sqlitemem {

void SlabHeap::retire_counters(ThreadCache& cache, std::size_t index) noexcept {
  CacheSlot& slot = cache.slots[index];
  CacheSlotCounters& counters = cache.counters[index];
  ClassHeap& heap = classes_[index];
  const LockGuard guard(heap.lock);
  const SlotView seen = view(cache, index);
  heap.retired.allocations += seen.allocations;
  heap.retired.requested_bytes += seen.requested_bytes;
  heap.retired.taken += seen.taken;
  heap.retired.given += seen.given;
  heap.retired.slow_allocations += seen.slow_allocations;
  heap.retired.slow_frees += seen.slow_frees;
  slot.tally.store(0, std::memory_order_relaxed);
  slot.settled_allocations.store(0, std::memory_order_relaxed);
  slot.settled_bytes.store(0, std::memory_order_relaxed);
  counters.sample_interval.store(0, std::memory_order_relaxed);
  counters.sample_shift = 0;
  for (auto* counter :
       {&counters.taken, &counters.given, &counters.slow_allocations, &counters.slow_frees}) {
    counter->store(0, std::memory_order_relaxed);
  }
}

void SlabHeap::thread_exits(ThreadCache*& cache, BadBlocks& bad) noexcept {
  ThreadCache* leaving = cache;
  cache = &exited_cache;
  if (is_placeholder(leaving)) return;
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index)
    flush_slot(*leaving, index, bad);
  const LockGuard guard(registry_lock_);
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index)
    retire_counters(*leaving, index);
  leaving->in_use.store(false, std::memory_order_relaxed);
}

void SlabHeap::lock_all() noexcept {
  registry_lock_.lock();
  learning_lock_.lock();
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index)
    classes_[index].lock.lock();
}

void SlabHeap::unlock_all() noexcept {
  for (std::size_t index = run_area_code; index-- > first_fixed_class;)
    classes_[index].lock.unlock();
  learning_lock_.unlock();
  registry_lock_.unlock();
}

void SlabHeap::adopt_after_fork(const ThreadCache* own) noexcept {
  // Only the forking thread lives on. The other threads' magazines are consistent unless the fork
  // caught one between the stores of an exchange (odd version): those few blocks are given up,
  // still counted as cached.
  BadBlocks bad;
  for (ThreadCache* cache = registry_; cache != nullptr; cache = cache->next) {
    if (cache == own || !cache->in_use.load(std::memory_order_relaxed)) continue;
    bool torn = false;
    for (std::size_t index = first_fixed_class; index < run_area_code; ++index) {
      if (cache->counters[index].version.load(std::memory_order_relaxed) % 2 != 0) {
        torn = true;
        continue;
      }
      flush_slot(*cache, index, bad);
      retire_counters(*cache, index);
    }
    if (!torn) cache->in_use.store(false, std::memory_order_relaxed);
  }
}

}  // namespace sqlitemem
