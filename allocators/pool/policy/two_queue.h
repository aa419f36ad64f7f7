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
  void move_ghosts(const PolicyMemory& memory) noexcept;
  void resize(std::uint32_t capacity) noexcept;

  bool admit(FrameRecord& frame, std::uint64_t key_hash) noexcept;
  void on_reference(FrameRecord& frame) noexcept {
    if (tier(frame) == Tier::hot) hot_.make_newest(frame, time_);
  }
  void remove(FrameRecord& frame, KeyMemory key_memory) noexcept;

  template <class Predicate>
  [[nodiscard]] FrameRecord* choose_victim(Predicate&& is_evictable) noexcept {
    if (FrameRecord* frame = next_victim(is_evictable)) [[likely]]
      return frame;
    search_all();
    return next_victim(is_evictable);
  }
  void forget_ghosts() noexcept { ghosts_.clear(); }

  [[nodiscard]] QueueAge age() const noexcept { return age_of(trial_percent); }
  [[nodiscard]] TierCounts counts() const noexcept {
    return {.warm = warm_.count(), .hot = hot_.count(), .cold = ghosts_.count()};
  }
  [[nodiscard]] std::uint32_t ghost_count() const noexcept { return ghosts_.count(); }
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  template <class Predicate>
  [[nodiscard]] FrameRecord* next_victim(Predicate& is_evictable) noexcept {
    FrameRecord* frame = find_oldest(is_warm_above(trial_percent), is_evictable);
    if (frame == nullptr) return nullptr;
    FrameQueue& queue = queue_of(*frame);
    queue.remove(*frame);
    if (&queue == &warm_) ghosts_.push(fingerprint_of(*frame));
    return frame;
  }

  GhostRing ghosts_;
};
static_assert(EvictionPolicy<TwoQueue>);

}  // namespace sqlitemem
