// A queue of frames in the order of their arrival, searched from the old end for one that may go.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "allocators/pool/policy/policy.h"

namespace sqlitemem {

/// A doubly linked list through the records of frames. Searching does not start over at frames
/// that were refused (most are pinned by one large transaction): they are passed, and keep their
/// place. The search goes on behind them and asks about few of them again each time:
///
///     oldest                          cursor                         newest
///       ■ ─ ■ ─ ■ ─ ■ ─ ■ ─ ■ ─ ■ ─ ■ ─ □ ─ □ ─ □ ─ □ ─ □ ─ □ ─ □ ─ □
///       └── passed ──▲── (refused) ──┘  └── not yet asked about ─────┘
///                  again
///
/// Invariants:
/// (1) `newer` and `older` mirror each other, and reach as many frames as are counted.
/// (2) Each frame carries the number of this queue.
/// (3) Exactly the frames that are older than the cursor are passed.
/// (4) `again` is a passed frame or none.
class FrameQueue {
 public:
  /// `number`: of this queue, 1 to 127.
  void start(std::uint8_t number) noexcept {
    *this = FrameQueue();
    number_ = number;
  }

  /// Any thread.
  [[nodiscard]] std::uint32_t count() const noexcept { return count_.value(); }
  /// nullptr: it is empty.
  [[nodiscard]] FrameRecord* oldest() const noexcept { return oldest_; }
  /// Whom the next search asks first, as far as it is not again one of those that were passed.
  [[nodiscard]] FrameRecord* next_asked() const noexcept {
    return cursor_ != nullptr ? cursor_ : oldest_;
  }
  [[nodiscard]] std::uint8_t number() const noexcept { return number_; }
  /// Of the queue that holds the frame; 0: none.
  [[nodiscard]] static std::uint8_t number_in(const FrameRecord& record) noexcept {
    return record.place.load(std::memory_order_relaxed) & ~passed_bit;
  }

  void push_newest(FrameRecord& frame, std::uint16_t time) noexcept {
    SQLITEMEM_CHECK(number_in(frame) == 0, number_in(frame), 0);
    FrameRecord* newest = newest_;
    frame.newer = nullptr;
    frame.older = newest;
    frame.stamp = time;
    frame.place.store(number_, std::memory_order_relaxed);
    newest_ = &frame;
    if (newest != nullptr) [[likely]]
      newest->newer = &frame;
    else
      oldest_ = &frame;
    if (cursor_ == nullptr) cursor_ = &frame;
    count_.add(1);
  }
  void remove(FrameRecord& frame) noexcept {
    SQLITEMEM_CHECK(number_in(frame) == number_, number_in(frame), number_);
    if (&frame == oldest_ && cursor_ == &frame) [[likely]]
      return remove_oldest(frame);
    remove_other(frame);
  }
  void make_newest(FrameRecord& frame, std::uint16_t time) noexcept {
    if (&frame == newest_) {
      frame.stamp = time;
      return;
    }
    remove(frame);
    push_newest(frame, time);
  }

  /// The oldest frame that `is_evictable` holds of, as far as it is asked; it stays in the queue.
  /// nullptr: none that was not passed before, nor among the few asked again.
  template <class Predicate>
  [[nodiscard]] FrameRecord* find_oldest(Predicate& is_evictable) noexcept {
    FrameRecord* frame = cursor_;
    if (frame == oldest_ && frame != nullptr && is_evictable(std::as_const(*frame))) [[likely]]
      return frame;
    return search(is_evictable);
  }

  /// The next search starts at the oldest frame. O(passed frames).
  void search_all() noexcept;
  /// The next search asks about this member first, if it was passed.
  void ask_again(FrameRecord& frame) noexcept {
    if (is_passed(frame)) again_ = &frame;
  }
  /// For how long the oldest frame has been here; 0 if there is none.
  [[nodiscard]] std::uint32_t age(std::uint16_t time) const noexcept {
    return oldest_ == nullptr ? 0 : static_cast<std::uint16_t>(time - oldest_->stamp);
  }

  /// O(count).
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  friend struct PolicyTestAccess;
  static constexpr std::uint8_t passed_bit = 0x80;
  // Passed frames asked about in each search. Two let the search get round them in half as many
  // evictions as there are passed frames.
  static constexpr int asked_again = 2;

  [[nodiscard]] static bool is_passed(const FrameRecord& record) noexcept {
    return (record.place.load(std::memory_order_relaxed) & passed_bit) != 0;
  }
  template <class Predicate>
  [[nodiscard, gnu::noinline]] FrameRecord* search(Predicate& is_evictable) noexcept {
    for (int left = cursor_ == oldest_ ? 0 : asked_again; left > 0; --left) {
      if (again_ == nullptr) again_ = oldest_;
      FrameRecord* frame = again_;
      if (is_evictable(std::as_const(*frame))) return frame;
      again_ = passed_or_none(frame->newer);
    }
    while (cursor_ != nullptr) {
      FrameRecord* frame = cursor_;
      if (is_evictable(std::as_const(*frame))) return frame;
      frame->place.store(number_ | passed_bit, std::memory_order_relaxed);
      cursor_ = frame->newer;
    }
    return nullptr;
  }
  /// The usual victim. None is passed, as the search is about to ask about this one.
  void remove_oldest(FrameRecord& frame) noexcept {
    FrameRecord* newer = frame.newer;
    oldest_ = cursor_ = newer;
    if (newer != nullptr) [[likely]]
      newer->older = nullptr;
    else
      newest_ = nullptr;
    frame.place.store(0, std::memory_order_relaxed);
    count_.add(-1);
  }
  void remove_other(FrameRecord& frame) noexcept;
  [[nodiscard]] static FrameRecord* passed_or_none(FrameRecord* frame) noexcept {
    return frame != nullptr && is_passed(*frame) ? frame : nullptr;
  }

  FrameRecord* oldest_ = nullptr;
  FrameRecord* newest_ = nullptr;
  FrameRecord* cursor_ = nullptr;
  FrameRecord* again_ = nullptr;
  ReadableCount count_;
  std::uint8_t number_ = 0;
};

}  // namespace sqlitemem
