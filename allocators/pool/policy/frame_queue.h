// A queue of frames in the order of their arrival, searched from the old end for one that may go.
#pragma once

#include <cstdint>
#include <optional>

#include "allocators/pool/policy/policy.h"

namespace sqlitemem {

/// A doubly linked list through the records of frames, which its user passes to each operation.
/// Searching does not start over at frames that were refused (most are pinned by one large
/// transaction): they are passed, and keep their place. The search goes on behind them and asks
/// about few of them again each time:
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
  /// no_frame: it is empty.
  [[nodiscard]] FrameIndex oldest() const noexcept { return oldest_; }
  [[nodiscard]] std::uint8_t number() const noexcept { return number_; }
  /// Of the queue that holds the frame; 0: none.
  [[nodiscard]] static std::uint8_t number_in(const FrameRecord& record) noexcept {
    return record.place.load(std::memory_order_relaxed) & ~passed_bit;
  }

  void push_newest(const FrameRecords& records, FrameIndex frame, std::uint16_t time) noexcept {
    FrameRecord& record = records[frame];
    SQLITEMEM_CHECK(number_in(record) == 0, number_in(record), 0);
    record.newer = no_frame;
    record.older = newest_;
    record.stamp = time;
    record.place.store(number_, std::memory_order_relaxed);
    (newest_ == no_frame ? oldest_ : records[newest_].newer) = frame;
    newest_ = frame;
    if (cursor_ == no_frame) cursor_ = frame;
    count_.add(1);
  }
  void remove(const FrameRecords& records, FrameIndex frame) noexcept {
    FrameRecord& record = records[frame];
    SQLITEMEM_CHECK(number_in(record) == number_, number_in(record), number_);
    if (frame == oldest_ && cursor_ == frame) return remove_oldest(records, record);
    if (cursor_ == frame) cursor_ = record.newer;
    if (again_ == frame) again_ = passed_or_none(records, record.newer);
    (record.older == no_frame ? oldest_ : records[record.older].newer) = record.newer;
    (record.newer == no_frame ? newest_ : records[record.newer].older) = record.older;
    record.place.store(0, std::memory_order_relaxed);
    count_.add(-1);
  }
  void make_newest(const FrameRecords& records, FrameIndex frame, std::uint16_t time) noexcept {
    if (frame == newest_) {
      records[frame].stamp = time;
      return;
    }
    remove(records, frame);
    push_newest(records, frame, time);
  }

  /// The oldest frame that `is_evictable` holds of, as far as it is asked; it stays in the queue.
  /// no_frame: none that was not passed before, nor among the few asked again.
  template <class Predicate>
  [[nodiscard]] FrameIndex find_oldest(const FrameRecords& records,
                                       Predicate& is_evictable) noexcept {
    for (int left = cursor_ == oldest_ ? 0 : asked_again; left > 0; --left) {
      if (again_ == no_frame) again_ = oldest_;
      const FrameIndex frame = again_;
      if (is_evictable(frame)) return frame;
      again_ = passed_or_none(records, records[frame].newer);
    }
    while (cursor_ != no_frame) {
      const FrameIndex frame = cursor_;
      if (is_evictable(frame)) return frame;
      records[frame].place.store(number_ | passed_bit, std::memory_order_relaxed);
      cursor_ = records[frame].newer;
    }
    return no_frame;
  }

  /// The next search starts at the oldest frame. O(passed frames).
  void search_all(const FrameRecords& records) noexcept;
  /// The next search asks about this member first, if it was passed.
  void ask_again(const FrameRecords& records, FrameIndex frame) noexcept {
    if (is_passed(records[frame])) again_ = frame;
  }
  /// For how long the oldest frame has been here; 0 if there is none.
  [[nodiscard]] std::uint32_t age(const FrameRecords& records, std::uint16_t time) const noexcept {
    if (oldest_ == no_frame) return 0;
    return static_cast<std::uint16_t>(time - records[oldest_].stamp);
  }

  /// O(count).
  [[nodiscard]] std::optional<Violation> find_violation(const FrameRecords& records,
                                                        FrameIndex max_frames) const;

 private:
  friend struct PolicyTestAccess;
  static constexpr std::uint8_t passed_bit = 0x80;
  // Passed frames asked about in each search. Two let the search get round them in half as many
  // evictions as there are passed frames.
  static constexpr int asked_again = 2;

  [[nodiscard]] static bool is_passed(const FrameRecord& record) noexcept {
    return (record.place.load(std::memory_order_relaxed) & passed_bit) != 0;
  }
  /// The usual victim. None is passed, as the search is about to ask about this one.
  void remove_oldest(const FrameRecords& records, FrameRecord& record) noexcept {
    oldest_ = cursor_ = record.newer;
    (oldest_ == no_frame ? newest_ : records[oldest_].older) = no_frame;
    record.place.store(0, std::memory_order_relaxed);
    count_.add(-1);
  }
  [[nodiscard]] static FrameIndex passed_or_none(const FrameRecords& records,
                                                 FrameIndex frame) noexcept {
    return frame != no_frame && is_passed(records[frame]) ? frame : no_frame;
  }

  FrameIndex oldest_ = no_frame;
  FrameIndex newest_ = no_frame;
  FrameIndex cursor_ = no_frame;
  FrameIndex again_ = no_frame;
  ReadableCount count_;
  std::uint8_t number_ = 0;
};

}  // namespace sqlitemem
