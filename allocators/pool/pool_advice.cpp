// What the pool tells its adviser: which pages to watch, how many references there were.
#include <algorithm>

#include "allocators/pool/buffer_pool.h"
#include "allocators/pool/page_cache.h"

namespace sqlitemem {
namespace {

/// A process that uses few pages does not pay for advice: its memory is touched, and references
/// are sampled, when as many pages were made as this, or as half of the budget, but a few at least.
constexpr std::uint64_t most_pages_before_advice = 2048, least_pages_before_advice = 256;
/// How often old references get the chance to fade.
constexpr std::uint64_t pages_between_counts = 1 << 16;

}  // namespace

ReferenceCounts BufferPool::references_so_far() const noexcept {
  ReferenceCounts counts = past_references_;
  for (const PageCache* cache = open_; cache != nullptr; cache = cache->next_) {
    if (cache->is_purgeable_) counts.add(cache->hits_, cache->misses_);
  }
  return counts;
}

/// A frame in use says whether its page is sampled. Its owner may be changing the page at this
/// moment: then the answer is for the wrong page, once.
void BufferPool::mark_sampled_frames(bool is_new) noexcept {
  for (FrameIndex index = 0; index < store_.frame_limit(); ++index) {
    Frame* frame = store_.frame_in_use(index);
    if (frame == nullptr || frame->page_number() == 0) continue;
    const PageCache& cache = cache_of(*frame);
    if (!cache.is_purgeable_) continue;
    const std::uint64_t key_hash = cache.advice_hash(frame->page_number());
    frame->set_sampled(adviser_.is_sampled(key_hash));
    if (is_new && frame->is_sampled()) adviser_.reference(key_hash);
  }
}

/// The pages that are there now are known from the start, and are no misses.
void BufferPool::begin_advice() noexcept {
  adviser_.begin(capacity_frames_);
  mark_sampled_frames(true);
  adviser_.forget_counts(references_so_far());
}

void BufferPool::advice_is_due() noexcept {
  if (adviser_.is_running()) {
    adviser_.count(references_so_far());
    advice_due_at_ = pages_made_ + pages_between_counts;
    return;
  }
  plan_if_old();
  const std::uint64_t wanted =
      std::clamp(capacity_frames_ / 2, least_pages_before_advice, most_pages_before_advice);
  if (pages_made_ >= wanted) begin_advice();
  advice_due_at_ = std::max(wanted, pages_made_ + 1);
}

void BufferPool::adviser_follows_budget() noexcept {
  switch (adviser_.set_budget(capacity_frames_)) {
    case PoolAdviser::Change::none:
      return;
    case PoolAdviser::Change::more_pages:
      return mark_sampled_frames(false);
    case PoolAdviser::Change::too_much:
      return begin_advice();
  }
}

void BufferPool::set_advice(bool is_wanted) noexcept {
  const LockGuard guard(lock_);
  if (is_wanted == is_advice_wanted_) return;
  is_advice_wanted_ = is_wanted;
  advice_due_at_ = is_wanted ? 0 : never;
  if (is_wanted || !adviser_.is_running()) return;
  adviser_.stop();
  mark_sampled_frames(false);
}

PoolAdvice BufferPool::advice() noexcept {
  const LockGuard guard(lock_);
  plan_if_old();
  adviser_.count(references_so_far());
  PoolAdvice advice = adviser_.advice(budget_bytes_);
  advice.is_on = is_advice_wanted_;
  advice.references = references_so_far().references;
  return advice;
}

void PageCache::note_sampled(const Frame& frame) noexcept {
  const std::uint64_t key_hash = advice_hash(frame.page_number());
  if (recent_.is_repetition(key_hash)) return;
  sampled_[sampled_count_++] = key_hash;
  if (sampled_count_ == sampled_.size()) give_samples();
}

void PageCache::give_samples() noexcept {
  pool_->adviser().references(std::span(sampled_).first(sampled_count_));
  sampled_count_ = 0;
}

}  // namespace sqlitemem
