// The pool's ordinary work: caches come and go, frames are handed out within the budget.
#include "allocators/pool/buffer_pool.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <new>

#include "allocators/base/clock.h"
#include "allocators/pool/page_cache.h"

namespace sqlitemem {
namespace {

/// How often a page that memory was refused for is asked for again, while caches that hold clean
/// pages are in use by other threads. With the pauses below some two seconds: an owner inside its
/// cache is there for microseconds, or for as long as it is not scheduled.
constexpr int max_attempts = 2000;
constexpr int quick_attempts = 50;

void wait_a_moment(int attempt) noexcept {
  if (attempt <= quick_attempts) {
    ::sched_yield();
    return;
  }
  constexpr timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
  ::nanosleep(&pause, nullptr);
}

}  // namespace

std::size_t BufferPool::bytes_of_tables(PolicyKind policy, std::size_t extents) noexcept {
  return round_up(FrameStore::descriptor_bytes(extents), page_bytes) +
         PoolAdviser::bytes_needed(policy);
}

bool BufferPool::start(const Settings& settings, PolicyKind policy) noexcept {
  const LockGuard guard(lock_);
  ProcessBarrier::start();
  const auto extent_area =
      static_cast<std::size_t>(settings.extents->end() - settings.extents->begin());
  const std::size_t extents = std::max(extent_area / extent_bytes, settings.extent_limit);
  const std::size_t store_bytes = round_up(FrameStore::descriptor_bytes(extents), page_bytes);
  std::byte* tables = settings.tables->extend(bytes_of_tables(policy, extents));
  if (tables == nullptr) return false;
  settings_ = settings;
  policy_kind_ = policy;
  store_.start(*settings.extents, extents, *settings.pages, *settings.budget, tables);
  adviser_.start(policy, tables + store_bytes, *settings.pages);
  slots_begin_ = reinterpret_cast<std::uintptr_t>(settings.slots->begin());
  slots_bytes_ = static_cast<std::uintptr_t>(settings.slots->end() - settings.slots->begin());
  return true;
}

PageCache* BufferPool::new_slot() noexcept {
  if (free_slots_ == nullptr) {
    std::byte* page = settings_.slots->extend(page_bytes);
    if (page == nullptr) return nullptr;
    for (std::size_t i = 0; i + sizeof(PageCache) <= page_bytes; i += sizeof(PageCache)) {
      auto* slot = new (page + i) PageCache;
      slot->next_ = free_slots_;
      free_slots_ = slot;
    }
  }
  PageCache* slot = free_slots_;
  free_slots_ = slot->next_;
  return slot;
}

PageCache* BufferPool::create(std::size_t page, std::size_t extra, bool is_purgeable) noexcept {
  const LockGuard guard(lock_);
  const auto kind = store_.kind_of(page, extra);
  PageCache* cache = kind ? new_slot() : nullptr;
  if (cache == nullptr) return nullptr;
  cache->pool_ = this;
  cache->is_purgeable_ = is_purgeable;
  cache->reset_table();
  cache->kind_ = *kind;
  cache->locator_ = PageLocator(store_.kind(*kind));
  cache->policy_.start(policy_kind_, PolicyMemory(), 0);
  cache->is_mark_ = cache->policy_.reference_is_a_mark();
  const std::uintptr_t offset = reinterpret_cast<std::uintptr_t>(cache) - slots_begin_;
  cache->slot_ = static_cast<std::uint32_t>(offset / slot_unit + 1);
  cache->id_ = next_id_++;
  cache->begin_generation();
  cache->recent_ = {};
  cache->max_key_ = cache->last_unpinned_ = 0;
  cache->refusals_left_ = 0;
  cache->batch_ = 1;
  cache->turns_left_ = 0;
  cache->rounds_paid_ = cache->rounds_alone_ = cache->pause_ = 0;
  cache->idle_looks_ = 0;
  cache->references_seen_ = cache->misses_seen_ = cache->evictions_seen_ = 0;
  cache->weight_pages_.store(100, std::memory_order_relaxed);
  cache->used_at_ns_.store(coarse_clock_ns(), std::memory_order_relaxed);
  for (auto* counter : {&cache->hits_, &cache->pinned_hits_, &cache->misses_, &cache->refusals_,
                        &cache->evictions_, &cache->ghost_hits_}) {
    counter->store(0, std::memory_order_relaxed);
  }
  cache->floor_frames_.store(0, std::memory_order_relaxed);
  cache->first_page_at_ns_.store(0, std::memory_order_relaxed);
  cache->first_page_thread_.store(0, std::memory_order_relaxed);
  cache->previous_ = nullptr;
  cache->next_ = open_;
  if (open_ != nullptr) open_->previous_ = cache;
  open_ = cache;
  ++open_caches_;
  if (is_purgeable) ++purgeable_caches_, weight_changed();
  return cache;
}

std::uint64_t BufferPool::id_of(const PageCache& cache) noexcept { return cache.id_; }

void BufferPool::destroy(PageCache& cache) noexcept {
  cache.lock_.enter();
  Frame* list = cache.page_count() == 0 ? nullptr : cache.take_out_all();
  drop(cache, list, KeyMemory::forget, false);
  cache.reset_table();
  const LockGuard guard(lock_);
  past_.hits += cache.hits_;
  past_.pinned_hits += cache.pinned_hits_;
  past_.misses += cache.misses_;
  past_.refusals += cache.refusals_;
  past_.evictions += cache.evictions_;
  past_.ghost_hits += cache.ghost_hits_;
  if (cache.is_purgeable_) past_references_.add(cache.hits_, cache.misses_);
  if (compared_next_ == &cache) compared_next_ = cache.next_;
  (cache.previous_ != nullptr ? cache.previous_->next_ : open_) = cache.next_;
  if (cache.next_ != nullptr) cache.next_->previous_ = cache.previous_;
  --open_caches_;
  if (cache.is_purgeable_) --purgeable_caches_, weight_changed();
  cache.next_ = free_slots_;
  free_slots_ = &cache;
  cache.lock_.leave();
}

void BufferPool::account(PageCache& cache) noexcept {
  if (!cache.is_purgeable_) return;
  // Counters begin anew when the statistics are reset, perhaps while their owner counts on.
  const auto since = [](std::uint64_t now, std::uint64_t& seen) noexcept {
    const std::uint64_t more = now >= seen ? now - seen : now;
    seen = now;
    return std::min<std::uint64_t>(more, 2 * (most_turns << most_doublings));
  };
  const std::uint64_t made = since(cache.misses_, cache.misses_seen_);
  const std::uint64_t evicted = since(cache.evictions_, cache.evictions_seen_);
  evictions_to_idle_look_ -= std::min(evictions_to_idle_look_, evicted);
  pages_made_ += made;
  pages_since_ += made;
  if (pages_since_ >= unit_pages_) {
    const auto units = static_cast<std::uint32_t>(pages_since_ / unit_pages_);
    time_.store(time() + units, std::memory_order_relaxed);
    pages_since_ %= unit_pages_;
  }
  if (pages_made_ >= advice_due_at_) [[unlikely]]
    advice_is_due();
}

void BufferPool::count_frames(const PageCache& cache, KindIndex kind, std::int64_t by) noexcept {
  const auto bytes = static_cast<std::uint64_t>(by) * store_.kind(kind).frame_bytes();
  (cache.is_purgeable_ ? used_bytes_ : unevictable_bytes_) += bytes;
  (cache.is_purgeable_ ? used_frames_ : unevictable_frames_) += static_cast<std::uint64_t>(by);
  live_bytes_.store(used_bytes_ + unevictable_bytes_, std::memory_order_relaxed);
  peak_bytes_ = std::max(peak_bytes_, used_bytes_ + unevictable_bytes_);
  peak_frames_ = std::max(peak_frames_, used_frames_ + unevictable_frames_);
}

/// A frame returns to the store.
void BufferPool::give_back(PageCache& cache, Frame& frame) noexcept {
  count_frames(cache, frame.kind, -1);
  store_.release(frame);
}

void BufferPool::return_spares(PageCache& cache) noexcept {
  while (cache.spares() != 0) give_back(cache, cache.pop_spare());
  cache.batch_ = 1;
}

/// Out of the table already.
void BufferPool::drop_one(PageCache& cache, Frame& frame, KeyMemory memory) noexcept {
  if (frame.is_pinned()) cache.add_pinned(-1);
  frame.set_pinned(false);
  cache.add_frames(-1);
  if (cache.is_purgeable_) cache.policy_.remove(frame.record, memory);
  give_back(cache, frame);
}

void BufferPool::drop(PageCache& cache, Frame* list, KeyMemory memory, bool trims) noexcept {
  if (cache.sampled_count_ != 0) cache.give_samples();
  const LockGuard guard(lock_);
  account(cache);
  while (list != nullptr) {
    Frame* frame = list;
    list = frame->next;
    drop_one(cache, *frame, memory);
  }
  return_spares(cache);
  if (trims) store_.trim();
  cache.used_at_ns_.store(coarse_clock_ns(), std::memory_order_relaxed);
  publish_age(cache);
  update_over_budget();
}

void BufferPool::discard(PageCache& cache, Frame& frame) noexcept {
  cache.unlink(frame);
  const LockGuard guard(lock_);
  drop_one(cache, frame, KeyMemory::forget);
  update_over_budget();
}

bool BufferPool::take_spare(PageCache& cache, GrowthRule growth) noexcept {
  Frame* frame =
      growth == GrowthRule::grow ? store_.allocate(cache.kind_) : store_.allocate_free(cache.kind_);
  if (frame == nullptr) return false;
  count_frames(cache, cache.kind_, 1);
  frame->owner.store(cache.slot_, std::memory_order_relaxed);
  cache.push_spare(*frame);
  return true;
}

/// As a last resort, a soft limit is passed.
bool BufferPool::take_spare(PageCache& cache) noexcept {
  return take_spare(cache, growth_ == GrowthRule::refuse ? growth_ : GrowthRule::grow);
}

void BufferPool::take_spares_in_budget(PageCache& cache, std::uint32_t wanted) noexcept {
  const std::uint64_t bytes = store_.kind(cache.kind_).frame_bytes();
  while (cache.spares() < wanted && used_bytes_ + bytes <= budget_bytes_) {
    if (!take_spare(cache, growth_)) return;
  }
}

/// The connection has so many pages that cannot go, most of them waiting to be written, that
/// writing one is better than taking yet another clean page from somebody.
bool BufferPool::is_dirty_pressure(const PageCache& cache) const noexcept {
  const std::uint64_t bytes = store_.kind(cache.kind_).frame_bytes();
  const std::uint64_t room =
      used_bytes_ < budget_bytes_ ? (budget_bytes_ - used_bytes_) / bytes : 0;
  // A writer that comes last, when others fill the budget, has a right to its share all the same.
  const std::uint64_t fair =
      cache.floor_frames_.load(std::memory_order_relaxed) * std::uint64_t{100} / floor_percent;
  const std::uint64_t share = std::max(cache.page_count() + room, fair);
  return cache.pinned_count() * std::uint64_t{10} >= share * 9;
}

/// When SQLite was refused a page it writes one, lets go of it, and asks again.
void BufferPool::ask_about_last_unpinned(PageCache& cache) noexcept {
  Frame* frame = cache.find(cache.last_unpinned_);
  if (frame != nullptr) cache.policy_.ask_again(frame->record);
}

/// createFlag 1: SQLite shall write a page instead of getting another. A search that found nothing
/// looked at every page; it is not repeated at once.
bool BufferPool::refuses(PageCache& cache) noexcept {
  if (is_dirty_pressure(cache)) return true;
  if (cache.refusals_left_ == 0 || !is_at_limit()) return false;
  --cache.refusals_left_;
  return true;
}

bool BufferPool::refill_unevictable(PageCache& cache, std::uint32_t wanted) noexcept {
  while (cache.spares() < wanted && take_spare(cache)) {
  }
  if (cache.spares() != 0) return true;
  drain_idle_caches(&cache);
  const std::uint64_t before = used_bytes_ + unevictable_bytes_;
  while (cache.spares() == 0 && evict_some(nullptr, wanted, Floors::ignore) != 0) {
    store_.trim();  // An evictable page's memory becomes one of ours.
    const bool is_growth =
        used_bytes_ + unevictable_bytes_ + store_.kind(cache.kind_).frame_bytes() > before;
    if (is_growth ? take_spare(cache) : take_spare(cache, GrowthRule::grow)) break;
  }
  return cache.spares() != 0;
}

/// Evicts until there is a spare frame. false: nobody has a page that may go.
bool BufferPool::make_room(PageCache& cache, std::uint32_t wanted, Floors floors) noexcept {
  const std::uint64_t bytes = store_.kind(cache.kind_).frame_bytes();
  const std::uint64_t before = used_bytes_;
  while (evict_some(&cache, wanted, floors) != 0) {
    if (cache.spares() != 0) return true;
    take_spares_in_budget(cache, 1);
    if (cache.spares() != 0) return true;
    if (used_bytes_ + bytes > budget_bytes_) continue;
    // The victims had another page size, and there is no more memory: theirs becomes ours.
    store_.trim();
    const bool is_growth = used_bytes_ + bytes > before;
    if ((growth_ == GrowthRule::grow || !is_growth) && take_spare(cache, GrowthRule::grow))
      return true;
  }
  return false;
}

bool BufferPool::refill_once(PageCache& cache, FetchMode mode) noexcept {
  passed_busy_cache_ = false;
  cache.turns_left_ = 0;
  account(cache);
  cache.used_at_ns_.store(coarse_clock_ns(), std::memory_order_relaxed);
  if (cache.idle_looks_ != 0) wake(cache);
  plan_if_old();
  // The more misses, the larger the batch: it saves locking, but spares are pages unused.
  const std::uint32_t wanted = cache.batch_;
  const std::uint32_t most = cache.is_purgeable_
                                 ? static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                       PageCache::max_batch, capacity_frames_ / 128))
                                 : PageCache::max_batch;
  cache.batch_ = std::max(1U, std::min({wanted * 2, most, cache.page_count() / 8 + 1}));
  if (!cache.is_purgeable_) return refill_unevictable(cache, wanted);
  if (mode == FetchMode::if_easy && refuses(cache)) return false;
  if (pages_before_search_ != 0 && is_at_limit()) {
    if (mode == FetchMode::if_easy) return false;
    --pages_before_search_;
    if (take_spare(cache)) return true;
  }
  take_spares_in_budget(cache, wanted);
  fit_policy(cache, cache.spares() == 0);
  publish_age(cache);
  if (cache.spares() != 0) return true;
  ask_about_last_unpinned(cache);
  if (make_room(cache, wanted, Floors::respect)) return true;
  if (mode == FetchMode::if_easy) {
    cache.refusals_left_ = cache.page_count() / 8;
    return false;
  }
  drain_idle_caches(&cache);
  take_spares_in_budget(cache, 1);
  if (cache.spares() != 0 || make_room(cache, wanted, Floors::ignore)) return true;
  const bool is_made = take_spare(cache);  // Beyond the budget: every page is pinned or in use.
  pages_before_search_ = met_busy_cache_ ? 0 : used_frames_ / 8;
  update_over_budget();
  return is_made;
}

GrowthRule BufferPool::growth_of(const PageCache& cache) const noexcept {
  if (settings_.growth == nullptr) return GrowthRule::grow;
  const GrowthRule growth = settings_.growth();
  if (growth != GrowthRule::reserve) return growth;
  return cache.page_count() < few_pages ? GrowthRule::recycle : GrowthRule::refuse;
}

bool BufferPool::refill(PageCache& cache, FetchMode mode) noexcept {
  std::size_t refused_bytes = 0;
  for (int attempt = 0;; ++attempt) {
    const GrowthRule growth = growth_of(cache);
    {
      const LockGuard guard(lock_);
      growth_ = growth;
      if (refill_once(cache, mode)) return true;
      if (mode == FetchMode::if_easy) return false;
      // A cache in use by another thread may hold the last clean pages; else nobody does.
      if (attempt == max_attempts || (attempt > 0 && !passed_busy_cache_)) {
        ++past_.failures;
        refused_bytes = store_.kind(cache.kind_).page_bytes;
        break;
      }
    }
    // Others may take our pages while we wait, so that two who wait for each other both go on.
    cache.lock_.leave();
    if (attempt == 0 && settings_.reclaim != nullptr) settings_.reclaim();
    if (attempt > 0) wait_a_moment(attempt);
    cache.lock_.enter();
  }
  if (settings_.refused != nullptr) settings_.refused(refused_bytes);
  return false;
}

// A few at a time, and not a search of all: each page above the budget is unpinned one day.
void BufferPool::come_back_to_budget(PageCache& cache, Frame& unpinned) noexcept {
  const LockGuard guard(lock_);
  account(cache);
  plan_if_old();
  if (used_bytes_ > budget_bytes_) {
    if (cache.is_purgeable_) cache.policy_.ask_again(unpinned.record);
    evict_some(&cache, 1, Floors::respect);
    return_spares(cache);
  }
  update_over_budget();
}

void BufferPool::update_over_budget() noexcept {
  const bool is_over = used_bytes_ > budget_bytes_;
  if (is_over != is_over_budget()) is_over_budget_.store(is_over, std::memory_order_relaxed);
  if (!is_at_limit()) pages_before_search_ = 0;
}

}  // namespace sqlitemem
