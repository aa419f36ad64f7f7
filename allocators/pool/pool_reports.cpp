// What the pool says of itself: totals, caches, pages, broken rules.
#include <algorithm>

#include "allocators/pool/buffer_pool.h"
#include "allocators/pool/page_cache.h"

namespace sqlitemem {

PoolTotals BufferPool::totals() noexcept {
  const LockGuard guard(lock_);
  plan_if_old();
  PoolTotals totals = past_;
  totals.budget_bytes = budget_bytes_;
  totals.used_bytes = used_bytes_;
  totals.unevictable_bytes = unevictable_bytes_;
  totals.held_bytes = store_.held_bytes();
  totals.free_bytes = store_.free_bytes();
  totals.free_frames = store_.free_frames();
  totals.budget_frames = capacity_frames_;
  totals.used_frames = used_frames_;
  totals.unevictable_frames = unevictable_frames_;
  totals.policy = policy_names[static_cast<std::size_t>(policy_kind_)];
  for (const PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    totals.hits += cache->hits_.load(std::memory_order_relaxed);
    totals.pinned_hits += cache->pinned_hits_.load(std::memory_order_relaxed);
    totals.misses += cache->misses_.load(std::memory_order_relaxed);
    totals.refusals += cache->refusals_.load(std::memory_order_relaxed);
    totals.evictions += cache->evictions_.load(std::memory_order_relaxed);
    totals.ghost_hits += cache->ghost_hits_.load(std::memory_order_relaxed);
    ++totals.caches;
    if (!cache->is_purgeable_) continue;
    const TierCounts tiers = cache->policy_.counts();
    totals.tiers.warm += tiers.warm;
    totals.tiers.hot += tiers.hot;
    totals.tiers.cold += tiers.cold;
    totals.pinned_frames += cache->pinned_count();
    totals.spare_frames += cache->spares();
  }
  return totals;
}

/// Spare frames are ours, not the callers'.
PagesInUse BufferPool::pages_in_use() noexcept {
  const LockGuard guard(lock_);
  PagesInUse pages{.bytes = used_bytes_ + unevictable_bytes_,
                   .frames = used_frames_ + unevictable_frames_,
                   .peak_bytes = peak_bytes_,
                   .peak_frames = peak_frames_};
  for (const PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    const std::uint64_t spares = cache->spares();
    pages.frames -= spares;
    pages.bytes -= spares * store_.kind(cache->kind_).frame_bytes();
  }
  return pages;
}

void BufferPool::reset_peaks() noexcept {
  const LockGuard guard(lock_);
  peak_bytes_ = used_bytes_ + unevictable_bytes_;
  peak_frames_ = used_frames_ + unevictable_frames_;
}

std::uint64_t BufferPool::evictable_frames() noexcept {
  const PoolTotals now = totals();
  const std::uint64_t busy = now.pinned_frames + now.spare_frames;
  return now.used_frames > busy ? now.used_frames - busy : 0;
}

std::vector<CacheTotals> BufferPool::caches() {
  std::vector<CacheTotals> rows;
  rows.reserve(totals().caches + 8);  // Not under the lock: memory may come from our own heap.
  const LockGuard guard(lock_);
  for (const PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    if (rows.size() == rows.capacity()) break;
    const FrameKind& kind = store_.kind(cache->kind_);
    rows.push_back({.id = cache->id_,
                    .cache = cache,
                    .is_purgeable = cache->is_purgeable_,
                    .page_bytes = kind.page_bytes,
                    .weight_pages = cache->weight_pages_,
                    .frames = cache->frames_,
                    .pinned_frames = cache->pinned_count(),
                    .floor_frames = cache->floor_frames_,
                    .frame_bytes = kind.frame_bytes(),
                    .hits = cache->hits_,
                    .pinned_hits = cache->pinned_hits_,
                    .misses = cache->misses_,
                    .evictions = cache->evictions_,
                    .refusals = cache->refusals_,
                    .used_at_ns = cache->used_at_ns_});
  }
  std::ranges::sort(rows, {}, &CacheTotals::id);
  return rows;
}

FillMap BufferPool::fill_map(std::size_t most_cells) {
  std::uint64_t span_bytes = 0;
  {
    const LockGuard guard(lock_);
    span_bytes = store_.span_bytes();
  }
  FillMap map(span_bytes, extent_bytes, most_cells);
  const LockGuard guard(lock_);
  store_.add_to(map);
  return map;
}

std::vector<PageInfo> BufferPool::pages() {
  std::vector<PageInfo> rows;
  const PoolTotals now = totals();
  rows.reserve(now.used_frames + now.unevictable_frames + 1024);
  const LockGuard guard(lock_);
  for (FrameIndex index = 0; index < store_.frame_limit(); ++index) {
    const Frame* frame = store_.frame_in_use(index);
    if (frame == nullptr || rows.size() == rows.capacity()) continue;
    const PageCache& cache = cache_of(*frame);
    // A spare has no page. An owner may be about to make one, which begins as a warm one.
    if (frame->page_number() == 0) continue;
    const Tier tier = cache.policy_.tier(frame->record);
    rows.push_back({.cache_id = cache.id_,
                    .page_number = frame->page_number(),
                    .tier = tier == Tier::none && cache.is_purgeable_ ? Tier::warm : tier,
                    .is_pinned = frame->is_pinned(),
                    .references = cache.policy_.references(frame->record)});
  }
  return rows;
}

std::uint64_t BufferPool::mapped_resident_bytes() noexcept {
  constexpr std::uint32_t at_a_time = 64;  // Some 20 us.
  std::uint64_t bytes = 0;
  for (std::uint32_t first = 0;; first += at_a_time) {
    const LockGuard guard(lock_);
    if (first >= store_.extents()) return bytes;
    bytes += store_.mapped_resident_bytes(first, at_a_time);
  }
}

// The OS takes milliseconds for a large pool, so it is asked without the lock: areas are not
// unmapped. Extents of their own are.
PoolResidentBytes BufferPool::resident() noexcept {
  const auto used_of = [](const Area& area) noexcept {
    return static_cast<std::size_t>(area.frontier() - area.begin());
  };
  const auto resident_of = [this](const Area& area, std::size_t bytes) noexcept {
    return bytes == 0 ? 0 : settings_.pages->resident_bytes(area.begin(), bytes);
  };
  std::size_t extents = 0, tables = 0, slots = 0;
  {
    const LockGuard guard(lock_);
    extents = used_of(*settings_.extents);
    tables = used_of(*settings_.tables);
    slots = used_of(*settings_.slots);
  }
  return {.pages = resident_of(*settings_.extents, extents) + mapped_resident_bytes(),
          .tables = resident_of(*settings_.tables, tables) + resident_of(*settings_.slots, slots)};
}

void BufferPool::reset_statistics() noexcept {
  const LockGuard guard(lock_);
  past_ = {};
  for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    // An owner that counts at this moment may undo it for its cache.
    for (auto* counter : {&cache->hits_, &cache->pinned_hits_, &cache->misses_, &cache->refusals_,
                          &cache->evictions_, &cache->ghost_hits_}) {
      counter->store(0, std::memory_order_relaxed);
    }
  }
  past_references_ = {};
  adviser_.forget_counts(references_so_far());
}

std::optional<Violation> BufferPool::find_violation_in(PageCache& cache) noexcept {
  const auto where = reinterpret_cast<std::uintptr_t>(&cache);
  if (const auto broken = cache.policy_.find_violation()) return broken;
  if (cache.locator_ != PageLocator(store_.kind(cache.kind_)))
    return Violation{"a cache knows where its pages' data lies", cache.kind_, 0, where};
  std::uint32_t frames = 0, pinned = 0;
  for (std::uint32_t bucket = 0; bucket <= cache.mask_; ++bucket) {
    for (const Frame* frame = cache.buckets_[bucket]; frame != nullptr; frame = frame->next) {
      const FrameIndex index = store_.index_of(*frame);
      if (&cache_of(*frame) != &cache)
        return Violation{"a page in a table is that cache's", cache.id_, index, where};
      if ((frame->page_number() & cache.mask_) != bucket)
        return Violation{"a page is in its bucket", bucket, frame->page_number(), where};
      if (frame->page_number() > cache.max_key_)
        return Violation{"no page is beyond the greatest", cache.max_key_, frame->page_number(),
                         where};
      if (store_.frame_in_use(index) != frame)
        return Violation{"a page in a table is in use", 1, index, where};
      if (cache.is_purgeable_ != (cache.policy_.tier(frame->record) != Tier::none))
        return Violation{"the policy knows the pages that may go", cache.is_purgeable_, index,
                         where};
      pinned += frame->is_pinned();
      if (++frames > cache.page_count())
        return Violation{"a cache's pages are counted", cache.page_count(), frames, where};
    }
  }
  if (frames != cache.page_count())
    return Violation{"a cache's pages are counted", cache.page_count(), frames, where};
  if (pinned != cache.pinned_)
    return Violation{"a cache's pinned pages are counted", cache.pinned_, pinned, where};
  const TierCounts tiers = cache.policy_.counts();
  if (cache.is_purgeable_ && tiers.warm + tiers.hot != frames)
    return Violation{"the policy knows no other pages", frames, tiers.warm + tiers.hot, where};
  return std::nullopt;
}

std::optional<Violation> BufferPool::find_violation() noexcept {
  const LockGuard guard(lock_);
  if (auto broken = store_.find_violation()) return broken;
  if (used_frames_ + unevictable_frames_ != store_.frames_in_use())
    return Violation{"frames in use are evictable or not", store_.frames_in_use(),
                     used_frames_ + unevictable_frames_, 0};
  std::optional<Violation> found;
  std::uint64_t frames = 0;
  bool is_any_busy = false;
  for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) cache->lock_.announce();
  const bool is_fenced = ProcessBarrier::impose();
  for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    if (!is_fenced || !cache->lock_.is_entered()) {
      is_any_busy = true;
    } else if (!found) {
      found = find_violation_in(*cache);
      frames += cache->page_count() + cache->spares();
    }
    cache->lock_.withdraw();
  }
  if (!found && !is_any_busy && frames != store_.frames_in_use())
    return Violation{"each frame in use is a cache's", store_.frames_in_use(), frames, 0};
  return found;
}

}  // namespace sqlitemem
