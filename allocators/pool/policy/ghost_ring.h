// The pages that were evicted lately: fingerprints of their keys, first in, first out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/check.h"

namespace sqlitemem {

/// Remembers the latest `limit` evictions (what was taken out again still counts as one). 12 to 16
/// bytes per eviction, in memory that its user gives. Two pages are confused with a
/// probability of 2^-32 each.
///
///     slots    [ .. │ c │ – │ e │ f │ g │ .. ]      – : taken out
///                     ▲ oldest       ▲ newest = oldest + span - 1, around the end
///     buckets  newest slot of each chain; a slot links to the next older one of its chain
///
/// Invariants:
/// (1) span <= limit <= slots in use; outside of the span nothing is read.
/// (2) Every fingerprint in the span is in the chain of its bucket, newest first, and nothing else.
/// (3) count = fingerprints in the span.
class GhostRing {
 public:
  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t max_limit) noexcept;
  /// Never 0, which stands for "taken out".
  [[nodiscard]] static std::uint32_t fingerprint(std::uint64_t key_hash) noexcept {
    const auto upper = static_cast<std::uint32_t>(key_hash >> 32);
    return upper == 0 ? 1 : upper;
  }

  /// `block`: bytes_needed(max_limit), zeroed, 64-byte aligned.
  void start(void* block, std::uint32_t max_limit) noexcept;
  /// How many evictions are remembered; forgets the oldest above it. O(limit) when it grows beyond
  /// a quarter more than ever before.
  void set_limit(std::uint32_t limit) noexcept;

  void push(std::uint32_t fingerprint) noexcept;
  /// Takes out the latest one with this fingerprint. false: there is none.
  bool take(std::uint32_t fingerprint) noexcept;
  /// Forgets the oldest. Requires count() > 0.
  void drop_oldest() noexcept;
  void clear() noexcept;

  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_; }
  /// O(limit × length of a chain).
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  friend struct PolicyTestAccess;
  struct Slot {
    std::uint32_t fingerprint;
    std::uint32_t older;  ///< Index + 1 of the next in the chain; 0: none.
  };

  [[nodiscard]] std::uint32_t index(std::uint32_t age) const noexcept {
    const std::uint64_t at = std::uint64_t{oldest_} + age;
    return static_cast<std::uint32_t>(at < slots_used_ ? at : at - slots_used_);
  }
  [[nodiscard]] std::uint32_t& bucket(std::uint32_t fingerprint) const noexcept {
    return buckets_[fingerprint & bucket_mask_];
  }
  void grow(std::uint32_t slots_used) noexcept;
  void drop_slot() noexcept;

  Slot* slots_ = nullptr;
  std::uint32_t* buckets_ = nullptr;  ///< Index + 1 of the newest slot; 0: empty.
  std::uint32_t max_limit_ = 0;
  std::uint32_t limit_ = 0;
  std::uint32_t slots_used_ = 0;
  std::uint32_t bucket_mask_ = 0;
  std::uint32_t oldest_ = 0;
  std::uint32_t span_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace sqlitemem
