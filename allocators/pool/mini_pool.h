// A pool of a few hundred frames without data, which shows what a real one would do.
#pragma once

#include <bit>
#include <cstring>

#include "allocators/pool/policy/frame_table.h"
#include "allocators/pool/policy/indexed_policy.h"

namespace sqlitemem {

/// The real eviction policy on a sample of the pages: with a share of the pages and the same share
/// of the frames, it misses the same share of its references. Nothing is ever pinned here.
///
/// Invariants: those of the policy, and (1) each resident page is in the chain of its bucket.
template <EvictionPolicy Policy>
class MiniPool {
 public:
  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t max_frames) noexcept {
    return MemoryCutter::rounded(IndexedPolicy<Policy>::bytes_needed(max_frames)) +
           MemoryCutter::rounded(max_frames * sizeof(std::uint16_t)) +
           MemoryCutter::rounded(std::bit_ceil(max_frames) * sizeof(std::uint16_t));
  }
  /// `block`: bytes_needed(max_frames), zeroed or not, aligned to 64. `max_frames` < 65535.
  void start(void* block, std::uint32_t max_frames, std::uint32_t frames) noexcept {
    std::memset(block, 0, bytes_needed(max_frames));
    MemoryCutter cutter(block, bytes_needed(max_frames));
    policy_.start(cutter.take<void>(IndexedPolicy<Policy>::bytes_needed(max_frames)), max_frames,
                  frames);
    next_ = cutter.take<std::uint16_t>(max_frames * sizeof(std::uint16_t));
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
    for (std::uint16_t at = bucket(key); at != 0; at = next_[at - 1]) {
      if (policy_.name(at - 1U) != key) continue;
      policy_.on_reference(at - 1U);
      return true;
    }
    if (policy_.capacity() == 0) return false;
    if (count_ == policy_.capacity()) release(evict());
    const FrameIndex frame = free_ - 1U;
    free_ = next_[frame];
    next_[frame] = bucket(key);
    bucket(key) = static_cast<std::uint16_t>(frame + 1);
    ++count_;
    policy_.admit(frame, key_hash);
    return false;
  }

  [[nodiscard]] std::uint32_t frames() const noexcept { return policy_.capacity(); }
  [[nodiscard]] std::optional<Violation> find_violation() const {
    std::uint32_t chained = 0;
    for (std::uint32_t number = 0; number <= bucket_mask_; ++number) {
      for (std::uint16_t at = buckets_[number]; at != 0; at = next_[at - 1]) {
        if (++chained > count_) return Violation{"chains hold the pages", count_, chained};
        const std::uint32_t home = policy_.name(at - 1U) & bucket_mask_;
        if (home != number) return Violation{"a page is in its own chain", home, number};
        if (policy_.tier(at - 1U) == Tier::none) return Violation{"the policy knows pages", 1, 0};
      }
    }
    if (chained != count_) return Violation{"chains hold the pages", count_, chained};
    return policy_.find_violation();
  }

 private:
  [[nodiscard]] std::uint16_t& bucket(std::uint32_t key) noexcept {
    return buckets_[key & bucket_mask_];
  }
  [[nodiscard]] FrameIndex evict() noexcept {
    const FrameIndex frame = policy_.choose_victim([](FrameIndex) { return true; });
    SQLITEMEM_CHECK(frame != no_frame, frame, no_frame);
    std::uint16_t* link = &bucket(policy_.name(frame));
    while (*link != frame + 1) link = &next_[*link - 1];
    *link = next_[frame];
    --count_;
    return frame;
  }
  void release(FrameIndex frame) noexcept {
    next_[frame] = free_;
    free_ = static_cast<std::uint16_t>(frame + 1);
  }

  IndexedPolicy<Policy> policy_;
  std::uint16_t* next_ = nullptr;     ///< By frame: + 1, the next in its chain, or the next free.
  std::uint16_t* buckets_ = nullptr;  ///< Frame + 1.
  std::uint32_t bucket_mask_ = 0;
  std::uint32_t count_ = 0;
  std::uint16_t free_ = 0;  ///< Frame + 1.
};

}  // namespace sqlitemem
