// What all policies share: the links of every frame, the capacity, the loop that collects victims.
#pragma once

#include <span>

#include "allocators/base/bytes.h"
#include "allocators/pool/policy/frame_queue.h"
#include "allocators/pool/policy/ghost_ring.h"
#include "allocators/pool/policy/policy.h"

namespace sqlitemem {

/// Cuts the memory that a policy was given into its arrays.
class MemoryCutter {
 public:
  explicit MemoryCutter(const PolicyMemory& memory) noexcept
      : next_(static_cast<std::byte*>(memory.block)), left_(memory.bytes) {}

  [[nodiscard]] static constexpr std::size_t rounded(std::size_t bytes) noexcept {
    return round_up(bytes, 64);
  }
  /// Aligned to 64 bytes.
  template <class T>
  [[nodiscard]] T* take(std::size_t bytes) noexcept {
    SQLITEMEM_CHECK(rounded(bytes) <= left_, rounded(bytes), left_);
    void* taken = next_;
    next_ += rounded(bytes);
    left_ -= rounded(bytes);
    return static_cast<T*>(taken);
  }

 private:
  std::byte* next_;
  std::size_t left_;
};

/// The base of each policy.
class FrameTable {
 public:
  [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

  void rekey(FrameIndex frame, std::uint64_t key_hash) noexcept {
    links_[frame].fingerprint = GhostRing::fingerprint(key_hash);
  }

 protected:
  friend struct PolicyTestAccess;

  [[nodiscard]] static constexpr std::size_t table_bytes(std::uint32_t max_frames) noexcept {
    return MemoryCutter::rounded(std::size_t{max_frames} * sizeof(FrameLinks));
  }
  void start_table(MemoryCutter& cutter, FrameIndex max_frames) noexcept {
    max_frames_ = max_frames;
    links_ = cutter.take<FrameLinks>(table_bytes(max_frames));
  }
  void set_capacity(std::uint32_t capacity) noexcept {
    SQLITEMEM_CHECK(capacity <= max_frames_, capacity, max_frames_);
    capacity_ = capacity;
  }

  [[nodiscard]] bool knows(FrameIndex frame) const noexcept { return links_[frame].queue != 0; }
  [[nodiscard]] FrameLinks& links(FrameIndex frame) noexcept { return links_[frame]; }
  [[nodiscard]] const FrameLinks& links(FrameIndex frame) const noexcept { return links_[frame]; }

  /// Puts a new page at the new end of `queue`.
  void enter(FrameQueue& queue, FrameIndex frame, std::uint64_t key_hash) noexcept {
    SQLITEMEM_CHECK(frame < max_frames_, frame, max_frames_);
    rekey(frame, key_hash);
    links_[frame].is_referenced = false;
    queue.push_newest(frame);
  }
  /// Takes a victim out of `queue`, so that put_back() knows where it was.
  void leave(FrameQueue& queue, FrameIndex frame) noexcept {
    queue.remove(frame);
    links_[frame].last_queue = queue.number();
  }

  /// `next` takes out one victim or returns no_frame; `search_all` makes it look everywhere.
  template <class Next, class SearchAll>
  [[nodiscard]] static std::uint32_t collect(std::span<FrameIndex> victims, Next next,
                                             SearchAll search_all) noexcept {
    std::uint32_t count = 0;
    for (int attempt = 0; attempt < 2 && count == 0 && !victims.empty(); ++attempt) {
      if (attempt > 0) search_all();
      for (FrameIndex& victim : victims) {
        victim = next();
        if (victim == no_frame) break;
        ++count;
      }
    }
    return count;
  }

  /// Whether as many frames are in a queue as the queues count. O(max_frames).
  [[nodiscard]] std::optional<Violation> find_table_violation(std::uint32_t queued) const {
    std::uint32_t known = 0;
    for (FrameIndex frame = 0; frame < max_frames_; ++frame) known += knows(frame) ? 1 : 0;
    if (known != queued) return Violation{"each known frame is in one queue", queued, known};
    return std::nullopt;
  }

  FrameLinks* links_ = nullptr;
  FrameIndex max_frames_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace sqlitemem
