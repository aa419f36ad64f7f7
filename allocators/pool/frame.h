// One page of a database in memory: where it lies, whose it is, and whether it may be evicted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocators/base/bytes.h"
#include "allocators/pool/policy/policy.h"

namespace sqlitemem {

class PageCache;

/// What to do when the page is not there; the numbers are SQLite's createFlag.
enum class FetchMode : std::uint8_t {
  lookup = 0,   ///< Answer nullptr.
  if_easy = 1,  ///< Make room unless that would take pages that had to be written first.
  always = 2,   ///< nullptr only when there is no memory.
};

/// The header of a frame. It begins with the two pointers that SQLite reads (sqlite3_pcache_page);
/// the extra area follows it directly. Headers lie apart from page data, so that the data is
/// page-aligned. Everything that a hit or a miss needs of a page is here, the policy's record
/// included. Fields without an atomic type are the owning cache's, under its lock.
struct Frame {
  void* data = nullptr;
  void* extra = nullptr;
  Frame* next = nullptr;                ///< In the cache's bucket.
  FrameRecord record{};                 ///< Its name is the page number; 0: there is no page.
  std::atomic<std::uint32_t> owner{0};  ///< The cache's slot; 0: the frame is free.
  std::atomic<std::uint8_t> pins{0};    ///< 1: SQLite holds the page; it must not move or vanish.
  /// Who wants to know of references; see Watch.
  std::atomic<std::uint8_t> watched{0};
  std::uint8_t kind = 0;  ///< Of the frame store.

  struct Watch {
    static constexpr std::uint8_t sampled = 1;     ///< The adviser.
    static constexpr std::uint8_t first_page = 2;  ///< The cache itself.
    static constexpr std::uint8_t policy = 4;      ///< One for which a reference is no mark.
  };

  /// The frame that has this record.
  [[nodiscard]] static Frame& of(FrameRecord& record) noexcept;
  [[nodiscard]] static const Frame& of(const FrameRecord& record) noexcept;
  [[nodiscard]] bool is_pinned() const noexcept {
    return pins.load(std::memory_order_relaxed) != 0;
  }
  void set_pinned(bool is_pinned) noexcept { pins.store(is_pinned, std::memory_order_relaxed); }
  [[nodiscard]] bool is_watched() const noexcept {
    return watched.load(std::memory_order_relaxed) != 0;
  }
  [[nodiscard]] bool is_sampled() const noexcept {
    return (watched.load(std::memory_order_relaxed) & Watch::sampled) != 0;
  }
  /// For any thread.
  void set_sampled(bool is_sampled) noexcept {
    if (is_sampled)
      watched.fetch_or(Watch::sampled, std::memory_order_relaxed);
    else
      watched.fetch_and(static_cast<std::uint8_t>(~Watch::sampled), std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t page_number() const noexcept {
    return record.name.load(std::memory_order_relaxed);
  }
  void set_page_number(std::uint32_t number) noexcept {
    record.name.store(number, std::memory_order_relaxed);
  }
};
static_assert(sizeof(Frame) == 56);
/// With `extra` bytes behind it.
constexpr std::size_t frame_header_bytes(std::size_t extra) noexcept {
  return round_up(sizeof(Frame) + extra, 8);
}
inline Frame& Frame::of(FrameRecord& record) noexcept {
  return *reinterpret_cast<Frame*>(reinterpret_cast<std::byte*>(&record) - offsetof(Frame, record));
}
inline const Frame& Frame::of(const FrameRecord& record) noexcept {
  return *reinterpret_cast<const Frame*>(reinterpret_cast<const std::byte*>(&record) -
                                         offsetof(Frame, record));
}
static_assert(offsetof(Frame, data) == 0 && offsetof(Frame, extra) == sizeof(void*));

}  // namespace sqlitemem
