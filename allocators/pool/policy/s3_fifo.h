// S3-FIFO: a small queue on trial, a main queue with reference marks, ghosts. The default policy.
#pragma once

#include "allocators/pool/policy/ghost_table.h"
#include "allocators/pool/policy/queue_pair.h"

namespace sqlitemem {

/// After Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction" (SOSP
/// 2023). A hit moves nothing: it raises a mark. Ghosts are not one queue, as
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
class S3Fifo : public QueuePair {
 public:
  struct Tuning {
    std::uint32_t small_percent = 10;  ///< Of the pages: above it, victims come from small.
    std::uint8_t promotion_marks = 2;  ///< References on trial that lead to main.
    std::uint32_t ghost_percent = 90;  ///< Of the capacity.
    bool remembers_main = false;       ///< Whether pages evicted from main become ghosts too.
  };

  static constexpr std::string_view name = "s3fifo";
  static constexpr bool reference_is_a_mark = true;

  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t max_capacity) noexcept {
    return max_capacity == 0 ? 0 : GhostTable::bytes_needed(max_capacity);
  }
  void start(const PolicyMemory& memory, std::uint32_t capacity) noexcept;
  void move_ghosts(const PolicyMemory& memory) noexcept;
  void resize(std::uint32_t capacity) noexcept;
  /// Between operations; the queues approach the new shares as pages come and go.
  void tune(const Tuning& tuning) noexcept;
  [[nodiscard]] const Tuning& tuning() const noexcept { return tuning_; }

  [[gnu::always_inline]] bool admit(FrameRecord& frame, std::uint64_t key_hash) noexcept {
    const bool was_here = ghosts_.take(GhostTable::fingerprint(key_hash));
    enter(was_here ? hot_ : warm_, frame, key_hash);
    return was_here;
  }
  /// admit() will be called with this hash.
  [[gnu::always_inline]] void prefetch(std::uint64_t key_hash) const noexcept {
    ghosts_.prefetch(GhostTable::fingerprint(key_hash));
  }
  /// Probably the next victim. Its ghost's place and the victim after it, which lie far from
  /// everything else, are brought near. nullptr: there is none.
  [[gnu::always_inline]] FrameRecord* prefetch_victim() const noexcept {
    FrameRecord* next = (is_warm_above(tuning_.small_percent) ? warm_ : hot_).next_asked();
    if (next == nullptr) return nullptr;
    ghosts_.prefetch(fingerprint_of(*next));
    __builtin_prefetch(next->newer, 1);
    return next;
  }
  void on_reference(FrameRecord& frame) noexcept { frame.mark.raise(); }
  void remove(FrameRecord& frame, KeyMemory key_memory) noexcept;

  template <class Predicate>
  [[nodiscard]] FrameRecord* choose_victim(Predicate&& is_evictable) noexcept {
    if (FrameRecord* frame = next_victim(is_evictable)) [[likely]]
      return frame;
    return search_everywhere(is_evictable);
  }
  void forget_ghosts() noexcept { ghosts_.clear(); }

  [[nodiscard]] QueueAge age() const noexcept { return age_of(tuning_.small_percent); }
  [[nodiscard]] static std::uint8_t marks(const FrameRecord& frame) noexcept {
    return frame.mark.value();
  }
  [[nodiscard]] TierCounts counts() const noexcept {
    return {.warm = warm_.count(), .hot = hot_.count(), .cold = ghosts_.count()};
  }
  [[nodiscard]] std::uint32_t ghost_count() const noexcept { return ghosts_.count(); }
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  template <class Predicate>
  [[nodiscard, gnu::noinline]] FrameRecord* search_everywhere(Predicate& is_evictable) noexcept {
    search_all();
    return next_victim(is_evictable);
  }
  /// Each turn evicts, moves a frame from small to main, or lowers a mark, so it ends.
  template <class Predicate>
  [[nodiscard, gnu::always_inline]] FrameRecord* next_victim(Predicate& is_evictable) noexcept {
    while (true) {
      FrameRecord* frame = find_oldest(is_warm_above(tuning_.small_percent), is_evictable);
      if (frame == nullptr) return nullptr;
      if (is_warm(*frame)) {
        if (frame->mark.value() < tuning_.promotion_marks) [[likely]] {
          evict(warm_, *frame, true);
          return frame;
        }
        warm_.remove(*frame);
        frame->mark.clear();
        hot_.push_newest(*frame, time_);
      } else {
        if (frame->mark.value() == 0) {
          evict(hot_, *frame, tuning_.remembers_main);
          return frame;
        }
        frame->mark.lower();
        hot_.make_newest(*frame, time_);
      }
    }
  }
  [[gnu::always_inline]] void evict(FrameQueue& queue, FrameRecord& frame,
                                    bool is_remembered) noexcept {
    queue.remove(frame);
    frame.mark.clear();
    if (!is_remembered) return;
    ghosts_.push(fingerprint_of(frame));
  }

  GhostTable ghosts_;
  Tuning tuning_;
};
static_assert(EvictionPolicy<S3Fifo>);

}  // namespace sqlitemem
