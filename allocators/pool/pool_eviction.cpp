// Evictions: choosing victims, entering other connections' caches, budgets and floors.
#include <algorithm>

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
/// The pool's time counts to so many while it replaces its content once.
constexpr std::uint64_t units_per_turnover = 256;

}  // namespace

/// What follows from the budget and from who is there: the capacity, and floors.
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
  const std::uint64_t max_frames = store_.extent_limit() << extent_frames_shift;
  capacity_frames_ = std::clamp<std::uint64_t>(budget_bytes_ / mean, 1, max_frames);
  unit_pages_ = std::max<std::uint64_t>(capacity_frames_ / units_per_turnover, 1);
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
  // Looked at first: a write takes the line from every connection, each time that it asks.
  if (!plan_is_old_.load(std::memory_order_relaxed)) return;
  if (!plan_is_old_.exchange(false, std::memory_order_relaxed)) return;
  plan();
  update_over_budget();
}

/// What the policy expects to hold. Ghosts of pages that were dropped stay while a cache fills
/// anew.
void BufferPool::fit_policy(PageCache& cache, bool is_full) noexcept {
  const std::uint32_t most = cache.policy_.max_capacity(), known = cache.policy_.capacity();
  const std::uint32_t pages = std::min(cache.page_count(), most);
  const std::uint32_t tolerance = known / (is_full ? 32 : 8);
  if (pages > known + tolerance) cache.policy_.resize(pages);
  if (is_full && pages + tolerance < known)
    cache.policy_.resize(std::max(pages, known - known / 8));
}

void BufferPool::publish_age(PageCache& cache) noexcept {
  cache.policy_.set_time(static_cast<std::uint16_t>(time()));
  const QueueAge age = cache.policy_.age();
  cache.oldest_at_ = time() - age.time;
  cache.age_percent_ = age.percent;
}

std::uint32_t BufferPool::age_of(const PageCache& cache) const noexcept {
  return (time() - cache.oldest_at_) * cache.age_percent_ / 100;
}

/// Whether other caches may take a page of this one, as far as its counters tell.
bool BufferPool::has_to_give(const PageCache& cache, Floors floors) const noexcept {
  if (!cache.is_purgeable_ || cache.skip_round_ == round_) return false;
  const std::uint32_t floor = cache.floor_frames_.load(std::memory_order_relaxed);
  const std::uint32_t kept = floors == Floors::respect ? floor : 0;
  return cache.page_count() > std::max(kept, cache.pinned_count());
}

BufferPool::Donor BufferPool::find_donor(const PageCache* own, std::uint32_t compared,
                                         Floors floors) noexcept {
  Donor donor;
  for (std::uint32_t left = std::min(compared, open_caches_); left > 0; --left) {
    if (compared_next_ == nullptr) compared_next_ = open_;
    PageCache* cache = compared_next_;
    compared_next_ = cache->next_;
    if (cache == own || !has_to_give(*cache, floors)) continue;
    const std::uint32_t age = age_of(*cache);
    if (donor.cache == nullptr || age > donor.age)
      donor = {.cache = cache, .age = age, .next_age = donor.age};
    else
      donor.next_age = std::max(donor.next_age, age);
  }
  return donor;
}

/// Not merely at its floor, where it was taken down to: what it took back then would be taken again
/// at once, and so on.
bool BufferPool::is_below_floor(const PageCache& cache, Floors floors) noexcept {
  const std::uint64_t floor = cache.floor_frames_.load(std::memory_order_relaxed);
  return floors == Floors::respect && cache.page_count() <= floor * 7 / 8;
}

/// Below its floor it takes pages of those above theirs, else it would pay with its own for every
/// batch. Above it, its own are at hand and those of others are not, so that theirs have to be
/// twice as old: connections of the same habits leave each other alone. Where the others were in
/// use, its own are what is left.
bool BufferPool::pays_itself(PageCache& own, const Donor& donor, Floors floors) noexcept {
  if (!has_to_give(own, Floors::ignore)) return false;
  if (donor.cache == nullptr || met_busy_cache_) return true;
  if (own.rounds_alone_ > 0) {
    --own.rounds_alone_;
    return true;
  }
  if (is_below_floor(own, floors)) return false;
  return 2 * std::uint64_t{age_of(own)} >= donor.age;
}

/// The frame becomes a spare one of `own`, or free. Its page is out of the table of `cache`.
inline void BufferPool::reuse(PageCache* own, PageCache& cache, Frame& frame) noexcept {
  cache.add_frames(-1);
  const bool fits = own != nullptr && own->is_purgeable_ && own->kind_ == frame.kind &&
                    own->spares() < own->batch_ && used_bytes_ <= budget_bytes_;
  if (!fits) return give_back(cache, frame);
  frame.owner.store(own->slot_, std::memory_order_relaxed);
  own->push_spare(frame);
}

std::uint32_t BufferPool::evict_own(PageCache& own) noexcept {
  Frame* victim = own.take_victim();
  if (victim == nullptr) return 0;
  reuse(&own, own, *victim);
  return 1;
}

/// Until it asks again who is to pay. `is_settled`: nobody else's pages were older than its own.
void BufferPool::grant_turns(PageCache& own, bool is_settled) noexcept {
  if (!is_settled) own.rounds_paid_ = 0;
  const bool is_alone = purgeable_caches_ == 1;
  const auto share = static_cast<std::uint32_t>(capacity_frames_ / 64);
  const std::uint32_t turns = std::min(most_turns, is_alone ? most_turns : share);
  const auto longest = std::max<std::uint64_t>(PageCache::longest_turns * unit_pages_, turns);
  own.turns_left_ = static_cast<std::uint32_t>(
      std::min<std::uint64_t>({turns << own.rounds_paid_, longest, own.page_count() / 4}));
  own.turns_from_ = time();
  if (is_settled && own.rounds_paid_ < most_doublings) ++own.rounds_paid_;
}

/// 0: its owner is inside, or none of its pages may go. A barrier costs a microsecond, so a visit
/// takes more than is needed now, as long as its pages are older than those of the others, which do
/// not include own ones that it is entitled to keep.
std::uint32_t BufferPool::evict_foreign(PageCache* own, const Donor& donor, std::uint32_t most,
                                        Floors floors) noexcept {
  PageCache& cache = *donor.cache;
  cache.lock_.announce();
  ++past_.barriers;
  std::uint32_t evicted = 0;
  if (!ProcessBarrier::impose() || !cache.lock_.is_entered()) {
    met_busy_cache_ = passed_busy_cache_ = true;
    most = 0;
  }
  const std::uint32_t own_age = own == nullptr || is_below_floor(*own, floors) ? 0 : age_of(*own);
  while (evicted < most && has_to_give(cache, floors)) {
    if (evicted != 0) {
      publish_age(cache);
      if (age_of(cache) < std::max(own_age, donor.next_age)) break;
    }
    Frame* victim = cache.take_victim();
    if (victim == nullptr) break;
    reuse(own, cache, *victim);
    ++evicted;
  }
  if (evicted != 0) publish_age(cache);
  cache.lock_.withdraw();
  past_.foreign_evictions += evicted;
  return evicted;
}

std::uint32_t BufferPool::evict_some(PageCache* own, std::uint32_t wanted, Floors floors) noexcept {
  ++round_;
  met_busy_cache_ = false;
  if (evictions_to_idle_look_ == 0) [[unlikely]]
    look_for_idle_caches();
  const bool is_alone = own != nullptr && purgeable_caches_ == 1;
  std::uint32_t compared = own == nullptr ? 4 * compared_caches : compared_caches;
  std::uint32_t evicted = 0;
  bool is_foreign = false;
  while (evicted == 0) {
    const Donor donor = is_alone ? Donor() : find_donor(own, compared, floors);
    if (own != nullptr && pays_itself(*own, donor, floors)) {
      evicted = evict_own(*own);
      if (evicted == 0) own->skip_round_ = round_;
    } else if (donor.cache != nullptr) {
      evicted = evict_foreign(own, donor, wanted, floors);
      is_foreign = evicted != 0;
      if (evicted == 0) donor.cache->skip_round_ = round_;
    } else if (compared < open_caches_) {
      compared = open_caches_;
    } else {
      break;
    }
  }
  // Where the others are busy themselves, knocking at their doors costs both sides more than it
  // brings: each time in vain doubles the rounds without.
  if (own != nullptr && is_foreign != met_busy_cache_) {
    own->pause_ = met_busy_cache_ ? std::min(2 * own->pause_ + 1, longest_pause) : 0;
    own->rounds_alone_ = own->pause_;
  }
  if (own != nullptr && is_foreign) own->rounds_paid_ = 0;
  if (own != nullptr && !is_foreign && evicted != 0) {
    const bool is_alone_by_force = met_busy_cache_ || own->rounds_alone_ != 0;
    grant_turns(*own, !is_alone_by_force && !is_below_floor(*own, floors));
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
  for_each_idle(own, [this](PageCache& cache) SQLITEMEM_NO_THREAD_SAFETY { return_spares(cache); });
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
  // Where extents are mapped one by one, address space is what is short. Held bytes may be, too.
  released += release_extents(bytes);
  for (std::uint64_t wanted = bytes; std::min(released, no_longer_used()) < bytes; wanted *= 2) {
    std::uint64_t mean = page_bytes, before = 0;
    {
      const LockGuard guard(lock_);
      if (used_frames_ != 0) mean = used_bytes_ / used_frames_;
      before = past_.foreign_evictions;
    }
    released += evict(wanted / mean + 1);
    const LockGuard guard(lock_);
    if (past_.foreign_evictions == before) break;
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
