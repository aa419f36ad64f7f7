// What the slab heap says of itself: totals read without stopping anyone, and the walk that finds
// broken rules.
#include <algorithm>
#include <bit>
#include <new>

#include "allocators/slab/slab_heap.h"

namespace sqlitemem {

SlabHeap::SlotView SlabHeap::view(const ThreadCache& cache, std::size_t index) noexcept {
  const CacheSlot& slot = cache.slots[index];
  const CacheSlotCounters& counters = cache.counters[index];
  SlotView seen;
  // A reader retries while the owner moves its magazines; if the owner was stopped just then, the
  // last try stands.
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const std::uint32_t version = counters.version.load(std::memory_order_acquire);
    const std::int64_t tally = slot.tally.load(std::memory_order_acquire);
    const std::int64_t interval = counters.sample_interval.load(std::memory_order_acquire);
    seen.allocations = slot.settled_allocations.load(std::memory_order_acquire) +
                       Tally::allocations(tally, interval);
    seen.requested_bytes =
        slot.settled_bytes.load(std::memory_order_acquire) + Tally::requested_bytes(tally);
    void** lo = slot.lo.load(std::memory_order_acquire);
    void** top = slot.top.load(std::memory_order_acquire);
    const std::size_t loaded =
        top >= lo && top - lo <= 4096 ? static_cast<std::size_t>(top - lo) : 0;
    seen.cached = loaded + counters.previous_count.load(std::memory_order_acquire);
    seen.taken = counters.taken.load(std::memory_order_acquire);
    seen.given = counters.given.load(std::memory_order_acquire);
    seen.slow_allocations = counters.slow_allocations.load(std::memory_order_acquire);
    seen.slow_frees = counters.slow_frees.load(std::memory_order_acquire);
    seen.capacity = counters.target_capacity.load(std::memory_order_acquire);
    if (version % 2 == 0 && counters.version.load(std::memory_order_relaxed) == version) break;
  }
  return seen;
}

SizeClassTotals SlabHeap::totals_of(std::size_t index) noexcept {
  ClassHeap& heap = classes_[index];
  SizeClassTotals totals;
  std::uint64_t taken = 0, given = 0, slow = 0;
  const LockGuard guard(heap.lock);
  const ClassHeap::Retired retired = heap.retired;
  totals.allocations = retired.allocations, totals.requested_bytes = retired.requested_bytes;
  taken = retired.taken, given = retired.given,
  slow = retired.slow_allocations + retired.slow_frees;
  std::uint64_t in_threads = 0;
  for (const ThreadCache* cache = registry_; cache != nullptr; cache = cache->next) {
    const SlotView seen = view(*cache, index);
    totals.allocations += seen.allocations, totals.requested_bytes += seen.requested_bytes;
    taken += seen.taken, given += seen.given, slow += seen.slow_allocations + seen.slow_frees;
    in_threads += seen.cached;
    totals.magazine_capacity = std::max<std::uint64_t>(totals.magazine_capacity, seen.capacity);
  }
  totals.object_bytes = heap.object_bytes();
  totals.is_run = is_run_class(index), totals.is_learned = is_learned_class(index);
  totals.objects_per_slab = heap.geometry().capacity;
  totals.slabs = heap.slabs();
  totals.cached_objects = in_threads + heap.depot_objects();
  totals.live_objects = at_least_zero(heap.objects_out(), totals.cached_objects);
  totals.reserved_bytes =
      totals.is_run ? heap.objects_out() * totals.object_bytes : totals.slabs * chunk_bytes;
  totals.free_objects =
      totals.is_run ? 0 : at_least_zero(totals.slabs * totals.objects_per_slab, heap.objects_out());
  totals.frees = at_least_zero(totals.allocations + in_threads + given, taken);
  totals.magazine_hits = at_least_zero(totals.allocations + totals.frees, slow);
  totals.depot_exchanges = heap.exchanges;
  if (totals.magazine_capacity == 0)
    totals.magazine_capacity = max_capacity_[index].load(std::memory_order_relaxed);
  return totals;
}

SizeClassTotals SlabHeap::totals_since_reset(std::size_t index) noexcept {
  SizeClassTotals totals = totals_of(index);
  const SizeClassTotals& before = baseline_[index];
  totals.allocations = at_least_zero(totals.allocations, before.allocations);
  totals.frees = at_least_zero(totals.frees, before.frees);
  totals.requested_bytes = at_least_zero(totals.requested_bytes, before.requested_bytes);
  totals.magazine_hits = at_least_zero(totals.magazine_hits, before.magazine_hits);
  totals.depot_exchanges = at_least_zero(totals.depot_exchanges, before.depot_exchanges);
  return totals;
}

std::uint64_t SlabHeap::cached_bytes(const ThreadCache& cache) const noexcept {
  std::uint64_t bytes = 0;
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index) {
    const CacheSlot& slot = cache.slots[index];
    const auto loaded = static_cast<std::uint64_t>(slot.top.load(std::memory_order_relaxed) -
                                                   slot.lo.load(std::memory_order_relaxed));
    bytes += (loaded + cache.counters[index].previous_count.load(std::memory_order_relaxed)) *
             table_.object_bytes(index);
  }
  return bytes;
}

bool SlabHeap::is_out(const void* block, ClassIndex index) noexcept {
  const LockGuard guard(classes_[index].lock);
  return classes_[index].is_out(backing_, block);
}

void SlabHeap::reset_statistics() noexcept {
  // Threads go on counting; what they had counted by now is subtracted from then on.
  const LockGuard guard(registry_lock_);
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index)
    baseline_[index] = totals_of(index);
  requests_.reset();
}

std::uint64_t SlabHeap::largest_request_bytes() noexcept {
  if (const std::uint64_t exact = requests_.largest_request_bytes(); exact != 0) return exact;
  std::uint64_t largest = 0;
  const LockGuard guard(registry_lock_);
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index) {
    const SizeClassTotals totals = totals_since_reset(index);
    if (totals.allocations != 0) largest = std::max(largest, totals.object_bytes);
  }
  return largest;
}

SlabHeap::LiveTotals SlabHeap::live() noexcept {
  LiveTotals live;
  const LockGuard guard(registry_lock_);
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index) {
    if (classes_[index].object_bytes() == 0) continue;
    const SizeClassTotals totals = totals_since_reset(index);
    live.bytes += totals.live_objects * totals.object_bytes;
    live.objects += totals.live_objects;
    live.cached_bytes += totals.cached_objects * totals.object_bytes;
    live.allocations += totals.allocations;
    live.frees += totals.frees;
  }
  return live;
}

std::vector<SizeClassTotals> SlabHeap::size_classes() {
  std::vector<SizeClassTotals> rows;
  rows.reserve(class_slot_count);
  {
    const LockGuard guard(registry_lock_);
    for (std::size_t index = first_fixed_class; index < run_area_code; ++index) {
      if (classes_[index].object_bytes() != 0) rows.push_back(totals_since_reset(index));
    }
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.object_bytes < b.object_bytes; });
  return rows;
}

void SlabHeap::add_to(FillMap& map) noexcept {
  const ChunkPool& chunks = *backing_.chunks;
  const auto count = static_cast<std::uint32_t>(chunks.chunks());
  for (std::uint32_t chunk = 0; chunk < count; ++chunk) {
    const ClassIndex index = chunks.class_of(chunk);
    if (index == no_class) continue;
    ClassHeap& heap = classes_[index];
    const LockGuard guard(heap.lock);
    if (chunks.class_of(chunk) != index) continue;  // Given back meanwhile.
    const Slab& slab = chunks.slab(chunk);
    const auto pages = static_cast<std::uint64_t>(std::popcount(slab.charged_pages));
    map.add(std::uint64_t{chunk} << chunk_shift, chunk_bytes,
            {.used_bytes = std::uint64_t{slab.used(heap.geometry())} * heap.object_bytes(),
             .held_bytes = pages * page_bytes});
  }
  chunks.add_free_chunks(map);
}

std::uint64_t SlabHeap::threads() noexcept {
  const LockGuard guard(registry_lock_);
  std::uint64_t count = 0;
  for (const ThreadCache* cache = registry_; cache != nullptr; cache = cache->next) {
    count += cache->in_use.load(std::memory_order_relaxed) ? 1 : 0;
  }
  return count;
}

std::optional<Violation> SlabHeap::find_double(const ThreadCache* own, std::size_t index) {
  ClassHeap& heap = classes_[index];
  std::vector<const void*> cached;
  const LockGuard guard(heap.lock);
  heap.for_each_depot_object([&](const void* object) { cached.push_back(object); });
  if (own != nullptr && !is_placeholder(own)) {
    const CacheSlot& slot = own->slots[index];
    void** lo = slot.lo.load(std::memory_order_relaxed);
    cached.insert(cached.end(), lo, slot.top.load(std::memory_order_relaxed));
    if (Magazine* previous = slot.previous.load(std::memory_order_relaxed)) {
      cached.insert(cached.end(), previous->objects(), previous->objects() + previous->count);
    }
  }
  std::sort(cached.begin(), cached.end());
  for (std::size_t i = 0; i < cached.size(); ++i) {
    const auto address = reinterpret_cast<std::uintptr_t>(cached[i]);
    if (!heap.is_out(backing_, cached[i]))
      return Violation{"magazine: a cached block is out of its slab", 1, 0, address};
    if (i > 0 && cached[i] == cached[i - 1])
      return Violation{"magazine: a block is free once", 1, 2, address};
  }
  return std::nullopt;
}

std::optional<Violation> SlabHeap::find_violation(const ThreadCache* own, bool deep) noexcept {
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index) {
    if (classes_[index].object_bytes() == 0) continue;
    {
      const LockGuard guard(classes_[index].lock);
      if (auto broken = classes_[index].find_violation(backing_)) return broken;
    }
    if (!deep) continue;
    try {
      if (auto broken = find_double(own, index)) return broken;
    } catch (const std::bad_alloc&) {
      deep =
          false;  // No memory to look for blocks that are free twice; the other rules still hold.
    }
  }
  return std::nullopt;
}

}  // namespace sqlitemem
