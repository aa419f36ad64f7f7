// 2Q: new pages pass through a short queue; only those that come back enter the main one.
#pragma once

#include "allocators/pool/policy/queue_pair.h"

namespace sqlitemem {

/// After Johnson and Shasha, "2Q: A low overhead high performance buffer management replacement
/// algorithm" (VLDB 1994), full version, with their shares: a quarter of the pages is on trial
/// (first in, first out), half as many ghosts as pages are remembered.
///
/// Invariants: those of its queues and its ring; each known frame is in one of the queues.
class TwoQueue : public QueuePair {
 public:
  static constexpr std::string_view name = "2q";
  static constexpr bool reference_is_a_mark = false;
  static constexpr std::uint32_t trial_percent = 25;
  static constexpr std::uint32_t ghost_percent = 50;

  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t max_capacity) noexcept {
    return GhostRing::bytes_needed(max_capacity);
  }
  void start(const PolicyMemory& memory, std::uint32_t capacity) noexcept;
  void move_ghosts(void* ghosts, std::uint32_t max_capacity) noexcept;
  void resize(std::uint32_t capacity) noexcept;

  bool admit(FrameIndex frame, std::uint64_t key_hash) noexcept;
  void on_reference(FrameIndex frame) noexcept {
    if (number_of(frame) == hot_number) hot_.make_newest(records_, frame, time_);
  }
  void remove(FrameIndex frame, KeyMemory key_memory) noexcept;

  template <class Predicate>
  [[nodiscard]] std::uint32_t choose_victims(Predicate&& is_evictable,
                                             std::span<FrameIndex> victims) noexcept {
    return collect(
        victims, [&] { return next_victim(is_evictable); }, [&] { search_all(); });
  }
  void forget_ghosts() noexcept { ghosts_.clear(); }

  [[nodiscard]] QueueAge age() const noexcept {
    return age_of(is_warm_above(trial_percent), trial_percent);
  }
  [[nodiscard]] TierCounts counts() const noexcept {
    return {.warm = warm_.count(), .hot = hot_.count(), .cold = ghosts_.count()};
  }
  [[nodiscard]] std::uint32_t ghost_count() const noexcept { return ghosts_.count(); }
  [[nodiscard]] std::optional<Violation> find_violation(FrameIndex frames) const;

 private:
  friend struct PolicyTestAccess;

  template <class Predicate>
  [[nodiscard]] FrameIndex next_victim(Predicate& is_evictable) noexcept {
    const bool trial_first = is_warm_above(trial_percent);
    const FrameIndex frame = find_oldest(trial_first, is_evictable);
    if (frame == no_frame) return no_frame;
    FrameQueue& queue = queue_of(frame);
    queue.remove(records_, frame);
    if (&queue == &warm_) ghosts_.push(fingerprint_of(frame));
    return frame;
  }

  GhostRing ghosts_;
};
static_assert(EvictionPolicy<TwoQueue>);

}  // namespace sqlitemem
