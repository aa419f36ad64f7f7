// LRU: the page that was not used for the longest time goes first.
#pragma once

#include "allocators/pool/policy/frame_table.h"

namespace sqlitemem {

/// One queue, no ghosts. A page is hot once it was used again. The yardstick of the others.
///
/// Invariants: those of its queue, and hot = members that were referenced.
class Lru : public FrameTable {
 public:
  static constexpr std::string_view name = "lru";
  static constexpr bool reference_is_a_mark = false;

  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t max_frames) noexcept {
    return table_bytes(max_frames);
  }
  void start(const PolicyMemory& memory, std::uint32_t capacity) noexcept;
  void resize(std::uint32_t capacity) noexcept { set_capacity(capacity); }

  void admit(FrameIndex frame, std::uint64_t key_hash) noexcept { enter(queue_, frame, key_hash); }
  void on_reference(FrameIndex frame) noexcept;
  void remove(FrameIndex frame, KeyMemory key_memory) noexcept;

  template <class Predicate>
  [[nodiscard]] std::uint32_t choose_victims(Predicate&& is_evictable,
                                             std::span<FrameIndex> victims) noexcept {
    return collect(
        victims, [&] { return next_victim(is_evictable); }, [&] { queue_.search_all(); });
  }
  void ask_again(FrameIndex frame) noexcept {
    if (knows(frame)) queue_.ask_again(frame);
  }
  void take_back(FrameIndex frame) noexcept;
  void forget_ghosts() noexcept {}

  [[nodiscard]] Tier tier(FrameIndex frame) const noexcept;
  [[nodiscard]] TierCounts counts() const noexcept {
    return {.warm = queue_.count() - hot_, .hot = hot_, .cold = 0};
  }
  [[nodiscard]] std::uint32_t ghost_count() const noexcept { return 0; }
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  friend struct PolicyTestAccess;

  template <class Predicate>
  [[nodiscard]] FrameIndex next_victim(Predicate& is_evictable) noexcept {
    const FrameIndex frame = queue_.find_oldest(is_evictable);
    if (frame == no_frame) return no_frame;
    leave(queue_, frame);
    if (links(frame).is_referenced) --hot_;
    return frame;
  }

  FrameQueue queue_;
  std::uint32_t hot_ = 0;
};
static_assert(EvictionPolicy<Lru>);

}  // namespace sqlitemem
