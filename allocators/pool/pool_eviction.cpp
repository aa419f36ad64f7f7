// Evictions: choosing victims, entering other connections' caches, budgets and floors.
#include <algorithm>
#include <array>

#include "allocators/pool/buffer_pool.h"
#include "allocators/pool/page_cache.h"

namespace sqlitemem {
namespace {

/// pcache1's own minimum per cache.
constexpr std::uint64_t min_floor_frames = 10;
/// A cache without a reference while the pool's content was replaced as many times is idle.
constexpr std::uint32_t idle_looks = 8;
/// Rounds of evictions in which a cache takes its own pages only, because the others are in use.
constexpr std::uint32_t longest_pause = 31;

}  // namespace

/// What follows from the budget and from who is there: the policy's capacity, and floors.
void BufferPool::plan() noexcept {
  std::uint64_t wanted = 0, weights = 0;
  for (const PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    if (!cache->is_purgeable_) continue;
    const std::uint64_t pages = cache->weight_pages_.load(std::memory_order_relaxed);
    wanted += pages * store_.kind(cache->kind_).frame_bytes();
    weights += pages;
  }
  budget_bytes_ = follows_caches_ ? std::max(base_budget_, wanted) : base_budget_;
  const std::uint64_t mean =
      used_frames_ == 0 ? page_bytes + sizeof(Frame) + 256 : used_bytes_ / used_frames_;
  const auto extent_area =
      static_cast<std::uint64_t>(settings_.extents->end() - settings_.extents->begin());
  const std::uint64_t max_frames = (extent_area / extent_bytes) << extent_frames_shift;
  capacity_frames_ = std::clamp<std::uint64_t>(budget_bytes_ / mean, 1, max_frames);
  // The policy's queues follow roughly; not every small cache that comes and goes moves them.
  const std::uint64_t known = policy_.capacity();
  if (known * 20 < capacity_frames_ * 19 || known * 19 > capacity_frames_ * 20)
    policy_.resize(static_cast<std::uint32_t>(capacity_frames_));
  adviser_follows_budget();
  for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    if (!cache->is_purgeable_ || purgeable_caches_ == 0) continue;
    const std::uint64_t floor = floor_of(*cache, weights);
    cache->floor_frames_.store(static_cast<std::uint32_t>(floor), std::memory_order_relaxed);
  }
}

/// `weights`: of all evictable caches.
std::uint64_t BufferPool::floor_of(const PageCache& cache, std::uint64_t weights) noexcept {
  const std::uint64_t weight = cache.weight_pages_.load(std::memory_order_relaxed);
  const bool is_idle = cache.idle_looks_ >= idle_looks;
  const std::uint64_t share = weights == 0 || is_idle ? 0 : capacity_frames_ * weight / weights;
  const std::uint64_t most = capacity_frames_ / (2 * std::uint64_t{purgeable_caches_});
  return std::max(share * floor_percent / 100, std::min(min_floor_frames, most));
}

/// Each time that the pool has evicted as many pages as it holds. A cache that was not used since
/// the one before the last look is idle: what it would not miss is no longer kept from others.
void BufferPool::look_for_idle_caches() noexcept {
  evictions_to_idle_look_ = capacity_frames_;
  for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    const std::uint64_t references = cache->references();
    const bool was_idle = cache->idle_looks_ >= idle_looks;
    cache->idle_looks_ =
        references == cache->references_seen_ ? std::min(cache->idle_looks_ + 1, idle_looks) : 0;
    cache->references_seen_ = references;
    if (was_idle != (cache->idle_looks_ >= idle_looks))
      plan_is_old_.store(true, std::memory_order_relaxed);
  }
}

/// Its first miss after the look: it is used again.
void BufferPool::wake(PageCache& cache) noexcept {
  if (cache.idle_looks_ >= idle_looks) plan_is_old_.store(true, std::memory_order_relaxed);
  cache.idle_looks_ = 0;
}

void BufferPool::plan_if_old() noexcept {
  if (!plan_is_old_.exchange(false, std::memory_order_relaxed)) return;
  plan();
  update_over_budget();
}

/// Enters the lock of every foreign cache that has a victim; one barrier for all of them. false:
/// none of them is entered.
bool BufferPool::announce_foreign(PageCache* own, std::span<Frame* const> victims) noexcept {
  for (const Frame* frame : victims) {
    PageCache* cache = frame->cache.load(std::memory_order_relaxed);
    if (cache == own || cache->is_announced_) continue;
    cache->lock_.announce();
    cache->is_announced_ = true;
  }
  ++past_.barriers;
  return ProcessBarrier::impose();
}

/// The frame becomes a spare one of `own`, or free. Its page is out of the table of `cache`.
inline void BufferPool::reuse(PageCache* own, PageCache& cache, Frame& frame) noexcept {
  frame.is_admitted = 0;
  const bool fits = own != nullptr && own->is_purgeable_ && own->kind_ == frame.kind &&
                    own->spares() < own->batch_ && used_bytes_ <= budget_bytes_;
  if (!fits) return give_back(cache, frame);
  frame.cache.store(own, std::memory_order_relaxed);
  own->push_spare(frame);
}

/// Pages of other caches; those of caches that are in use return to the policy.
std::uint32_t BufferPool::evict_foreign(PageCache* own, std::span<Frame* const> victims) noexcept {
  const bool is_fenced = announce_foreign(own, victims);
  std::uint32_t evicted = 0, entered_count = 0;
  std::array<PageCache*, max_victims> entered;
  for (Frame* victim : victims) {
    Frame& frame = *victim;
    PageCache& cache = *frame.cache.load(std::memory_order_relaxed);
    if (&cache == own) continue;
    if (cache.is_announced_) {
      cache.is_announced_ = false;
      entered[entered_count++] = &cache;
      if (!is_fenced || !cache.lock_.is_entered()) {
        cache.skip_round_ = round_;
        met_busy_cache_ = passed_busy_cache_ = true;
      }
    }
    if (cache.skip_round_ == round_ || frame.is_pinned()) {
      policy_.take_back(frame.index);
      continue;
    }
    cache.unlink(frame);
    cache.add_frames(-1);
    cache.count_evictions(1);
    reuse(own, cache, frame);
    ++evicted;
  }
  for (std::uint32_t i = 0; i < entered_count; ++i) entered[i]->lock_.withdraw();
  past_.foreign_evictions += evicted;
  return evicted;
}

/// Those of the victims that are the cache's own. Nobody has pinned one since the policy asked: the
/// cache's lock is entered.
void BufferPool::evict_own(PageCache& own, std::span<Frame* const> victims) noexcept {
  std::uint32_t evicted = 0, spares = own.spares();
  const std::uint32_t most = own.is_purgeable_ ? own.batch_ : 0;
  for (Frame* frame : victims) {
    // What came from other caches just now is not admitted any more.
    if (frame->cache.load(std::memory_order_relaxed) != &own || frame->is_admitted == 0) continue;
    own.unlink(*frame);
    frame->is_admitted = 0;
    ++evicted;
    if (frame->kind == own.kind_ && spares < most && used_bytes_ <= budget_bytes_) {
      frame->key.store(0, std::memory_order_relaxed);
      own.spare_[spares++] = frame;
    } else {
      give_back(own, *frame);
    }
  }
  own.spare_count_.store(spares, std::memory_order_relaxed);
  own.add_frames(-static_cast<std::int32_t>(evicted));
  own.count_evictions(evicted);
}

std::uint32_t BufferPool::evict_batch(PageCache* own,
                                      std::span<const FrameIndex> victims) noexcept {
  std::array<Frame*, max_victims> frames;
  std::size_t foreign = 0;
  for (std::size_t i = 0; i < victims.size(); ++i) {
    frames[i] = store_.frame(victims[i]);
    // The batch waits for memory once, not once for each of its pages.
    if (frames[i]->cache.load(std::memory_order_relaxed) == own)
      own->prefetch_bucket(*frames[i]);
    else
      ++foreign;
  }
  const std::span all(frames.data(), victims.size());
  std::uint32_t evicted = foreign == 0 ? 0 : evict_foreign(own, all);
  if (foreign < victims.size()) {
    evict_own(*own, all);
    evicted += static_cast<std::uint32_t>(victims.size() - foreign);
  }
  past_.evictions += evicted;
  evictions_to_idle_look_ -= std::min<std::uint64_t>(evictions_to_idle_look_, evicted);
  return evicted;
}

/// Whether another cache may take one more page from this one. What it took before in the same
/// choice is still counted as the cache's, so it is remembered here.
inline bool BufferPool::offers(PageCache& cache) noexcept {
  if (cache.offered_in_ != choice_) {
    cache.offered_in_ = choice_;
    cache.offered_ = 0;
  }
  const std::uint32_t floor = cache.floor_frames_.load(std::memory_order_relaxed);
  if (cache.page_count() <= floor + cache.offered_) return false;
  ++cache.offered_;
  return true;
}

/// Chooses at most `most` pages and evicts what can be evicted of them.
std::uint32_t BufferPool::evict_round(PageCache* own, std::uint32_t most, Floors floors,
                                      OwnPages own_pages) noexcept {
  const auto is_evictable = [&](FrameIndex index) SQLITEMEM_NO_THREAD_SAFETY {
    const Frame& frame = *store_.frame(index);
    if (frame.is_pinned()) return false;
    PageCache* cache = frame.cache.load(std::memory_order_relaxed);
    // Where another cache is in use, its own pages are what is at hand. A batch that begins above
    // the floor may be its own to the end: they are older than what others find of it.
    if (cache == own) {
      return own_pages != OwnPages::above_floor || met_busy_cache_ ||
             own->page_count() > own->floor_frames_.load(std::memory_order_relaxed);
    }
    if (own_pages == OwnPages::only || cache->skip_round_ == round_) return false;
    return floors == Floors::ignore || offers(*cache);
  };
  std::array<FrameIndex, max_victims> victims;
  for (int attempt = 0; attempt < 8; ++attempt) {
    ++choice_;
    const std::uint32_t chosen =
        policy_.choose_victims(is_evictable, std::span(victims).first(std::min(most, max_victims)));
    if (chosen == 0) return 0;
    if (const std::uint32_t evicted = evict_batch(own, std::span(victims).first(chosen)))
      return evicted;
  }
  return 0;
}

/// The cache's own floor holds against itself, too, give or take a batch: at its floor, it takes
/// pages of those above theirs, else it would pay with its own for every batch. Where that finds
/// nothing (the rest is pinned, say), it looked at every page, and is not tried again soon.
std::uint32_t BufferPool::evict_above_floors(PageCache* own, std::uint32_t most,
                                             Floors floors) noexcept {
  if (own == nullptr || floors == Floors::ignore || purgeable_caches_ == 1)
    return evict_round(own, most, floors, OwnPages::any);
  if (own->rounds_below_floor_ > 0) {
    --own->rounds_below_floor_;
    return evict_round(own, most, floors, OwnPages::any);
  }
  if (const std::uint32_t evicted = evict_round(own, most, floors, OwnPages::above_floor))
    return evicted;
  own->rounds_below_floor_ = static_cast<std::uint32_t>(used_frames_ / 8);
  return evict_round(own, most, floors, OwnPages::any);
}

std::uint32_t BufferPool::evict_some(PageCache* own, std::uint32_t wanted, Floors floors) noexcept {
  ++round_;
  met_busy_cache_ = false;
  if (evictions_to_idle_look_ == 0) [[unlikely]]
    look_for_idle_caches();
  // Below its floor it has a right to other caches' pages.
  if (own != nullptr && own->rounds_alone_ > 0 &&
      own->page_count() > own->floor_frames_.load(std::memory_order_relaxed)) {
    --own->rounds_alone_;
    if (const std::uint32_t evicted = evict_round(own, wanted, floors, OwnPages::only))
      return evicted;
    own->rounds_alone_ = 0;  // It looked at every page; not again at once.
  }
  // A barrier costs a microsecond, so a visit to other caches takes more than is needed now.
  const std::uint64_t generous = std::min<std::uint64_t>(max_victims, capacity_frames_ / 64);
  const bool is_alone = own != nullptr && purgeable_caches_ == 1;
  const std::uint32_t most =
      is_alone ? wanted : std::max(wanted, static_cast<std::uint32_t>(generous));
  const std::uint64_t foreign_before = past_.foreign_evictions;
  const std::uint32_t evicted = evict_above_floors(own, most, floors);
  // Where the others are busy themselves, knocking at their doors costs both sides more than it
  // brings: each time in vain doubles the rounds without.
  if (own != nullptr) {
    const bool is_in_vain = met_busy_cache_ && past_.foreign_evictions == foreign_before;
    own->pause_ = is_in_vain ? std::min(2 * own->pause_ + 1, longest_pause) : 0;
    own->rounds_alone_ = own->pause_;
  }
  return evicted;
}

template <class Use>
void BufferPool::for_each_idle(PageCache* own, Use use) noexcept {
  bool is_any = false;
  for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    if (cache == own) continue;
    cache->lock_.announce();
    is_any = true;
  }
  const bool is_fenced = is_any && ProcessBarrier::impose();
  for (PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    if (cache == own) continue;
    if (is_fenced && cache->lock_.is_entered()) {
      use(*cache);
    } else {
      passed_busy_cache_ = true;
    }
    cache->lock_.withdraw();
  }
}

void BufferPool::drain_idle_caches(PageCache* own) noexcept {
  for_each_idle(own, [this](PageCache& cache) SQLITEMEM_NO_THREAD_SAFETY {
    tell_policy(cache);
    return_spares(cache);
  });
}

std::uint64_t BufferPool::evict(std::uint64_t frames) noexcept {
  const LockGuard guard(lock_);
  plan_if_old();
  drain_idle_caches(nullptr);
  const std::uint64_t before = store_.held_bytes();
  while (frames > 0) {
    const auto wanted = static_cast<std::uint32_t>(std::min<std::uint64_t>(frames, max_victims));
    const std::uint32_t evicted = evict_some(nullptr, wanted, Floors::ignore);
    if (evicted == 0) break;
    frames -= std::min<std::uint64_t>(frames, evicted);
  }
  store_.trim();
  update_over_budget();
  return before - store_.held_bytes();
}

std::uint64_t BufferPool::trim() noexcept {
  const LockGuard guard(lock_);
  drain_idle_caches(nullptr);
  return store_.trim();
}

// Two limits may be meant: memory_limit counts what is held, SQLite's limits what is in use, where
// free frames give nothing. Pages smaller than the operating system's give nothing back before all
// of their extent is free, so each turn evicts more.
std::uint64_t BufferPool::release_bytes(std::uint64_t bytes) noexcept {
  const std::uint64_t in_use = live_bytes_.load(std::memory_order_relaxed);
  const auto no_longer_used = [&] {
    const std::uint64_t now = live_bytes_.load(std::memory_order_relaxed);
    return now < in_use ? in_use - now : 0;
  };
  std::uint64_t released = trim();
  for (std::uint64_t wanted = bytes; std::min(released, no_longer_used()) < bytes; wanted *= 2) {
    std::uint64_t mean = page_bytes, before = 0;
    {
      const LockGuard guard(lock_);
      if (used_frames_ != 0) mean = used_bytes_ / used_frames_;
      before = past_.evictions;
    }
    released += evict(wanted / mean + 1);
    const LockGuard guard(lock_);
    if (past_.evictions == before) break;
  }
  return std::max(released, no_longer_used());
}

void BufferPool::set_budget(std::uint64_t bytes, bool at_least_what_caches_want) noexcept {
  const LockGuard guard(lock_);
  base_budget_ = bytes;
  follows_caches_ = at_least_what_caches_want;
  plan_is_old_.store(false, std::memory_order_relaxed);
  plan();
  if (used_bytes_ > budget_bytes_) drain_idle_caches(nullptr);
  bool is_any = false;
  while (used_bytes_ > budget_bytes_ && evict_some(nullptr, max_victims, Floors::ignore) != 0)
    is_any = true;
  if (is_any) store_.trim();
  update_over_budget();
}

}  // namespace sqlitemem
