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
  /// Of both queues together, by their pages: which of them gives the next victim changes from one
  /// eviction to the next. Where pages on trial are to be such a share of all, they pass through
  /// that many times faster than the others.
  [[nodiscard]] QueueAge age_of(std::uint32_t trial_percent) const noexcept {
    const std::uint64_t warm = std::uint64_t{warm_.count()} * 100;
    const std::uint64_t hot = std::uint64_t{hot_.count()} * trial_percent;
    if (warm + hot == 0) return {};
    const std::uint64_t time = (warm * warm_.age(time_) + hot * hot_.age(time_)) / (warm + hot);
    const std::uint64_t percent = (warm + hot) / (std::uint64_t{warm_.count()} + hot_.count());
    return {.time = static_cast<std::uint32_t>(time),
            .percent = static_cast<std::uint32_t>(percent)};
  }
  [[nodiscard]] std::optional<Violation> find_queue_violation() const {
    if (const auto broken = warm_.find_violation()) return broken;
    return hot_.find_violation();
  }

  FrameQueue warm_;  ///< On trial.
  FrameQueue hot_;
};

}  // namespace sqlitemem
