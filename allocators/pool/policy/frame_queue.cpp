// The rare operations of a queue of frames.
#include "allocators/pool/policy/frame_queue.h"

namespace sqlitemem {

void FrameQueue::search_all(const FrameRecords& records) noexcept {
  for (FrameIndex at = oldest_; at != cursor_; at = records[at].newer)
    records[at].place.store(number_, std::memory_order_relaxed);
  cursor_ = oldest_;
  again_ = no_frame;
}

std::optional<Violation> FrameQueue::find_violation(const FrameRecords& records,
                                                    FrameIndex max_frames) const {
  std::uint32_t reached = 0;
  FrameIndex older = no_frame;
  bool is_before_cursor = true;
  bool found_again = again_ == no_frame;
  for (FrameIndex at = oldest_; at != no_frame; older = at, at = records[at].newer) {
    if (at >= max_frames) return Violation{"a queue links existing frames", max_frames, at};
    const FrameRecord& record = records[at];
    if (++reached > count()) return Violation{"a queue is as long as counted", count(), reached};
    if (record.older != older) return Violation{"newer and older mirror", older, record.older};
    if (number_in(record) != number_)
      return Violation{"members name the queue", number_, number_in(record)};
    if (at == cursor_) is_before_cursor = false;
    if (at == again_ && is_before_cursor) found_again = true;
    if (is_passed(record) != is_before_cursor) {
      return Violation{"older than the cursor = passed", is_before_cursor, is_passed(record)};
    }
  }
  if (reached != count()) return Violation{"a queue is as long as counted", count(), reached};
  if (older != newest_) return Violation{"the last member is the newest", newest_, older};
  if (is_before_cursor != (cursor_ == no_frame)) {
    return Violation{"the cursor is a member or at the end", no_frame, cursor_};
  }
  if (!found_again) return Violation{"the frame to ask again was passed", 1, 0};
  return std::nullopt;
}

}  // namespace sqlitemem
