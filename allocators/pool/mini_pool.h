// A pool of a few hundred frames without data, which shows what a real one would do.
#pragma once

#include <bit>
#include <cstring>

#include "allocators/pool/policy/frame_table.h"

namespace sqlitemem {

/// The real eviction policy on a sample of the pages: with a share of the pages and the same share
/// of the frames, it misses the same share of its references. Nothing is ever pinned here.
///
/// Invariants: those of the policy, and (1) each resident page is in the chain of its bucket.
template <EvictionPolicy Policy>
class MiniPool {
 public:
  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t max_frames) noexcept {
    return MemoryCutter::rounded(bytes_of_whole_policy<Policy>(max_frames)) +
           MemoryCutter::rounded(max_frames * sizeof(Page)) +
           MemoryCutter::rounded(std::bit_ceil(max_frames) * sizeof(std::uint16_t));
  }
  /// `block`: bytes_needed(max_frames), zeroed or not, aligned to 64. `max_frames` < 65535.
  void start(void* block, std::uint32_t max_frames, std::uint32_t frames) noexcept {
    std::memset(block, 0, bytes_needed(max_frames));
    MemoryCutter cutter(block, bytes_needed(max_frames));
    max_frames_ = max_frames;
    void* policy_block = cutter.take<void>(bytes_of_whole_policy<Policy>(max_frames));
    policy_.start(whole_policy_memory(policy_block, max_frames), frames);
    pages_ = cutter.take<Page>(max_frames * sizeof(Page));
    bucket_mask_ = std::bit_ceil(max_frames) - 1;
    buckets_ = cutter.take<std::uint16_t>((bucket_mask_ + 1) * sizeof(std::uint16_t));
    count_ = 0;
    free_ = 0;
    for (std::uint32_t frame = max_frames; frame > 0; --frame) release(frame - 1);
  }
  /// Evicts what is too much.
  void resize(std::uint32_t frames) noexcept {
    policy_.resize(frames);
    while (count_ > frames) release(evict());
  }

  /// Whether it was a hit.
  bool reference(std::uint64_t key_hash) noexcept {
    const std::uint32_t key = GhostRing::fingerprint(key_hash);
    for (std::uint16_t at = bucket(key); at != 0; at = pages_[at - 1].next) {
      if (pages_[at - 1].key != key) continue;
      policy_.on_reference(at - 1U);
      return true;
    }
    if (policy_.capacity() == 0) return false;
    if (count_ == policy_.capacity()) release(evict());
    const FrameIndex frame = free_ - 1U;
    free_ = pages_[frame].next;
    pages_[frame] = {.key = key, .next = bucket(key)};
    bucket(key) = static_cast<std::uint16_t>(frame + 1);
    ++count_;
    policy_.admit(frame, key_hash);
    return false;
  }

  [[nodiscard]] std::uint32_t frames() const noexcept { return policy_.capacity(); }
  [[nodiscard]] std::optional<Violation> find_violation() const {
    std::uint32_t chained = 0;
    for (std::uint32_t number = 0; number <= bucket_mask_; ++number) {
      for (std::uint16_t at = buckets_[number]; at != 0; at = pages_[at - 1].next) {
        if (++chained > count_) return Violation{"chains hold the pages", count_, chained};
        const std::uint32_t home = pages_[at - 1].key & bucket_mask_;
        if (home != number) return Violation{"a page is in its own chain", home, number};
        if (policy_.tier(at - 1U) == Tier::none) return Violation{"the policy knows pages", 1, 0};
      }
    }
    if (chained != count_) return Violation{"chains hold the pages", count_, chained};
    return policy_.find_violation(max_frames_);
  }

 private:
  struct Page {
    std::uint32_t key;
    std::uint16_t next;  ///< Frame + 1 of the next in the chain, or of the next free frame.
  };

  [[nodiscard]] std::uint16_t& bucket(std::uint32_t key) noexcept {
    return buckets_[key & bucket_mask_];
  }
  [[nodiscard]] FrameIndex evict() noexcept {
    FrameIndex frame = no_frame;
    const std::uint32_t chosen =
        policy_.choose_victims([](FrameIndex) { return true; }, std::span(&frame, 1));
    SQLITEMEM_CHECK(chosen == 1, chosen, 1);
    std::uint16_t* link = &bucket(pages_[frame].key);
    while (*link != frame + 1) link = &pages_[*link - 1].next;
    *link = pages_[frame].next;
    --count_;
    return frame;
  }
  void release(FrameIndex frame) noexcept {
    pages_[frame].next = free_;
    free_ = static_cast<std::uint16_t>(frame + 1);
  }

  Policy policy_;
  Page* pages_ = nullptr;
  std::uint16_t* buckets_ = nullptr;  ///< Frame + 1.
  std::uint32_t bucket_mask_ = 0;
  std::uint32_t max_frames_ = 0;
  std::uint32_t count_ = 0;
  std::uint16_t free_ = 0;  ///< Frame + 1.
};

}  // namespace sqlitemem
