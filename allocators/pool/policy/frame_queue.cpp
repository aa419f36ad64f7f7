// The rare operations of a queue of frames.
#include "allocators/pool/policy/frame_queue.h"

namespace sqlitemem {

void FrameQueue::search_all() noexcept {
  for (FrameIndex at = oldest_; at != cursor_; at = links_[at].newer) links_[at].is_passed = false;
  cursor_ = oldest_;
  again_ = no_frame;
}

std::optional<Violation> FrameQueue::find_violation(FrameIndex max_frames) const {
  std::uint32_t reached = 0;
  FrameIndex older = no_frame;
  bool is_before_cursor = true;
  bool found_again = again_ == no_frame;
  for (FrameIndex at = oldest_; at != no_frame; older = at, at = links_[at].newer) {
    const FrameLinks& links = links_[at];
    if (at >= max_frames) return Violation{"a queue links existing frames", max_frames, at};
    if (++reached > count_) return Violation{"a queue is as long as counted", count_, reached};
    if (links.older != older) return Violation{"newer and older mirror", older, links.older};
    if (links.queue != number_) return Violation{"members name the queue", number_, links.queue};
    if (at == cursor_) is_before_cursor = false;
    if (at == again_ && is_before_cursor) found_again = true;
    if (links.is_passed != is_before_cursor) {
      return Violation{"older than the cursor = passed", is_before_cursor, links.is_passed};
    }
  }
  if (reached != count_) return Violation{"a queue is as long as counted", count_, reached};
  if (older != newest_) return Violation{"the last member is the newest", newest_, older};
  if (is_before_cursor != (cursor_ == no_frame)) {
    return Violation{"the cursor is a member or at the end", no_frame, cursor_};
  }
  if (!found_again) return Violation{"the frame to ask again was passed", 1, 0};
  return std::nullopt;
}

}  // namespace sqlitemem
