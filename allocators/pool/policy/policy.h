// What an eviction policy is to the pool: its operations, and what each side may rely on.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "allocators/base/check.h"

namespace sqlitemem {

/// The number of a frame of the pool, or in an array.
using FrameIndex = std::uint32_t;
inline constexpr FrameIndex no_frame = 0xFFFFFFFF;

/// Where the policy keeps a page. Cold pages are ghosts: only their key is remembered.
enum class Tier : std::uint8_t {
  none,  ///< The policy does not know the frame.
  warm,  ///< On trial: it has not yet proved that it is used again.
  hot,   ///< It was used again, or it came back soon after it was evicted.
};

/// How many pages each tier holds.
struct TierCounts {
  std::uint32_t warm = 0;
  std::uint32_t hot = 0;
  std::uint32_t cold = 0;  ///< Ghosts.
};

/// What becomes of the key of a page that leaves without having been chosen as a victim.
enum class KeyMemory : std::uint8_t {
  forget,    ///< The page does not exist any more (discarded, truncated, its file is gone).
  remember,  ///< The page may come back: one commit elsewhere made a connection drop its pages.
};

/// A saturating count of references. In the steady state of a hot page it is only read, so that its
/// cache line does not have to be written. Any thread may read it.
class ReferenceMark {
 public:
  static constexpr std::uint8_t most = 3;

  void raise() noexcept {
    if (value() < most) set(value() + 1);
  }
  void lower() noexcept {
    if (value() > 0) set(value() - 1);
  }
  void clear() noexcept { set(0); }
  [[nodiscard]] std::uint8_t value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  void set(int value) noexcept {
    value_.store(static_cast<std::uint8_t>(value), std::memory_order_relaxed);
  }
  std::atomic<std::uint8_t> value_{0};
};
static_assert(sizeof(ReferenceMark) == 1);

/// A count that one thread at a time changes and any may read.
class ReadableCount {
 public:
  constexpr ReadableCount() noexcept = default;
  ReadableCount(const ReadableCount& other) noexcept { *this = other; }
  ReadableCount& operator=(const ReadableCount& other) noexcept { return *this = other.value(); }
  ReadableCount& operator=(std::uint32_t value) noexcept {
    value_.store(value, std::memory_order_relaxed);
    return *this;
  }
  void add(std::int32_t by) noexcept { *this = value() + static_cast<std::uint32_t>(by); }
  [[nodiscard]] std::uint32_t value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint32_t> value_{0};
};

/// How old the pages are that would go next: for how long they have been in their queues, and how
/// much a unit of that time counts, so that policies with different shares on trial compare.
struct QueueAge {
  std::uint32_t time = 0;
  std::uint32_t percent = 100;
};

/// What a policy keeps per frame. The pool has it in the frame's header, so that a hit and a miss
/// need no cache line of the policy's own. Atomic is what reports read while the owner works.
struct FrameRecord {
  FrameRecord* newer = nullptr;
  FrameRecord* older = nullptr;
  /// Of the page: the upper half of its key's hash, never 0 while it is known.
  std::atomic<std::uint32_t> name{0};
  std::uint16_t stamp = 0;             ///< The policy's time when the frame entered its queue.
  std::atomic<std::uint8_t> place{0};  ///< Which queue holds it, 0: none; and whether it is passed.
  ReferenceMark mark;
};
static_assert(sizeof(FrameRecord) == 24);

/// Memory for the ghosts of a policy, given by its user until move_ghosts().
struct PolicyMemory {
  void* ghosts = nullptr;          ///< Zeroed, aligned to 64 bytes.
  std::uint32_t max_capacity = 0;  ///< Policy::bytes_needed(max_capacity) bytes are there.
};

/// Policies are pure: no lock, no thread, no clock, no allocation. The pool has one for each page
/// cache; every operation is called with that cache's lock entered, except counts().
///
/// Life of a frame, as the policy sees it:
///
///     admit ──▶ on_reference* ──▶ choose_victim ──▶ (gone)       the page was evicted
///     admit ──▶ on_reference* ──▶ remove ──▶ (gone)              the page was dropped
///
/// - A frame stays in its place while it is pinned; the policy is not told of pins.
///   `is_evictable(frame)` says so when it matters. A frame that it refuses keeps its place, and is
///   passed over without being asked about every time.
/// - References to pinned pages are not reported: they are one use, not several.
/// - Work is bounded: O(1) amortised per operation, except where said.
/// - Time is a number that the user sets; it wraps around. Policies of several caches compare by it
///   whose pages are older.
// clang-format off
template <class Policy>
concept EvictionPolicy = requires(
    Policy& policy, const Policy& view, const PolicyMemory& memory, FrameRecord& frame,
    const FrameRecord& known, std::uint64_t key_hash, std::uint32_t frames, KeyMemory key_memory,
    bool (*is_evictable)(const FrameRecord&), std::uint16_t time) {
  { Policy::name } -> std::convertible_to<std::string_view>;
  /// True: on_reference() only raises the frame's mark, whatever the frame's place.
  { Policy::reference_is_a_mark } -> std::convertible_to<bool>;

  /// What the ghosts of such a capacity need. Proportional, a multiple of 64; 0 for 0.
  { Policy::bytes_needed(frames) } noexcept -> std::same_as<std::size_t>;
  /// Once, first. `frames`: the capacity at first.
  { policy.start(memory, frames) } noexcept;
  /// From now on, ghosts live in this memory, for a capacity that is not less than the present one.
  /// What is remembered stays so. O(frames).
  { policy.move_ghosts(memory) } noexcept;
  /// The number of evictable frames that its user wants to hold from now on, at most the maximum of
  /// the memory. Sizes ghosts and queues; evicts nothing. O(frames) now and then.
  { policy.resize(frames) } noexcept;
  /// What time it is, until the next call.
  { policy.set_time(time) } noexcept;
  /// At the set time; 0 without a page.
  { view.age() } noexcept -> std::same_as<QueueAge>;

  /// A page enters, into a frame that the policy does not know. The upper half of `key_hash` is the
  /// page's name, the same whenever the page comes back. True: it did, while it was remembered.
  { policy.admit(frame, key_hash) } noexcept -> std::same_as<bool>;
  /// A hit on a page that was not pinned.
  { policy.on_reference(frame) } noexcept;
  /// The page of this frame has another number from now on.
  { policy.rekey(frame, key_hash) } noexcept;
  /// A page leaves for a reason of its own. No effect on a frame that the policy does not know.
  { policy.remove(frame, key_memory) } noexcept;

  /// The best victim; it is gone from the policy, its key may be a ghost. nullptr: it asked about
  /// every frame that it knows, and none is evictable; that is the one answer that costs O(frames).
  { policy.choose_victim(is_evictable) } noexcept -> std::same_as<FrameRecord*>;
  /// This frame became evictable a moment ago (it was written back, say): ask about it early.
  /// Without this hint it is found too, after others. No effect on an unknown frame.
  { policy.ask_again(frame) } noexcept;
  /// After this, no page is recognised as one that was here before.
  { policy.forget_ghosts() } noexcept;

  { view.tier(known) } noexcept -> std::same_as<Tier>;
  /// Any thread.
  { view.counts() } noexcept -> std::same_as<TierCounts>;
  { view.ghost_count() } noexcept -> std::same_as<std::uint32_t>;
  { view.capacity() } noexcept -> std::same_as<std::uint32_t>;
  /// The first broken rule, or nothing. O(frames).
  { view.find_violation() } -> std::same_as<std::optional<Violation>>;
};
// clang-format on

}  // namespace sqlitemem
