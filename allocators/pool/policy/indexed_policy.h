// A policy with frames of its own, by number: for who has no headers to keep its records in.
#pragma once

#include <span>

#include "allocators/base/bytes.h"
#include "allocators/pool/policy/policy.h"

namespace sqlitemem {

/// The operations of the policy, with numbers from 0 to max_frames - 1 for frames. Its invariants,
/// and (1) as many frames are in a queue as the policy counts.
template <class Policy>
class IndexedPolicy {
 public:
  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t max_frames) noexcept {
    return record_bytes(max_frames) + Policy::bytes_needed(max_frames);
  }
  /// `block`: bytes_needed(max_frames), zeroed, aligned to 64 bytes.
  void start(void* block, std::uint32_t max_frames, std::uint32_t capacity) noexcept {
    records_ = static_cast<FrameRecord*>(block);
    max_frames_ = max_frames;
    void* ghosts = static_cast<std::byte*>(block) + record_bytes(max_frames);
    policy_.start({.ghosts = ghosts, .max_capacity = max_frames}, capacity);
  }

  bool admit(FrameIndex frame, std::uint64_t key_hash) noexcept {
    return policy_.admit(record(frame), key_hash);
  }
  void on_reference(FrameIndex frame) noexcept { policy_.on_reference(record(frame)); }
  void rekey(FrameIndex frame, std::uint64_t key_hash) noexcept {
    policy_.rekey(record(frame), key_hash);
  }
  void remove(FrameIndex frame, KeyMemory memory) noexcept {
    policy_.remove(record(frame), memory);
  }
  void ask_again(FrameIndex frame) noexcept { policy_.ask_again(record(frame)); }
  /// no_frame: no frame is evictable.
  template <class Predicate>
  [[nodiscard]] FrameIndex choose_victim(Predicate&& is_evictable) noexcept {
    const FrameRecord* victim = policy_.choose_victim(
        [&](const FrameRecord& asked) { return is_evictable(index_of(asked)); });
    return victim == nullptr ? no_frame : index_of(*victim);
  }
  void resize(std::uint32_t capacity) noexcept { policy_.resize(capacity); }

  [[nodiscard]] Tier tier(FrameIndex frame) const noexcept { return policy_.tier(records_[frame]); }
  /// Of the page in the frame: the upper half of its key's hash.
  [[nodiscard]] std::uint32_t name(FrameIndex frame) const noexcept {
    return records_[frame].name.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t capacity() const noexcept { return policy_.capacity(); }
  [[nodiscard]] FrameRecord& record(FrameIndex frame) noexcept { return records_[frame]; }
  [[nodiscard]] Policy& policy() noexcept { return policy_; }
  [[nodiscard]] const Policy& policy() const noexcept { return policy_; }
  [[nodiscard]] std::optional<Violation> find_violation() const {
    if (const auto broken = policy_.find_violation()) return broken;
    std::uint32_t known = 0;
    for (FrameIndex frame = 0; frame < max_frames_; ++frame) known += tier(frame) != Tier::none;
    const TierCounts counts = policy_.counts();
    if (known != counts.warm + counts.hot)
      return Violation{"each known frame is in one queue", counts.warm + counts.hot, known};
    return std::nullopt;
  }

 private:
  [[nodiscard]] static std::size_t record_bytes(std::uint32_t frames) noexcept {
    return round_up(frames * sizeof(FrameRecord), 64);
  }
  [[nodiscard]] FrameIndex index_of(const FrameRecord& frame) const noexcept {
    return static_cast<FrameIndex>(&frame - records_);
  }

  FrameRecord* records_ = nullptr;
  std::uint32_t max_frames_ = 0;
  Policy policy_;
};

}  // namespace sqlitemem
