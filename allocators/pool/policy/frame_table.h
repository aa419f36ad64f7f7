// What all policies share: the records of frames, the capacity, the time, the search for victims.
#pragma once

#include <span>

#include "allocators/base/bytes.h"
#include "allocators/pool/policy/frame_queue.h"
#include "allocators/pool/policy/ghost_ring.h"
#include "allocators/pool/policy/policy.h"

namespace sqlitemem {

/// Cuts a block of memory into arrays.
class MemoryCutter {
 public:
  MemoryCutter(void* block, std::size_t bytes) noexcept
      : next_(static_cast<std::byte*>(block)), left_(bytes) {}

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
  [[nodiscard]] std::uint32_t max_capacity() const noexcept { return max_capacity_; }
  void set_time(std::uint16_t time) noexcept { time_ = time; }

  void rekey(FrameIndex frame, std::uint64_t key_hash) noexcept {
    records_[frame].name.store(GhostRing::fingerprint(key_hash), std::memory_order_relaxed);
  }

 protected:
  friend struct PolicyTestAccess;

  void start_table(const PolicyMemory& memory) noexcept {
    records_ = memory.records;
    max_capacity_ = memory.max_capacity;
    capacity_ = 0;
    time_ = 0;
  }
  void set_capacity(std::uint32_t capacity) noexcept {
    SQLITEMEM_CHECK(capacity <= max_capacity_, capacity, max_capacity_);
    capacity_ = capacity;
  }

  [[nodiscard]] bool knows(FrameIndex frame) const noexcept { return number_of(frame) != 0; }
  /// Of the queue that holds it.
  [[nodiscard]] std::uint8_t number_of(FrameIndex frame) const noexcept {
    return FrameQueue::number_in(records_[frame]);
  }
  [[nodiscard]] std::uint32_t fingerprint_of(FrameIndex frame) const noexcept {
    return records_[frame].name.load(std::memory_order_relaxed);
  }

  /// Puts a new page at the new end of `queue`.
  void enter(FrameQueue& queue, FrameIndex frame, std::uint64_t key_hash) noexcept {
    rekey(frame, key_hash);
    records_[frame].mark.clear();
    queue.push_newest(records_, frame, time_);
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

  /// Whether as many frames are in a queue as the queues count. O(frames).
  [[nodiscard]] std::optional<Violation> find_table_violation(std::uint32_t queued,
                                                              FrameIndex frames) const {
    std::uint32_t known = 0;
    for (FrameIndex frame = 0; frame < frames; ++frame) known += knows(frame) ? 1 : 0;
    if (frames != 0 && known != queued)
      return Violation{"each known frame is in one queue", queued, known};
    return std::nullopt;
  }
  [[nodiscard]] static FrameIndex limit_of(FrameIndex frames) noexcept {
    return frames == 0 ? no_frame : frames;
  }

  FrameRecords records_;
  std::uint32_t capacity_ = 0, max_capacity_ = 0;
  std::uint16_t time_ = 0;
};

}  // namespace sqlitemem
