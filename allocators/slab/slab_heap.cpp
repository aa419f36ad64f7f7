// The slow path: magazines are exchanged with depots, refilled from slabs, and grown with traffic.
#include "allocators/slab/slab_heap.h"

#include <algorithm>

#include "allocators/base/owner_word.h"
#include "allocators/slab/slot.h"

namespace sqlitemem {

ThreadCache no_cache;
ThreadCache exited_cache;

namespace {

// Samples come at once at first and about every 256 allocations in the end.
constexpr std::uint32_t max_sample_shift = 8;
static_assert((3 << max_sample_shift) / 2 <= Tally::max_interval);
constexpr std::uint32_t visits_per_growth = 16;

/// A new magazine starts small, so that a small process stays small: about 16 KiB of objects, 4 to
/// 14 of them.
constexpr std::uint32_t first_capacity(std::size_t object_bytes, std::uint32_t most) {
  const auto by_size = static_cast<std::uint32_t>(16 * kib / object_bytes);
  return std::min(most, std::clamp<std::uint32_t>(by_size, 4, 14));
}

/// The finalizer of MurmurHash3 (A. Appleby): near numbers give unrelated ones.
constexpr std::uint64_t scrambled(std::uint64_t number) {
  number = (number ^ number >> 33) * 0xFF51AFD7ED558CCD;
  number = (number ^ number >> 33) * 0xC4CEB9FE1A85EC53;
  return number ^ number >> 33;
}

}  // namespace

void SlabHeap::start(const Backing& backing, bool checks_every_call) noexcept {
  backing_ = backing;
  backing_.out_bytes = &out_bytes_;
  every_call_checked_ = checks_every_call;
  table_.start(checks_every_call);
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index) {
    if (!is_learned_class(index))
      classes_[index].configure(static_cast<ClassIndex>(index), table_.object_bytes(index));
  }
  apply_config();
}

bool SlabHeap::ensure_cache(ThreadCache*& cache) noexcept {
  if (cache == &exited_cache || every_call_checked_) return false;
  if (cache != &no_cache) return true;
  const LockGuard guard(registry_lock_);
  ThreadCache* found = registry_;
  while (found != nullptr && found->in_use.load(std::memory_order_relaxed)) found = found->next;
  if (found == nullptr) {
    found = static_cast<ThreadCache*>(backing_.metadata->allocate(sizeof(ThreadCache)));
    if (found == nullptr) return false;
    found->next = registry_;
    registry_ = found;
  }
  found->trim_epoch.store(trim_epoch_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  found->in_use.store(true, std::memory_order_relaxed);
  cache = found;
  if (on_new_thread_ != nullptr) on_new_thread_(found);
  return true;
}

void SlabHeap::heed_trim(ThreadCache& cache, BadBlocks& bad) noexcept {
  const std::uint32_t epoch = trim_epoch_.load(std::memory_order_relaxed);
  if (cache.trim_epoch.load(std::memory_order_relaxed) == epoch) return;
  cache.trim_epoch.store(epoch, std::memory_order_relaxed);
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index)
    flush_slot(cache, index, bad);
}

void SlabHeap::grow_magazines(ThreadCache& cache, ClassIndex index) const noexcept {
  CacheSlotCounters& counters = cache.counters[index];
  const std::uint32_t most = max_capacity_[index].load(std::memory_order_relaxed);
  std::uint32_t target = counters.target_capacity.load(std::memory_order_relaxed);
  if (target == 0) {
    target = first_capacity(classes_[index].object_bytes(), most);
  } else if (++counters.visits >= visits_per_growth) {
    counters.visits = 0;
    target = 2 * target + 2;  // Header and pointers then fill a power of two.
    if (target + target / 8 >= most) target = most;
  }
  counters.target_capacity.store(std::min(target, most), std::memory_order_relaxed);
}

std::uint32_t SlabHeap::capacity_for(const CacheSlotCounters& counters,
                                     const ClassHeap& heap) noexcept {
  // A magazine holds at most 1/32 of the class's objects (or 32 KiB of small ones), so that what
  // two of them per thread and a depot hold back stays small against what is live.
  const std::size_t object_bytes = heap.object_bytes();
  const std::uint64_t by_population = std::max<std::uint64_t>(
      {heap.objects_out() / 32, (object_bytes <= kib ? 32 : 8) * kib / object_bytes, 4});
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(
      counters.target_capacity.load(std::memory_order_relaxed), by_population));
}

bool SlabHeap::refill(ThreadCache& cache, ClassIndex index, std::size_t max_batch,
                      std::size_t& new_slabs) noexcept {
  CacheSlot& slot = cache.slots[index];
  CacheSlotCounters& counters = cache.counters[index];
  grow_magazines(cache, index);
  ClassHeap& heap = classes_[index];
  const LockGuard guard(heap.lock);
  const std::uint32_t capacity = capacity_for(counters, heap);
  Magazine* magazine = max_batch >= capacity ? heap.pop_full(backing_) : nullptr;
  Magazine* spare = slot.loaded.load(std::memory_order_relaxed);
  if (magazine == nullptr) {
    // Refill the empty loaded magazine, or a larger one, from the slabs.
    magazine = spare;
    if (magazine == nullptr || magazine->capacity < capacity) {
      if (Magazine* larger = heap.take_empty(backing_, capacity)) magazine = larger;
    }
    if (magazine == nullptr) return false;
    // Runs coalesce while they are free: none is taken before it is wanted.
    const std::size_t batch =
        is_run_class(index) ? 1 : std::min<std::size_t>({capacity, magazine->capacity, max_batch});
    const std::size_t got = heap.take_objects(backing_, magazine->objects(), batch, new_slabs);
    if (got == 0) {
      if (magazine != spare) heap.give_empty(backing_, magazine);
      return false;
    }
    magazine->count = static_cast<std::uint32_t>(got);
  }
  const SlotChange change(counters);
  bump(counters.taken, magazine->count);
  Magazine* old_previous = slot.previous.load(std::memory_order_relaxed);
  if (magazine != spare && spare != nullptr) {
    spare->count = 0;
    if (old_previous != nullptr) heap.give_empty(backing_, old_previous);
    set_previous(slot, counters, spare);
  }
  load_magazine(slot, magazine, capacity);
  return true;
}

void* SlabHeap::allocate_uncached(ClassIndex index, std::size_t request_bytes,
                                  std::size_t& new_slabs) noexcept {
  ClassHeap& heap = classes_[index];
  const LockGuard guard(heap.lock);
  void* block = nullptr;
  if (heap.take_objects(backing_, &block, 1, new_slabs) == 0) return nullptr;
  ++heap.retired.allocations, ++heap.retired.taken, ++heap.retired.slow_allocations;
  heap.retired.requested_bytes += request_bytes;
  return block;
}

void* SlabHeap::allocate(ThreadCache*& cache, ClassIndex index, std::size_t request_bytes,
                         std::size_t max_batch) noexcept {
  std::size_t new_slabs = 0;
  void* block = nullptr;
  if (!ensure_cache(cache)) {
    block = allocate_uncached(index, request_bytes, new_slabs);
    if (block != nullptr) requests_.record_sample(request_bytes, request_bytes);
  } else {
    CacheSlot& slot = cache->slots[index];
    CacheSlotCounters& counters = cache->counters[index];
    if (counters.previous_count.load(std::memory_order_relaxed) != 0) {
      swap_magazines(slot, counters, counters.target_capacity.load(std::memory_order_relaxed));
    } else {
      // No memory for a magazine, perhaps, but a slab may have an object.
      if (!refill(*cache, index, max_batch, new_slabs))
        return allocate_uncached(index, request_bytes, new_slabs);
      bump(counters.slow_allocations);
    }
    block = pop(slot);
#if SQLITEMEM_STATISTICS
    if (add_as_owner(slot.tally, Tally::of_request(request_bytes)))
      sample(*cache, index, request_bytes);
#endif
  }
  if (new_slabs != 0) consider_learning(request_bytes, index, new_slabs);
  return block;
}

void SlabHeap::sample(ThreadCache& cache, ClassIndex index, std::size_t request_bytes) noexcept {
  CacheSlot& slot = cache.slots[index];
  CacheSlotCounters& counters = cache.counters[index];
  const std::int64_t tally = slot.tally.load(std::memory_order_relaxed);
  const std::uint64_t allocations =
      Tally::allocations(tally, counters.sample_interval.load(std::memory_order_relaxed));
  if (counters.sample_shift < max_sample_shift) ++counters.sample_shift;
  // Intervals all alike would meet a program that alternates sizes at the same size each time.
  const std::uint64_t settled =
      slot.settled_bytes.load(std::memory_order_relaxed) + Tally::requested_bytes(tally);
  const std::uint64_t mean = std::uint64_t{1} << counters.sample_shift;
  const auto next = static_cast<std::int64_t>(mean / 2 + scrambled(settled) % mean);
  {
    const SlotChange change(counters);
    bump(slot.settled_allocations, allocations);
    slot.settled_bytes.store(settled, std::memory_order_release);
    counters.sample_interval.store(next, std::memory_order_release);
    slot.tally.store(Tally::fresh(next), std::memory_order_release);
  }
  requests_.record_sample(request_bytes, allocations * request_bytes);
}

bool SlabHeap::make_room(ThreadCache& cache, ClassIndex index, BadBlocks& bad) noexcept {
  CacheSlot& slot = cache.slots[index];
  CacheSlotCounters& counters = cache.counters[index];
  grow_magazines(cache, index);
  ClassHeap& heap = classes_[index];
  const LockGuard guard(heap.lock);
  const std::uint32_t capacity = capacity_for(counters, heap);
  Magazine* full = slot.loaded.load(std::memory_order_relaxed);
  // A full magazine of runs is not kept: runs are returned, so that they coalesce.
  const bool keeps_full = full == nullptr || !is_run_class(index);
  Magazine* empty = keeps_full ? heap.take_empty(backing_, capacity) : nullptr;
  if (empty == nullptr) {
    if (full == nullptr) return false;
    // Or there is no memory for a magazine: the colder half of the loaded one goes back.
    const SlotChange change(counters);
    unload(slot);
    const std::uint32_t returned = (full->count + 1) / 2;
    void** objects = full->objects();
    heap.return_objects(backing_, objects, returned, bad);
    bump(counters.given, returned);
    full->count -= returned;
    std::copy(objects + returned, objects + returned + full->count, objects);
    // Others may have freed the most of the class meanwhile, so that `capacity` is below the count.
    load_magazine(slot, full, std::max(capacity, full->count + 1));
    return true;
  }
  const SlotChange change(counters);
  unload(slot);
  Magazine* previous = slot.previous.load(std::memory_order_relaxed);
  if (previous != nullptr && full != nullptr) {
    bump(counters.given, previous->count);
    heap.push_full(backing_, previous);
  }
  if (full != nullptr) set_previous(slot, counters, full);
  empty->count = 0;
  load_magazine(slot, empty, capacity);
  if (heap.reap_is_due()) heap.reap(backing_, false, bad);
  return true;
}

void SlabHeap::release_uncached(void* block, ClassIndex index, BadBlocks& bad) noexcept {
  ClassHeap& heap = classes_[index];
  const LockGuard guard(heap.lock);
  const std::size_t wrong = bad.count;
  heap.return_objects(backing_, &block, 1, bad);
  if (bad.count == wrong) ++heap.retired.given;
  ++heap.retired.slow_frees;
}

void SlabHeap::release(ThreadCache*& cache, void* block, ClassIndex index,
                       BadBlocks& bad) noexcept {
  if (!ensure_cache(cache)) return release_uncached(block, index, bad);
  heed_trim(*cache, bad);
  CacheSlot& slot = cache->slots[index];
  CacheSlotCounters& counters = cache->counters[index];
  if (slot.top.load(std::memory_order_relaxed) == slot.hi.load(std::memory_order_relaxed)) {
    if (slot.previous.load(std::memory_order_relaxed) != nullptr &&
        counters.previous_count.load(std::memory_order_relaxed) == 0) {
      swap_magazines(slot, counters, counters.target_capacity.load(std::memory_order_relaxed));
    } else {
      if (!make_room(*cache, index, bad)) return release_uncached(block, index, bad);
      bump(counters.slow_frees);
    }
  }
  push(slot, block);
}

void SlabHeap::reclassify_run(ClassIndex from, ClassIndex to, std::size_t request_bytes) noexcept {
  // Counted as a free of the one size and an allocation of the other.
  if (is_run_class(from)) {
    const LockGuard guard(classes_[from].lock);
    classes_[from].adopt_run(backing_, -1);
    ++classes_[from].retired.given;
  }
  if (is_run_class(to)) {
    const LockGuard guard(classes_[to].lock);
    classes_[to].adopt_run(backing_, 1);
    ++classes_[to].retired.taken, ++classes_[to].retired.allocations;
    classes_[to].retired.requested_bytes += request_bytes;
  }
}

}  // namespace sqlitemem
