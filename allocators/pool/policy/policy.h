// What an eviction policy is to the pool: its operations, and what each side may rely on.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "allocators/base/check.h"

namespace sqlitemem {

/// The number of a frame of the pool, below the maximum that the policy was started with.
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

/// Memory for a policy, given by its user for the policy's whole life.
struct PolicyMemory {
  void* block = nullptr;      ///< Zeroed, aligned to 64 bytes; lazily resident memory is best.
  std::size_t bytes = 0;      ///< At least Policy::bytes_needed(max_frames).
  FrameIndex max_frames = 0;  ///< All frame numbers, and all capacities, stay at or below it.
};

/// Policies are pure: no lock, no thread, no clock, no allocation after start(). Each operation
/// is called under the pool's lock for evictions, except on_reference() where it is a mark.
///
/// Life of a frame, as the policy sees it:
///
///     admit ──▶ on_reference* ──▶ choose_victims ──▶ (gone)       the page was evicted
///                                       │
///                                       └─ take_back ──▶ …        it was pinned in the meantime
///     admit ──▶ on_reference* ──▶ remove ──▶ (gone)               the page was dropped
///
/// - A frame stays in its place while it is pinned; the policy is not told of pins.
///   `is_evictable(frame)` says so when it matters. A frame that it refuses (pinned, or of a cache
///   at its floor) keeps its place, and is passed over without being asked about every time.
/// - References to pinned pages are not reported: they are one use, not several.
/// - Work is bounded: O(1) amortised per operation, except where said.
// clang-format off
template <class Policy>
concept EvictionPolicy = requires(
    Policy& policy, const Policy& view, const PolicyMemory& memory, FrameIndex frame,
    std::uint64_t key_hash, std::uint32_t frames, std::span<FrameIndex> victims,
    bool (*is_evictable)(FrameIndex), KeyMemory key_memory) {
  { Policy::name } -> std::convertible_to<std::string_view>;
  /// True: on_reference() only stores into the frame's own mark byte, relaxed, and needs no
  /// lock. False: it moves list nodes; the pool collects references and reports them later,
  /// under its lock.
  { Policy::reference_is_a_mark } -> std::convertible_to<bool>;

  /// What start() needs for so many frames. Proportional; most of it is only touched when
  /// that many frames are in use.
  { Policy::bytes_needed(frames) } noexcept -> std::same_as<std::size_t>;
  /// Once, first. `frames`: the capacity at first.
  { policy.start(memory, frames) } noexcept;
  /// The number of evictable frames that the pool wants to hold from now on. Sizes ghosts and
  /// queues; evicts nothing. O(frames) now and then.
  { policy.resize(frames) } noexcept;

  /// A page enters, into a frame that the policy does not know. `key_hash`: a good 64-bit hash
  /// of the page's identity (file, page number), the same whenever the page comes back.
  { policy.admit(frame, key_hash) } noexcept;
  /// A hit on a page that was not pinned.
  { policy.on_reference(frame) } noexcept;
  /// The page of this frame has another number from now on.
  { policy.rekey(frame, key_hash) } noexcept;
  /// A page leaves for a reason of its own. No effect on a frame that the policy does not know.
  { policy.remove(frame, key_memory) } noexcept;

  /// Chooses up to victims.size() frames, best victim first; returns how many. They are gone
  /// from the policy, their keys are ghosts. Fewer than asked for: the next call may find
  /// more. 0: it asked about every frame that it knows, and none is evictable; that is the one
  /// answer that costs O(frames).
  { policy.choose_victims(is_evictable, victims) } noexcept -> std::same_as<std::uint32_t>;
  /// This frame became evictable a moment ago (it was written back, say): ask about it early.
  /// Without this hint it is found too, after others. No effect on an unknown frame.
  { policy.ask_again(frame) } noexcept;
  /// A victim of the latest choose_victims() turned out to be in use: it returns, as recently
  /// used, into the queue from which it was taken, and its ghost vanishes.
  { policy.take_back(frame) } noexcept;

  /// After this, no page is recognised as one that was here before.
  { policy.forget_ghosts() } noexcept;

  { view.tier(frame) } noexcept -> std::same_as<Tier>;
  { view.counts() } noexcept -> std::same_as<TierCounts>;
  { view.ghost_count() } noexcept -> std::same_as<std::uint32_t>;
  { view.capacity() } noexcept -> std::same_as<std::uint32_t>;
  /// The first broken rule, or nothing. O(max_frames).
  { view.find_violation() } -> std::same_as<std::optional<Violation>>;
};
// clang-format on

/// A saturating count of references in a byte of its own per frame. The owner of the page
/// raises it without a lock; the evictor lowers it under the pool's lock. An update may be lost
/// when both do so at once: it is a hint, not a count. In the steady state of a hot page the byte
/// is only read, so that it does not travel between processors.
class ReferenceMark {
 public:
  static constexpr std::uint8_t most = 3;

  void raise() noexcept {
    const std::uint8_t now = value_.load(std::memory_order_relaxed);
    if (now < most) value_.store(static_cast<std::uint8_t>(now + 1), std::memory_order_relaxed);
  }
  void lower() noexcept {
    const std::uint8_t now = value_.load(std::memory_order_relaxed);
    if (now > 0) value_.store(static_cast<std::uint8_t>(now - 1), std::memory_order_relaxed);
  }
  void clear() noexcept { value_.store(0, std::memory_order_relaxed); }
  [[nodiscard]] std::uint8_t value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint8_t> value_{0};
};
static_assert(sizeof(ReferenceMark) == 1);

}  // namespace sqlitemem
