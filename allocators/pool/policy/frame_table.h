// What all policies share: the capacity, the time, and how a page enters a queue.
#pragma once

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

  void rekey(FrameRecord& frame, std::uint64_t key_hash) noexcept {
    frame.name.store(GhostRing::fingerprint(key_hash), std::memory_order_relaxed);
  }

 protected:
  void start_table(const PolicyMemory& memory) noexcept {
    max_capacity_ = memory.max_capacity;
    capacity_ = 0;
    time_ = 0;
  }
  void set_capacity(std::uint32_t capacity) noexcept {
    SQLITEMEM_CHECK(capacity <= max_capacity_, capacity, max_capacity_);
    capacity_ = capacity;
  }

  [[nodiscard]] static bool knows(const FrameRecord& frame) noexcept {
    return FrameQueue::number_in(frame) != 0;
  }
  [[nodiscard]] static std::uint32_t fingerprint_of(const FrameRecord& frame) noexcept {
    return frame.name.load(std::memory_order_relaxed);
  }
  /// Puts a new page at the new end of `queue`.
  void enter(FrameQueue& queue, FrameRecord& frame, std::uint64_t key_hash) noexcept {
    rekey(frame, key_hash);
    frame.mark.clear();
    queue.push_newest(frame, time_);
  }

  std::uint32_t capacity_ = 0, max_capacity_ = 0;
  std::uint16_t time_ = 0;
};

}  // namespace sqlitemem
