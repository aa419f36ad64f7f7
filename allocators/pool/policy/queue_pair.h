// What the policies with two queues share: pages on trial, pages that proved their use, the search.
#pragma once

#include "allocators/pool/policy/frame_table.h"

namespace sqlitemem {

/// The base of S3-FIFO, 2Q and ARC, which differ in what moves a page from one queue to the other,
/// in which of them is to give the next victim, and in their ghosts.
class QueuePair : public FrameTable {
 public:
  void ask_again(FrameRecord& frame) noexcept {
    if (knows(frame)) queue_of(frame).ask_again(frame);
  }
  [[nodiscard]] Tier tier(const FrameRecord& frame) const noexcept {
    if (!knows(frame)) return Tier::none;
    return is_warm(frame) ? Tier::warm : Tier::hot;
  }

 protected:
  static constexpr std::uint8_t warm_number = 1, hot_number = 2;

  void start_queues(const PolicyMemory& memory) noexcept {
    start_table(memory);
    warm_.start(warm_number);
    hot_.start(hot_number);
  }
  [[nodiscard]] static bool is_warm(const FrameRecord& frame) noexcept {
    return FrameQueue::number_in(frame) == warm_number;
  }
  /// The queue that holds the frame, which is known.
  [[nodiscard]] FrameQueue& queue_of(const FrameRecord& frame) noexcept {
    return is_warm(frame) ? warm_ : hot_;
  }
  /// Whether more than so many percent of the pages are warm.
  [[nodiscard]] bool is_warm_above(std::uint32_t percent) const noexcept {
    const std::uint64_t warm = warm_.count();
    return warm * 100 > (warm + hot_.count()) * percent;
  }
  void search_all() noexcept {
    warm_.search_all();
    hot_.search_all();
  }
  /// The oldest frame that may go of one queue, else of the other.
  template <class Predicate>
  [[nodiscard]] FrameRecord* find_oldest(bool warm_first, Predicate& is_evictable) noexcept {
    FrameRecord* frame = (warm_first ? warm_ : hot_).find_oldest(is_evictable);
    if (frame != nullptr) [[likely]]
      return frame;
    return (warm_first ? hot_ : warm_).find_oldest(is_evictable);
  }
  /// Of the queue that gives the next victim. Where pages on trial are to be such a share of all,
  /// they pass through that many times faster than the others.
  [[nodiscard]] QueueAge age_of(bool warm_first, std::uint32_t trial_percent) const noexcept {
    const bool is_warm = warm_first ? warm_.count() != 0 : hot_.count() == 0;
    if (is_warm) return {.time = warm_.age(time_)};
    return {.time = hot_.age(time_), .percent = trial_percent};
  }
  [[nodiscard]] std::optional<Violation> find_queue_violation() const {
    if (const auto broken = warm_.find_violation()) return broken;
    return hot_.find_violation();
  }

  FrameQueue warm_;  ///< On trial.
  FrameQueue hot_;
};

}  // namespace sqlitemem
