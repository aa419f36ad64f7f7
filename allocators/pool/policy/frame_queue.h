// A queue of frames in the order of their arrival, searched from the old end for one that may go.
#pragma once

#include <cstdint>
#include <optional>

#include "allocators/pool/policy/policy.h"

namespace sqlitemem {

/// What a policy keeps per frame. Four to a cache line.
struct FrameLinks {
  FrameIndex newer;
  FrameIndex older;
  std::uint32_t fingerprint;  ///< Of the page's key; see GhostRing.
  std::uint8_t queue;         ///< Which queue of the policy holds it; 0: none.
  std::uint8_t last_queue;    ///< Which one held it when it was chosen as a victim.
  bool is_passed;             ///< The search of its queue went past it: it was refused.
  bool is_referenced;         ///< For policies without marks.
};
static_assert(sizeof(FrameLinks) == 16);

/// A doubly linked list through an array of FrameLinks. Searching does not start over at frames
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
  /// `number`: of this queue, not 0.
  void start(FrameLinks* links, std::uint8_t number) noexcept {
    links_ = links;
    number_ = number;
  }

  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  /// no_frame: it is empty.
  [[nodiscard]] FrameIndex oldest() const noexcept { return oldest_; }
  [[nodiscard]] std::uint8_t number() const noexcept { return number_; }

  void push_newest(FrameIndex frame) noexcept {
    FrameLinks& links = links_[frame];
    SQLITEMEM_CHECK(links.queue == 0, links.queue, 0);
    links.newer = no_frame;
    links.older = newest_;
    links.queue = number_;
    links.is_passed = false;
    (newest_ == no_frame ? oldest_ : links_[newest_].newer) = frame;
    newest_ = frame;
    if (cursor_ == no_frame) cursor_ = frame;
    ++count_;
  }
  void remove(FrameIndex frame) noexcept {
    FrameLinks& links = links_[frame];
    SQLITEMEM_CHECK(links.queue == number_, links.queue, number_);
    if (frame == oldest_ && cursor_ == frame) return remove_oldest();
    if (cursor_ == frame) cursor_ = links.newer;
    if (again_ == frame) again_ = passed_or_none(links.newer);
    (links.older == no_frame ? oldest_ : links_[links.older].newer) = links.newer;
    (links.newer == no_frame ? newest_ : links_[links.newer].older) = links.older;
    links.queue = 0;
    links.is_passed = false;
    --count_;
  }
  void make_newest(FrameIndex frame) noexcept {
    if (frame == newest_) return;
    remove(frame);
    push_newest(frame);
  }

  /// The oldest frame that `is_evictable` holds of, as far as it is asked; it stays in the queue.
  /// no_frame: none that was not passed before, nor among the few asked again.
  template <class Predicate>
  [[nodiscard]] FrameIndex find_oldest(Predicate& is_evictable) noexcept {
    for (int left = cursor_ == oldest_ ? 0 : asked_again; left > 0; --left) {
      if (again_ == no_frame) again_ = oldest_;
      const FrameIndex frame = again_;
      if (is_evictable(frame)) return frame;
      again_ = passed_or_none(links_[frame].newer);
    }
    while (cursor_ != no_frame) {
      const FrameIndex frame = cursor_;
      if (is_evictable(frame)) return frame;
      links_[frame].is_passed = true;
      cursor_ = links_[frame].newer;
    }
    return no_frame;
  }

  /// The next search starts at the oldest frame. O(passed frames).
  void search_all() noexcept;
  /// The next search asks about this member first, if it was passed.
  void ask_again(FrameIndex frame) noexcept {
    if (links_[frame].is_passed) again_ = frame;
  }

  /// O(count). `max_frames`: no list can be longer.
  [[nodiscard]] std::optional<Violation> find_violation(FrameIndex max_frames) const;

 private:
  friend struct PolicyTestAccess;
  // Passed frames asked about in each search. Two let the search get round them in half as many
  // evictions as there are passed frames.
  static constexpr int asked_again = 2;

  /// The usual victim. None is passed, as the search is about to ask about this one.
  void remove_oldest() noexcept {
    FrameLinks& links = links_[oldest_];
    oldest_ = cursor_ = links.newer;
    (oldest_ == no_frame ? newest_ : links_[oldest_].older) = no_frame;
    links.queue = 0;
    --count_;
  }
  [[nodiscard]] FrameIndex passed_or_none(FrameIndex frame) const noexcept {
    return frame != no_frame && links_[frame].is_passed ? frame : no_frame;
  }

  FrameLinks* links_ = nullptr;
  FrameIndex oldest_ = no_frame;
  FrameIndex newest_ = no_frame;
  FrameIndex cursor_ = no_frame;
  FrameIndex again_ = no_frame;
  std::uint32_t count_ = 0;
  std::uint8_t number_ = 0;
};

}  // namespace sqlitemem
