// Blocks that change their size: in place, with room to grow further, by moving.
#include <algorithm>
#include <cstring>

#include "allocators/manager/memory_manager.h"
#include "allocators/manager/routes.h"

namespace sqlitemem {

bool MemoryManager::resize_in_place(void* block, std::size_t old_bytes,
                                    std::size_t bytes) noexcept {
  const ClassIndex index =
      class_of(static_cast<std::size_t>(static_cast<std::byte*>(block) - region_.base()));
  if (index != run_area_code || bytes <= max_slab_object_bytes || bytes > max_run_bytes ||
      !is_run_request(bytes))
    return false;
  const std::size_t from = old_bytes / run_granule_bytes, to = granules_for(bytes);
  std::size_t max_batch = 0;
  if (to > from && !fits_live_limit(bytes - old_bytes, max_batch)) return false;
  if (!runs_.resize_in_place(block, to)) return false;
  count_resized_run(from, to, bytes);
  return true;
}

// Runs of up to 32 KiB belong to classes. `from` 0: it is a new one.
void MemoryManager::count_resized_run(std::size_t from, std::size_t to,
                                      std::size_t request_bytes) noexcept {
  const auto class_or_none = [](std::size_t granules) {
    return granules != 0 && granules * run_granule_bytes <= max_cached_bytes
               ? run_class_for(granules)
               : no_class;
  };
  slabs_.reclassify_run(class_or_none(from), class_or_none(to), request_bytes);
  if (from != 0 && class_or_none(from) == no_class) {
    large_run_bytes_.fetch_sub(from * run_granule_bytes, std::memory_order_relaxed);
    large_run_objects_.fetch_sub(1, std::memory_order_relaxed);
    large_run_frees_.fetch_add(1, std::memory_order_relaxed);
  }
  if (class_or_none(to) == no_class) {
    large_run_bytes_.fetch_add(to * run_granule_bytes, std::memory_order_relaxed);
    large_run_objects_.fetch_add(1, std::memory_order_relaxed);
    large_run_allocations_.fetch_add(1, std::memory_order_relaxed);
  }
}

// A block that has grown will grow again, and in place where there is room: eight buffers grown in
// turn to 64 KiB were copied at each step before.
void* MemoryManager::allocate_roomy(std::size_t bytes) noexcept {
  std::size_t max_batch = 0;
  if (bytes <= max_slab_object_bytes || bytes > max_run_bytes || !is_run_request(bytes) ||
      !fits_live_limit(bytes, max_batch))
    return nullptr;
  void* run = runs_.allocate_roomy(granules_for(bytes));
  if (run == nullptr) return nullptr;
  count_resized_run(0, granules_for(bytes), bytes);
  if (bytes > max_cached_bytes) {
    slabs_.requests().record_large(bytes);
  } else {
    slabs_.requests().record_sample(bytes, bytes);
  }
  note_growth();
  return run;
}

void* MemoryManager::resize_large(ThreadCache*& cache, void* block, std::size_t old_bytes,
                                  std::size_t bytes) noexcept {
  std::size_t max_batch = 0;
  const std::size_t growth = at_least_zero(bytes, old_bytes);
  const bool fits = growth == 0 || fits_live_limit(growth, max_batch);
  void* resized = fits ? large_.resize(block, bytes) : nullptr;
  if (resized == nullptr && fits && collect_for_request(cache)) {
    resized = large_.resize(block, bytes);
    note_collection(resized != nullptr);
  }
  if (resized == nullptr && can_ever_fit(bytes) && reclaim(growth, max_batch))
    resized = large_.resize(block, bytes);
  if (resized != nullptr && growth != 0) slabs_.requests().record_large(bytes), note_growth();
  return resized;
}

void* MemoryManager::resize(ThreadCache*& cache, void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return allocate(cache, bytes);
  if (bytes == 0) return release(cache, block), nullptr;
  const std::size_t old_bytes = usable_bytes(block);
  if (old_bytes == 0) return nullptr;  // Reported.
  const bool is_large = region_.large.contains(block);
  if (is_large && bytes > max_cached_bytes && !is_run_request(bytes) &&
      bytes <= max_request_bytes) {
    void* const resized = resize_large(cache, block, old_bytes, bytes);
    // Where there is neither address space nor memory for it here, the previous allocator may lend.
    if (resized != nullptr || bytes <= old_bytes) return resized != nullptr ? resized : block;
  }
  // Less than half free is slack for the next growth; page runs are cut, because their pages can go
  // back.
  if (bytes <= old_bytes && (bytes > old_bytes / 2 || old_bytes <= 64)) return block;
  if (resize_in_place(block, old_bytes, bytes)) return block;
  void* moved = bytes > old_bytes ? allocate_roomy(bytes) : nullptr;
  if (moved == nullptr) moved = allocate(cache, bytes);
  if (moved == nullptr) return bytes <= old_bytes ? block : nullptr;
  std::memcpy(moved, block, std::min(old_bytes, bytes));
  release(cache, block);
  return moved;
}

}  // namespace sqlitemem
