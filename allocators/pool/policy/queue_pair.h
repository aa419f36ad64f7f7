// What the policies with two queues share: pages on trial, pages that proved their use, the search.
#pragma once

#include "allocators/pool/policy/frame_table.h"

namespace sqlitemem {

/// The base of S3-FIFO, 2Q and ARC, which differ in what moves a page from one queue to the other,
/// in which of them is to give the next victim, and in their ghosts.
class QueuePair : public FrameTable {
 public:
  void ask_again(FrameIndex frame) noexcept {
    if (knows(frame)) queue_of(links(frame).queue).ask_again(frame);
  }
  [[nodiscard]] Tier tier(FrameIndex frame) const noexcept {
    if (!knows(frame)) return Tier::none;
    return links(frame).queue == warm_number ? Tier::warm : Tier::hot;
  }

 protected:
  static constexpr std::uint8_t warm_number = 1, hot_number = 2;

  void start_queues(MemoryCutter& cutter, FrameIndex max_frames) noexcept {
    start_table(cutter, max_frames);
    warm_.start(links_, warm_number);
    hot_.start(links_, hot_number);
  }
  [[nodiscard]] FrameQueue& queue_of(std::uint8_t number) noexcept {
    return number == warm_number ? warm_ : hot_;
  }
  /// Whether more than so many percent of the pages are warm.
  [[nodiscard]] bool is_warm_above(std::uint32_t percent) const noexcept {
    const std::uint64_t pages = std::uint64_t{warm_.count()} + hot_.count();
    return std::uint64_t{warm_.count()} * 100 > pages * percent;
  }
  void search_all() noexcept {
    warm_.search_all();
    hot_.search_all();
  }
  /// The oldest frame that may go of one queue, else of the other.
  template <class Predicate>
  [[nodiscard]] FrameIndex find_oldest(bool warm_first, Predicate& is_evictable) noexcept {
    const FrameIndex frame = (warm_first ? warm_ : hot_).find_oldest(is_evictable);
    return frame != no_frame ? frame : (warm_first ? hot_ : warm_).find_oldest(is_evictable);
  }
  /// Of the queues and the table. O(max_frames).
  [[nodiscard]] std::optional<Violation> find_queue_violation() const {
    for (const FrameQueue* queue : {&warm_, &hot_}) {
      if (const auto broken = queue->find_violation(max_frames_)) return broken;
    }
    return find_table_violation(warm_.count() + hot_.count());
  }

  FrameQueue warm_;  ///< On trial.
  FrameQueue hot_;
};

}  // namespace sqlitemem
