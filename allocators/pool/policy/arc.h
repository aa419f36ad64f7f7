// ARC: balances pages used once against pages used again by what its ghosts show.
#pragma once

#include "allocators/pool/policy/queue_pair.h"

namespace sqlitemem {

/// After Megiddo and Modha, "ARC: A self-tuning, low overhead replacement cache" (FAST 2003).
/// Pages used once and pages used again have a queue in LRU order each, and ghosts each; a ghost
/// that comes back shifts the target size of the first queue. Victims are chosen before the page
/// that needs the frame is known, so the paper's tie-break by that page is left out.
///
/// Invariants: those of its queues and rings, and
/// (1) each known frame is in one of the queues,
/// (2) once + its ghosts <= capacity, and all pages + all ghosts <= 2 × capacity, unless the pages
///     alone are more,
/// (3) target <= capacity.
class Arc : public QueuePair {
 public:
  static constexpr std::string_view name = "arc";
  static constexpr bool reference_is_a_mark = false;

  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t max_capacity) noexcept {
    return 2 * GhostRing::bytes_needed(max_capacity);
  }
  void start(const PolicyMemory& memory, std::uint32_t capacity) noexcept;
  void move_ghosts(const PolicyMemory& memory) noexcept;
  void resize(std::uint32_t capacity) noexcept;

  bool admit(FrameRecord& frame, std::uint64_t key_hash) noexcept;
  void on_reference(FrameRecord& frame) noexcept;
  void remove(FrameRecord& frame, KeyMemory key_memory) noexcept;

  template <class Predicate>
  [[nodiscard]] FrameRecord* choose_victim(Predicate&& is_evictable) noexcept {
    if (FrameRecord* frame = next_victim(is_evictable)) [[likely]]
      return frame;
    search_all();
    return next_victim(is_evictable);
  }
  void forget_ghosts() noexcept;

  [[nodiscard]] QueueAge age() const noexcept { return age_of(100); }
  [[nodiscard]] TierCounts counts() const noexcept {
    return {.warm = warm_.count(), .hot = hot_.count(), .cold = ghost_count()};
  }
  [[nodiscard]] std::uint32_t ghost_count() const noexcept {
    return once_ghosts_.count() + again_ghosts_.count();
  }
  /// How many pages used once it aims at.
  [[nodiscard]] std::uint32_t target() const noexcept { return target_; }
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  [[nodiscard]] GhostRing& ghosts_of(const FrameQueue& queue) noexcept {
    return &queue == &warm_ ? once_ghosts_ : again_ghosts_;
  }
  void remember(const FrameQueue& queue, const FrameRecord& frame) noexcept;
  void trim_ghosts() noexcept;

  template <class Predicate>
  [[nodiscard]] FrameRecord* next_victim(Predicate& is_evictable) noexcept {
    FrameRecord* frame = find_oldest(warm_.count() > target_, is_evictable);
    if (frame == nullptr) return nullptr;
    FrameQueue& queue = queue_of(*frame);
    queue.remove(*frame);
    remember(queue, *frame);
    return frame;
  }

  GhostRing once_ghosts_, again_ghosts_;
  std::uint32_t target_ = 0;
};
static_assert(EvictionPolicy<Arc>);

}  // namespace sqlitemem
