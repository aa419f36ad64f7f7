// What the policies with two queues share: pages on trial, pages that proved their use, the search.
#pragma once

#include "allocators/pool/policy/frame_table.h"

namespace sqlitemem {

/// The base of S3-FIFO, 2Q and ARC, which differ in what moves a page from one queue to the other,
/// in which of them is to give the next victim, and in their ghosts.
class QueuePair : public FrameTable {
 public:
  void ask_again(FrameIndex frame) noexcept {
    if (knows(frame)) queue_of(frame).ask_again(records_, frame);
  }
  [[nodiscard]] Tier tier(FrameIndex frame) const noexcept {
    if (!knows(frame)) return Tier::none;
    return number_of(frame) == warm_number ? Tier::warm : Tier::hot;
  }

 protected:
  static constexpr std::uint8_t warm_number = 1, hot_number = 2;

  void start_queues(const PolicyMemory& memory) noexcept {
    start_table(memory);
    warm_.start(warm_number);
    hot_.start(hot_number);
  }
  /// The queue that holds the frame, which is known.
  [[nodiscard]] FrameQueue& queue_of(FrameIndex frame) noexcept {
    return number_of(frame) == warm_number ? warm_ : hot_;
  }
  /// Whether more than so many percent of the pages are warm.
  [[nodiscard]] bool is_warm_above(std::uint32_t percent) const noexcept {
    const std::uint64_t warm = warm_.count();
    return warm * 100 > (warm + hot_.count()) * percent;
  }
  void search_all() noexcept {
    warm_.search_all(records_);
    hot_.search_all(records_);
  }
  /// The oldest frame that may go of one queue, else of the other.
  template <class Predicate>
  [[nodiscard]] FrameIndex find_oldest(bool warm_first, Predicate& is_evictable) noexcept {
    const FrameIndex frame = (warm_first ? warm_ : hot_).find_oldest(records_, is_evictable);
    if (frame != no_frame) [[likely]]
      return frame;
    return (warm_first ? hot_ : warm_).find_oldest(records_, is_evictable);
  }
  /// Of the queue that gives the next victim. Where pages on trial are to be such a share of all,
  /// they pass through that many times faster than the others.
  [[nodiscard]] QueueAge age_of(bool warm_first, std::uint32_t trial_percent) const noexcept {
    const bool is_warm = warm_first ? warm_.count() != 0 : hot_.count() == 0;
    if (is_warm) return {.time = warm_.age(records_, time_)};
    return {.time = hot_.age(records_, time_), .percent = trial_percent};
  }
  /// Of the queues, and of the records if there are so many of its own.
  [[nodiscard]] std::optional<Violation> find_queue_violation(FrameIndex frames) const {
    for (const FrameQueue* queue : {&warm_, &hot_}) {
      if (const auto broken = queue->find_violation(records_, limit_of(frames))) return broken;
    }
    return find_table_violation(warm_.count() + hot_.count(), frames);
  }

  FrameQueue warm_;  ///< On trial.
  FrameQueue hot_;
};

}  // namespace sqlitemem
