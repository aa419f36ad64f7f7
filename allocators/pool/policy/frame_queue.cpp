// The rare operations of a queue of frames.
#include "allocators/pool/policy/frame_queue.h"

namespace sqlitemem {

void FrameQueue::remove_other(FrameRecord& frame) noexcept {
  if (cursor_ == &frame) cursor_ = frame.newer;
  if (again_ == &frame) again_ = passed_or_none(frame.newer);
  (frame.older == nullptr ? oldest_ : frame.older->newer) = frame.newer;
  (frame.newer == nullptr ? newest_ : frame.newer->older) = frame.older;
  frame.place.store(0, std::memory_order_relaxed);
  count_.add(-1);
}

void FrameQueue::search_all() noexcept {
  for (FrameRecord* at = oldest_; at != cursor_; at = at->newer)
    at->place.store(number_, std::memory_order_relaxed);
  cursor_ = oldest_;
  again_ = nullptr;
}

std::optional<Violation> FrameQueue::find_violation() const {
  std::uint32_t reached = 0;
  const FrameRecord* older = nullptr;
  bool is_before_cursor = true;
  bool found_again = again_ == nullptr;
  for (const FrameRecord* at = oldest_; at != nullptr; older = at, at = at->newer) {
    const auto where = reinterpret_cast<std::uintptr_t>(at);
    if (++reached > count())
      return Violation{"a queue is as long as counted", count(), reached, where};
    if (at->older != older) return Violation{"newer and older mirror", 1, 0, where};
    if (number_in(*at) != number_)
      return Violation{"members name the queue", number_, number_in(*at), where};
    if (at == cursor_) is_before_cursor = false;
    if (at == again_ && is_before_cursor) found_again = true;
    if (is_passed(*at) != is_before_cursor)
      return Violation{"older than the cursor = passed", is_before_cursor, is_passed(*at), where};
  }
  if (reached != count()) return Violation{"a queue is as long as counted", count(), reached};
  if (older != newest_) return Violation{"the last member is the newest", 1, 0};
  if (is_before_cursor != (cursor_ == nullptr))
    return Violation{"the cursor is a member or at the end", 1, 0};
  if (!found_again) return Violation{"the frame to ask again was passed", 1, 0};
  return std::nullopt;
}

}  // namespace sqlitemem
