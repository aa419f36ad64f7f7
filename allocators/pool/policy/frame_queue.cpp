// Linking and unlinking frames while a search of the queue is under way.
#include "allocators/pool/policy/frame_queue.h"

namespace sqlitemem {

void FrameQueue::push_newest(FrameIndex frame) noexcept {
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

void FrameQueue::remove(FrameIndex frame) noexcept {
  FrameLinks& links = links_[frame];
  SQLITEMEM_CHECK(links.queue == number_, links.queue, number_);
  if (cursor_ == frame) cursor_ = links.newer;
  if (again_ == frame) again_ = passed_or_none(links.newer);
  (links.older == no_frame ? oldest_ : links_[links.older].newer) = links.newer;
  (links.newer == no_frame ? newest_ : links_[links.newer].older) = links.older;
  links.queue = 0;
  links.is_passed = false;
  --count_;
}

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
