// What a page cache does beyond a hit: waiting, making, renaming and dropping pages, its table.
#include "allocators/pool/page_cache.h"

#include <algorithm>

#include "allocators/base/clock.h"
#include "allocators/base/thread_id.h"

namespace sqlitemem {

// Content of a page that is new must not look initialised: SQLite tests the first word of its
// extra area.
Frame* PageCache::fetch_new(std::uint32_t key, FetchMode mode) noexcept {
  if (spares() == 0 && !pool_->refill(*this, mode)) {
    if (mode == FetchMode::if_easy) count(refusals_);
    return nullptr;
  }
  Frame* frame = &pop_spare();
  *static_cast<void**>(frame->extra) = nullptr;
  frame->key.store(key, std::memory_order_relaxed);
  frame->set_pinned(true);
  frame->is_admitted = 0;
  frame->set_watched(is_purgeable_ && pool_->adviser().is_sampled(advice_hash(key)), key == 1);
  if (frame->is_sampled()) note_sampled(*frame);
  if (key == 1) note_first_page();
  link(*frame);
  add_frames(1);
  add_pinned(1);
  count(misses_);
  max_key_ = std::max(max_key_, key);
  if (is_purgeable_) pending_[pending_count_++] = frame;
  if (page_count() > mask_ + 1) [[unlikely]]
    grow_table();
  return frame;
}

Frame* PageCache::fetch_absent(std::uint32_t key, FetchMode mode) noexcept {
  Frame* frame = fetch_new(key, mode);
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
  if (frame.is_admitted != 0) {
    if (pool_->reference_is_a_mark())
      pool_->mark_reference(frame);
    else
      pool_->defer_reference(*this, frame);
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

/// Without memory for a larger table the chains grow instead.
void PageCache::grow_table() noexcept {
  const std::uint32_t old_buckets = mask_ + 1, new_buckets = old_buckets * 4;
  if (new_buckets < old_buckets) return;
  auto** table =
      static_cast<Frame**>(pool_->settings().allocate(std::size_t{new_buckets} * sizeof(void*)));
  if (table == nullptr) return;
  Frame** old_table = buckets_;
  buckets_ = table;
  mask_ = new_buckets - 1;
  for (std::uint32_t bucket = 0; bucket < old_buckets; ++bucket) {
    for (Frame* frame = old_table[bucket]; frame != nullptr;) {
      Frame* next = frame->next;
      link(*frame);
      frame = next;
    }
  }
  if (old_table != first_table_.data())
    pool_->settings().release(old_table, std::size_t{old_buckets} * sizeof(void*));
}

void PageCache::reset_table() noexcept {
  if (buckets_ != nullptr && buckets_ != first_table_.data())
    pool_->settings().release(buckets_, std::size_t{mask_ + 1} * sizeof(void*));
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
  frame.key.store(key, std::memory_order_relaxed);
  link(frame);
  max_key_ = std::max(max_key_, key);
  frame.set_watched(is_purgeable_ && pool_->adviser().is_sampled(advice_hash(key)), key == 1);
  pool_->rekeyed(*this, frame);
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
