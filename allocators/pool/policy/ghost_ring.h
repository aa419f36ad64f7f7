// The pages that were evicted lately: fingerprints of their keys, first in, first out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/check.h"
#include "allocators/pool/policy/policy.h"

namespace sqlitemem {

/// Remembers the latest `limit` evictions (what was taken out again still counts as one). 12 to 16
/// bytes per eviction, in memory that its user gives. Pages are confused only if they have the same
/// fingerprint. Evictions are numbered; what is forgotten is not unlinked, but recognised by its
/// number, so that forgetting touches no bucket and a push touches one.
///
///     slots    [ .. │ c │ – │ e │ f │ g │ .. ]      – : taken out
///                     ▲ oldest      ▲ newest: eviction number next - 1
///     buckets  number of the latest eviction of each chain; a slot has the number of the one
///              before it in its chain. The chain ends where a number is forgotten.
///
/// Invariants:
/// (1) span <= limit <= slots in use; outside of the span nothing is read.
/// (2) Every fingerprint in the span is reached from its bucket, newest first.
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
  /// Takes what is remembered to another block, of zeroed bytes_needed(max_limit) for no less than
  /// the present limit. O(limit).
  void move(void* block, std::uint32_t max_limit) noexcept;

  void push(std::uint32_t fingerprint) noexcept {
    if (limit_ == 0) return;
    if (span_ == limit_) drop_slot();
    std::uint32_t& latest = bucket(fingerprint);
    slot(span_) = {.fingerprint = fingerprint, .before = latest};
    latest = next_++;
    ++span_;
    count_.add(1);
  }
  /// Takes out the latest one with this fingerprint. false: there is none.
  bool take(std::uint32_t fingerprint) noexcept {
    if (span_ == 0) return false;
    std::uint32_t now = age(bucket(fingerprint));
    for (std::uint32_t last = 0; now > last && now <= span_;) {
      Slot& found = slot(span_ - now);
      if (found.fingerprint == fingerprint) {
        found.fingerprint = 0;
        count_.add(-1);
        return true;
      }
      last = now;
      now = age(found.before);
    }
    return false;
  }
  /// Forgets the oldest. Requires count() > 0.
  void drop_oldest() noexcept;
  void clear() noexcept;

  [[nodiscard]] std::uint32_t count() const noexcept { return count_.value(); }
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_; }
  /// O(limit × length of a chain).
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  friend struct GhostTestAccess;
  struct Slot {
    std::uint32_t fingerprint;
    std::uint32_t before;  ///< Number of the eviction before it in its chain.
  };

  /// The slot that is so many after the oldest.
  [[nodiscard]] Slot& slot(std::uint32_t from_oldest) const noexcept {
    const std::uint64_t at = std::uint64_t{oldest_} + from_oldest;
    return slots_[at < slots_used_ ? at : at - slots_used_];
  }
  /// How many evictions ago this number was given, 1 the latest; above the span: forgotten.
  /// Numbers wrap around; a very old one may then look young, but leads to a slot of the span.
  [[nodiscard]] std::uint32_t age(std::uint32_t number) const noexcept { return next_ - number; }
  [[nodiscard]] std::uint32_t& bucket(std::uint32_t fingerprint) const noexcept {
    const std::uint32_t spread = fingerprint * 0x9E3779B1;
    return buckets_[(spread ^ spread >> 15) & bucket_mask_];
  }
  void grow(std::uint32_t slots_used) noexcept;
  void drop_slot() noexcept {
    count_.add(slot(0).fingerprint != 0 ? -1 : 0);
    oldest_ = oldest_ + 1 == slots_used_ ? 0 : oldest_ + 1;
    --span_;
  }

  Slot* slots_ = nullptr;
  std::uint32_t* buckets_ = nullptr;  ///< Number of the latest eviction.
  std::uint32_t max_limit_ = 0;
  std::uint32_t limit_ = 0;
  std::uint32_t slots_used_ = 0;
  std::uint32_t bucket_mask_ = 0;
  std::uint32_t oldest_ = 0;  ///< Index of a slot.
  std::uint32_t next_ = 1;    ///< Number of the next eviction.
  std::uint32_t span_ = 0;
  ReadableCount count_;
};

}  // namespace sqlitemem
