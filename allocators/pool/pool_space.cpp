// Address space: emptying extents whole, since scattered free pages give none back.
#include <bit>

#include "allocators/pool/buffer_pool.h"
#include "allocators/pool/page_cache.h"

namespace sqlitemem {

/// Whether every page in the extent may go now, and their caches are entered.
bool BufferPool::can_empty(std::uint32_t extent) const noexcept {
  for (std::uint64_t used = store_.used_slots(extent); used != 0; used &= used - 1) {
    const Frame& frame = *store_.frame(extent << extent_frames_shift |
                                       static_cast<std::uint32_t>(std::countr_zero(used)));
    if (frame.page_number() == 0) return false;  // The spare frame of a cache that was in use.
    const PageCache& cache = cache_of(frame);
    if (!cache.is_purgeable_ || frame.is_pinned() || !cache.lock_.is_entered()) return false;
  }
  return true;
}

void BufferPool::empty_extent(std::uint32_t extent) noexcept {
  for (std::uint64_t used = store_.used_slots(extent); used != 0; used &= used - 1) {
    Frame& frame = *store_.frame(extent << extent_frames_shift |
                                 static_cast<std::uint32_t>(std::countr_zero(used)));
    PageCache& cache = cache_of(frame);
    cache.unlink(frame);
    PageCache::count(cache.evictions_);
    ++past_.foreign_evictions;
    drop_one(cache, frame, KeyMemory::remember);
  }
}

/// Those with the fewest pages first. The pages are not the coldest; there are few of them. By how
/// much less the pool holds then.
std::uint64_t BufferPool::release_extents(std::uint64_t bytes) noexcept {
  const LockGuard guard(lock_);
  const std::uint64_t before = store_.mapped_bytes(), held_before = store_.held_bytes();
  const std::uint64_t goal = at_least_zero(before, bytes);
  if (before == 0) return 0;
  for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) cache->lock_.announce();
  if (open_ != nullptr && ProcessBarrier::impose()) {
    for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
      if (cache->lock_.is_entered()) return_spares(*cache);
    }
    store_.trim();
    for (int most = 4; most <= 64 && store_.mapped_bytes() > goal; most *= 2) {
      for (std::uint32_t extent = 0; extent < store_.extents() && store_.mapped_bytes() > goal;
           ++extent) {
        if (!store_.is_mapped(extent) || std::popcount(store_.used_slots(extent)) > most) continue;
        if (!can_empty(extent)) continue;
        empty_extent(extent);
        store_.give_back_idle(extent);
      }
    }
    for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
      if (cache->lock_.is_entered()) publish_age(*cache);
    }
  }
  for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) cache->lock_.withdraw();
  update_over_budget();
  return held_before - store_.held_bytes();
}

}  // namespace sqlitemem
