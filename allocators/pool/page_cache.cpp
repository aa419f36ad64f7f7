// What a page cache does beyond a hit: waiting, making, renaming and dropping pages, its table.
#include "allocators/pool/page_cache.h"

#include <algorithm>

#include "allocators/base/clock.h"
#include "allocators/base/thread_id.h"

namespace sqlitemem {

inline void PageCache::read_time() noexcept {
  policy_.set_time(static_cast<std::uint16_t>(pool_->time()));
}

/// A victim was used long ago: none of it is near the processor, and each step of evicting it would
/// wait for the one before.
inline void PageCache::prefetch_victim() const noexcept {
  FrameRecord* record = policy_.prefetch_victim();
  if (record == nullptr) return;
  Frame& frame = Frame::of(*record);
  __builtin_prefetch(&buckets_[frame.page_number() & mask_], 1);
  prefetch(frame);
}

inline Frame* PageCache::evict_one() noexcept {
  FrameRecord* victim = policy_.choose_victim(
      [](const FrameRecord& record) { return !Frame::of(record).is_pinned(); });
  if (victim == nullptr) return nullptr;
  Frame& frame = Frame::of(*victim);
  unlink(frame);
  count(evictions_);
  return &frame;
}

Frame* PageCache::take_victim() noexcept {
  read_time();
  return evict_one();
}

// Nothing that others see changes: the cache has as many frames as before. What limits how many it
// may have is the pool's matter, and so is whether SQLite shall write a page instead.
inline Frame* PageCache::recycle(FetchMode mode) noexcept {
  if (turns_left_ == 0 || pool_->is_over_budget()) return nullptr;
  if (pool_->time() - turns_from_ > longest_turns) return nullptr;
  if (mode == FetchMode::if_easy && pinned_count() * std::uint64_t{10} >= page_count() * 9ULL)
    return nullptr;
  --turns_left_;
  read_time();
  Frame* frame = evict_one();
  if (is_large()) prefetch_victim();
  return frame;
}

/// nullptr: there is no memory, or SQLite shall write a page instead.
Frame* PageCache::take_frame(FetchMode mode) noexcept {
  if (spares() == 0 && !pool_->refill(*this, mode)) {
    if (mode == FetchMode::if_easy) count(refusals_);
    return nullptr;
  }
  add_frames(1);
  return &pop_spare();
}

inline void PageCache::watch(Frame& frame, std::uint32_t key) noexcept {
  std::uint8_t bits = 0;
  if (is_purgeable_) {
    if (pool_->adviser().is_sampled(advice_hash(key))) bits |= Frame::Watch::sampled;
    if (!is_mark_) bits |= Frame::Watch::policy;
  }
  if (key == 1) bits |= Frame::Watch::first_page;
  frame.watched.store(bits, std::memory_order_relaxed);
}

// Content of a page that is new must not look initialised: SQLite tests the first word of its
// extra area.
inline void PageCache::make_page(Frame& frame, std::uint32_t key) noexcept {
  *static_cast<void**>(frame.extra) = nullptr;
  frame.set_page_number(key);
  frame.set_pinned(true);
  watch(frame, key);
  if (frame.is_sampled()) [[unlikely]]
    note_sampled(frame);
  if (key == 1) [[unlikely]]
    note_first_page();
  link(frame, key);
  add_pinned(1);
  count(misses_);
  max_key_ = std::max(max_key_, key);
  if (is_purgeable_) {
    read_time();
    if (policy_.admit(frame.record, std::uint64_t{key} << 32)) count(ghost_hits_);
  }
  if (page_count() > mask_ + 1) [[unlikely]]
    grow_table();
}

/// Of a cache that is so large that everything that it touches is far from the processor.
Frame* PageCache::fetch_far(std::uint32_t key, FetchMode mode) noexcept {
  if (const Frame* first = buckets_[key & mask_]; first != nullptr) [[likely]]
    prefetch(*first);
  return answer(find(key), key, mode);
}

Frame* PageCache::fetch_absent(std::uint32_t key, FetchMode mode) noexcept {
  policy_.prefetch(std::uint64_t{key} << 32);
  Frame* frame = recycle(mode);
  if (frame == nullptr) [[unlikely]]
    frame = take_frame(mode);
  if (frame != nullptr) [[likely]]
    make_page(*frame, key);
  lock_.leave();
  return frame;
}

void PageCache::note_first_page() noexcept {
  first_page_at_ns_.store(coarse_clock_ns(), std::memory_order_relaxed);
  first_page_thread_.store(current_thread_id(), std::memory_order_relaxed);
}

/// A page that the adviser samples, a first page, or a policy other than the default.
Frame* PageCache::reference_otherwise(Frame& frame) noexcept {
  if (frame.is_sampled()) note_sampled(frame);
  if (frame.page_number() == 1) note_first_page();
  if (is_purgeable_) {
    read_time();
    policy_.on_reference(frame.record);
  }
  lock_.leave();
  return &frame;
}

void PageCache::unpin_otherwise(Frame& frame, bool is_discarded) noexcept {
  if (is_discarded) {
    pool_->discard(*this, frame);
  } else {
    frame.set_pinned(false);
    add_pinned(-1);
    pool_->come_back_to_budget(*this, frame);
  }
  lock_.leave();
}

Frame* PageCache::wait_and_fetch(std::uint32_t key, FetchMode mode) noexcept {
  lock_.finish_entering();
  return fetch_entered(key, mode);
}

void PageCache::wait_and_unpin(Frame& frame, bool is_discarded) noexcept {
  lock_.finish_entering();
  unpin_entered(frame, is_discarded);
}

/// Buckets first, then the memory of the policy's ghosts, aligned.
std::size_t PageCache::table_bytes(std::uint32_t buckets) const noexcept {
  const std::size_t bytes = std::size_t{buckets} * sizeof(void*);
  return is_purgeable_ ? bytes + pool_->bytes_of_ghosts(buckets) + 64 : bytes;
}

/// Without memory for a larger table the chains grow instead.
void PageCache::grow_table() noexcept {
  const std::uint32_t old_buckets = mask_ + 1, new_buckets = old_buckets * 4;
  if (new_buckets < old_buckets) return;
  auto** table = static_cast<Frame**>(pool_->settings().allocate(table_bytes(new_buckets)));
  if (table == nullptr) return;
  Frame** old_table = buckets_;
  buckets_ = table;
  mask_ = new_buckets - 1;
  for (std::uint32_t bucket = 0; bucket < old_buckets; ++bucket) {
    for (Frame* frame = old_table[bucket]; frame != nullptr;) {
      Frame* next = frame->next;
      link(*frame, frame->page_number());
      frame = next;
    }
  }
  if (is_purgeable_) {
    auto* behind = reinterpret_cast<std::byte*>(table + new_buckets);
    const std::uintptr_t past_line = reinterpret_cast<std::uintptr_t>(behind) % 64;
    policy_.move_ghosts({.ghosts = past_line == 0 ? behind : behind + (64 - past_line),
                         .max_capacity = new_buckets});
  }
  if (old_table != first_table_.data())
    pool_->settings().release(old_table, table_bytes(old_buckets));
}

void PageCache::reset_table() noexcept {
  if (buckets_ != nullptr && buckets_ != first_table_.data())
    pool_->settings().release(buckets_, table_bytes(mask_ + 1));
  first_table_.fill(nullptr);
  buckets_ = first_table_.data();
  mask_ = first_buckets - 1;
}

template <class Predicate>
Frame* PageCache::take_out(std::uint32_t first, Predicate is_meant) noexcept {
  Frame* list = nullptr;
  // A few numbers are looked up; more than there are buckets are searched for.
  const std::uint32_t range = max_key_ - first, buckets = std::min(range, mask_) + 1;
  for (std::uint32_t step = 0; step < buckets; ++step) {
    Frame** place = &buckets_[(first + step) & mask_];
    while (Frame* frame = *place) {
      if (frame->page_number() >= first && is_meant(*frame)) {
        *place = frame->next;
        frame->next = list;
        list = frame;
      } else {
        place = &frame->next;
      }
    }
  }
  return list;
}

Frame* PageCache::take_out_all() noexcept {
  return take_out(0, [](const Frame&) { return true; });
}

void PageCache::truncate(std::uint32_t first) noexcept {
  lock_.enter();
  if (first <= 1) begin_generation();
  if (first <= max_key_ && page_count() != 0) {
    // Numbers from 0 or 1: another connection has changed the file, and pages will come back.
    const KeyMemory memory = first <= 1 ? KeyMemory::remember : KeyMemory::forget;
    Frame* list = take_out(first, [](const Frame&) { return true; });
    if (list != nullptr) pool_->drop(*this, list, memory, false);
    max_key_ = first == 0 ? 0 : first - 1;
  }
  lock_.leave();
}

void PageCache::shrink() noexcept {
  lock_.enter();
  if (is_purgeable_) {
    begin_generation();
    Frame* list = page_count() == 0
                      ? nullptr
                      : take_out(0, [](const Frame& frame) { return !frame.is_pinned(); });
    pool_->drop(*this, list, KeyMemory::remember, true);
  }
  lock_.leave();
}

void PageCache::rekey(Frame& frame, std::uint32_t key) noexcept {
  lock_.enter();
  if (Frame* other = find(key); other != nullptr && other != &frame) pool_->discard(*this, *other);
  unlink(frame);
  policy_.rekey(frame.record, std::uint64_t{key} << 32);  // Its name is the page number.
  link(frame, key);
  max_key_ = std::max(max_key_, key);
  watch(frame, key);
  lock_.leave();
}

bool PageCache::has_pinned(std::uint32_t key) noexcept {
  lock_.enter();
  const Frame* frame = find(key);
  const bool is_pinned = frame != nullptr && frame->is_pinned();
  lock_.leave();
  return is_pinned;
}

void PageCache::set_weight(std::uint32_t pages) noexcept {
  if (weight_pages_.load(std::memory_order_relaxed) == pages) return;
  weight_pages_.store(pages, std::memory_order_relaxed);
  pool_->weight_changed();
}

}  // namespace sqlitemem
