// S3-FIFO: a small queue on trial, a main queue with reference marks, ghosts. The default policy.
#pragma once

#include "allocators/pool/policy/frame_table.h"
#include "allocators/pool/policy/ghost_table.h"

namespace sqlitemem {

/// After Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction" (SOSP
/// 2023). A hit moves nothing: it raises a mark in a byte of its own. Ghosts are not one queue, as
/// in the paper, but a GhostTable: a page is remembered for about as many evictions, not for
/// exactly as many.
///
///     new page ──▶ small (warm) ── used again often enough ──▶ main (hot) ◀──┐ marked: once more
///                      │ otherwise                               │ └─────────┘
///                      ▼ evicted                                 ▼ evicted
///                   ghosts ── comes back while remembered ──▶ main
///
/// Invariants: those of its queues and its ghosts, and
/// (1) each known frame is in one of the two queues,
/// (2) a frame that is in none has no mark.
class S3Fifo : public FrameTable {
 public:
  struct Tuning {
    std::uint32_t small_percent = 10;  ///< Of the pages: above it, victims come from small.
    std::uint8_t promotion_marks = 2;  ///< References on trial that lead to main.
    std::uint32_t ghost_percent = 90;  ///< Of the capacity.
    bool remembers_main = false;       ///< Whether pages evicted from main become ghosts too.
  };

  static constexpr std::string_view name = "s3fifo";
  static constexpr bool reference_is_a_mark = true;

  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t max_frames) noexcept;
  void start(const PolicyMemory& memory, std::uint32_t capacity) noexcept;
  void resize(std::uint32_t capacity) noexcept;
  /// Between operations; the queues approach the new shares as pages come and go.
  void tune(const Tuning& tuning) noexcept;
  [[nodiscard]] const Tuning& tuning() const noexcept { return tuning_; }

  void admit(FrameIndex frame, std::uint64_t key_hash) noexcept {
    const bool was_here = ghosts_.take(GhostTable::fingerprint(key_hash));
    enter(was_here ? main_ : small_, frame, key_hash);
    marks_[frame].clear();
  }
  /// admit() will be called with this hash.
  void prefetch(std::uint64_t key_hash) const noexcept {
    ghosts_.prefetch(GhostTable::fingerprint(key_hash));
  }
  /// Without a lock, by the owner of the page.
  void on_reference(FrameIndex frame) noexcept { marks_[frame].raise(); }
  void remove(FrameIndex frame, KeyMemory key_memory) noexcept;

  template <class Predicate>
  [[nodiscard]] std::uint32_t choose_victims(Predicate&& is_evictable,
                                             std::span<FrameIndex> victims) noexcept {
    return collect(
        victims, [&] { return next_victim(is_evictable); }, [&] { search_all(); });
  }
  void ask_again(FrameIndex frame) noexcept {
    if (knows(frame)) queue_of(links(frame).queue).ask_again(frame);
  }
  void take_back(FrameIndex frame) noexcept;
  void forget_ghosts() noexcept { ghosts_.clear(); }

  [[nodiscard]] std::uint8_t marks(FrameIndex frame) const noexcept {
    return marks_[frame].value();
  }
  [[nodiscard]] Tier tier(FrameIndex frame) const noexcept {
    if (!knows(frame)) return Tier::none;
    return links(frame).queue == small_number ? Tier::warm : Tier::hot;
  }
  [[nodiscard]] TierCounts counts() const noexcept {
    return {.warm = small_.count(), .hot = main_.count(), .cold = ghosts_.count()};
  }
  [[nodiscard]] std::uint32_t ghost_count() const noexcept { return ghosts_.count(); }
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  friend struct PolicyTestAccess;
  static constexpr std::uint8_t small_number = 1, main_number = 2;

  [[nodiscard]] FrameQueue& queue_of(std::uint8_t number) noexcept {
    return number == small_number ? small_ : main_;
  }
  [[nodiscard]] bool small_is_due() const noexcept {
    const std::uint64_t pages = std::uint64_t{small_.count()} + main_.count();
    return std::uint64_t{small_.count()} * 100 > pages * tuning_.small_percent;
  }
  void search_all() noexcept {
    small_.search_all();
    main_.search_all();
  }
  void evict(FrameQueue& queue, FrameIndex frame) noexcept {
    leave(queue, frame);
    marks_[frame].clear();
    if (&queue == &small_ || tuning_.remembers_main) ghosts_.push(links(frame).fingerprint);
    // Probably the next one: its ghost's place is a cache line of its own, far from the others.
    if (const FrameIndex next = queue.oldest(); next != no_frame)
      ghosts_.prefetch(links(next).fingerprint);
  }

  /// Each turn evicts, moves a frame from small to main, or lowers a mark, so it ends.
  template <class Predicate>
  [[nodiscard]] FrameIndex next_victim(Predicate& is_evictable) noexcept {
    while (true) {
      const bool small_first = small_is_due();
      FrameIndex frame = (small_first ? small_ : main_).find_oldest(is_evictable);
      if (frame == no_frame) frame = (small_first ? main_ : small_).find_oldest(is_evictable);
      if (frame == no_frame) return no_frame;
      const bool is_small = links(frame).queue == small_number;
      if (is_small && marks_[frame].value() >= tuning_.promotion_marks) {
        small_.remove(frame);
        marks_[frame].clear();
        main_.push_newest(frame);
      } else if (!is_small && marks_[frame].value() > 0) {
        marks_[frame].lower();
        main_.make_newest(frame);
      } else {
        evict(is_small ? small_ : main_, frame);
        return frame;
      }
    }
  }

  ReferenceMark* marks_ = nullptr;  ///< By frame.
  FrameQueue small_, main_;
  GhostTable ghosts_;
  Tuning tuning_;
};
static_assert(EvictionPolicy<S3Fifo>);

}  // namespace sqlitemem
