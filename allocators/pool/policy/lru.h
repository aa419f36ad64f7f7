// LRU: the page that was not used for the longest time goes first.
#pragma once

#include <algorithm>

#include "allocators/pool/policy/frame_table.h"

namespace sqlitemem {

/// One queue, no ghosts. A page is hot once it was used again. The yardstick of the others.
///
/// Invariants: those of its queue, and hot = members that are marked.
class Lru : public FrameTable {
 public:
  static constexpr std::string_view name = "lru";
  static constexpr bool reference_is_a_mark = false;

  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t /*max_capacity*/) noexcept {
    return 0;
  }
  void start(const PolicyMemory& memory, std::uint32_t capacity) noexcept;
  void move_ghosts(const PolicyMemory& memory) noexcept { max_capacity_ = memory.max_capacity; }
  void resize(std::uint32_t capacity) noexcept { set_capacity(capacity); }

  bool admit(FrameRecord& frame, std::uint64_t key_hash) noexcept {
    enter(queue_, frame, key_hash);
    return false;
  }
  void on_reference(FrameRecord& frame) noexcept;
  void remove(FrameRecord& frame, KeyMemory key_memory) noexcept;

  template <class Predicate>
  [[nodiscard]] FrameRecord* choose_victim(Predicate&& is_evictable) noexcept {
    if (FrameRecord* frame = next_victim(is_evictable)) [[likely]]
      return frame;
    queue_.search_all();
    return next_victim(is_evictable);
  }
  void ask_again(FrameRecord& frame) noexcept {
    if (knows(frame)) queue_.ask_again(frame);
  }
  void forget_ghosts() noexcept {}

  [[nodiscard]] QueueAge age() const noexcept { return {.time = queue_.age(time_)}; }
  [[nodiscard]] Tier tier(const FrameRecord& frame) const noexcept;
  [[nodiscard]] TierCounts counts() const noexcept {
    const std::uint32_t pages = queue_.count(), hot = std::min(hot_.value(), pages);
    return {.warm = pages - hot, .hot = hot, .cold = 0};
  }
  [[nodiscard]] std::uint32_t ghost_count() const noexcept { return 0; }
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  template <class Predicate>
  [[nodiscard]] FrameRecord* next_victim(Predicate& is_evictable) noexcept {
    FrameRecord* frame = queue_.find_oldest(is_evictable);
    if (frame != nullptr) take_out(*frame);
    return frame;
  }
  void take_out(FrameRecord& frame) noexcept {
    queue_.remove(frame);
    if (frame.mark.value() != 0) hot_.add(-1);
    frame.mark.clear();
  }

  FrameQueue queue_;
  ReadableCount hot_;
};
static_assert(EvictionPolicy<Lru>);

}  // namespace sqlitemem
