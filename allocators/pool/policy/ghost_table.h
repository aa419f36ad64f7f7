// The pages that were evicted lately, one cache line per look-up: fingerprints in buckets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "allocators/base/check.h"
#include "allocators/pool/policy/policy.h"

namespace sqlitemem {

/// The default policy's ghosts. A bucket is a cache line of 16 fingerprints in the order of their
/// eviction. Whatever enters a bucket moves the others on by one place, and what was in the last
/// place is forgotten: no number, no chain, and nothing to unlink. So a page is remembered for 16
/// more evictions into its bucket, which with good hashes is as many evictions as the table has
/// places, give or take a quarter. 4 bytes per place, in memory that its user gives. Pages are
/// confused only if they have the same fingerprint.
///
///     bucket of f = spread(f) × buckets >> 32    | newest │ – │ .. │ oldest |     – : taken out
///
/// spread() is a multiplication that gives neighbours buckets far apart. The rest of the mapping is
/// monotone, so that the table can be resized in place.
///
/// Invariants:
/// (1) Each fingerprint is in its own bucket.
/// (2) Places behind `places`, which are only left out when one bucket is too much, are empty.
/// (3) count = fingerprints in all buckets <= buckets × places <= limit.
class GhostTable {
 public:
  static constexpr std::uint32_t bucket_places = 16;

  [[nodiscard]] static std::size_t bytes_needed(std::uint32_t max_limit) noexcept {
    return std::size_t{buckets_of(max_limit)} * sizeof(Bucket);
  }
  /// Never 0, which stands for an empty place.
  [[nodiscard]] static std::uint32_t fingerprint(std::uint64_t key_hash) noexcept {
    const auto upper = static_cast<std::uint32_t>(key_hash >> 32);
    return upper == 0 ? 1 : upper;
  }

  /// `block`: bytes_needed(max_limit), zeroed, 64-byte aligned.
  void start(void* block, std::uint32_t max_limit) noexcept;
  /// How many evictions are remembered at most; of more than 16 a multiple of 16 is used. O(limit)
  /// when that changes: what is remembered moves to its new bucket, there in the order of before as
  /// far as it comes from the same one.
  void set_limit(std::uint32_t limit) noexcept;
  /// Takes what is remembered to another block, of zeroed bytes_needed(max_limit) for no less than
  /// the present limit.
  void move(void* block, std::uint32_t max_limit) noexcept;

  void push(std::uint32_t fingerprint) noexcept {
    if (limit_ == 0) return;
    Bucket& bucket = bucket_of(fingerprint);
    const std::uint32_t forgotten = bucket.places[places_ - 1];
    // All but the last place, before any of it is overwritten.
    const Quad first = load(&bucket.places[0]), second = load(&bucket.places[4]);
    const Quad third = load(&bucket.places[8]), last = load(&bucket.places[11]);
    store(&bucket.places[1], first);
    store(&bucket.places[5], second);
    store(&bucket.places[9], third);
    store(&bucket.places[12], last);
    bucket.places[0] = fingerprint;
    if (places_ < bucket_places) [[unlikely]]
      bucket.places[places_] = 0;
    count_.add(forgotten == 0 ? 1 : 0);
  }
  /// Takes out the latest one with this fingerprint. false: there is none.
  bool take(std::uint32_t fingerprint) noexcept {
    if (count() == 0) return false;
    Bucket& bucket = bucket_of(fingerprint);
    const Quad wanted = {fingerprint, fingerprint, fingerprint, fingerprint};
    const auto found = (load(&bucket.places[0]) == wanted) | (load(&bucket.places[4]) == wanted) |
                       (load(&bucket.places[8]) == wanted) | (load(&bucket.places[12]) == wanted);
    std::uint64_t halves[2];
    static_assert(sizeof halves == sizeof found);
    std::memcpy(halves, &found, sizeof halves);
    if ((halves[0] | halves[1]) == 0) return false;
    std::uint32_t at = 0;
    while (bucket.places[at] != fingerprint) ++at;
    bucket.places[at] = 0;
    count_.add(-1);
    return true;
  }
  /// The bucket will be needed soon. Inlined always, because the call of a function that changes
  /// nothing would be left out.
  [[gnu::always_inline]] void prefetch(std::uint32_t fingerprint) const noexcept {
    if (limit_ != 0) __builtin_prefetch(&bucket_of(fingerprint), 1);
  }
  void clear() noexcept;

  [[nodiscard]] std::uint32_t count() const noexcept { return count_.value(); }
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_; }
  /// O(limit).
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  friend struct GhostTestAccess;
  struct alignas(64) Bucket {
    std::uint32_t places[bucket_places];  ///< The newest first; 0: empty.
  };
  /// 2^32 divided by the golden ratio: multiples of it are never close together (D. Knuth, "The Art
  /// of Computer Programming", volume 3, 6.4).
  static constexpr std::uint32_t spread_factor = 0x9E3779B1;
  /// Four places at once, in a register where the processor has such.
  using Quad = std::uint32_t __attribute__((vector_size(16)));

  [[nodiscard]] static Quad load(const std::uint32_t* from) noexcept {
    Quad quad;
    std::memcpy(&quad, from, sizeof quad);
    return quad;
  }
  static void store(std::uint32_t* to, const Quad& quad) noexcept {
    std::memcpy(to, &quad, sizeof quad);
  }
  [[nodiscard]] static std::uint32_t buckets_of(std::uint32_t limit) noexcept {
    return limit < bucket_places ? 1 : limit / bucket_places;
  }
  [[nodiscard]] Bucket& bucket_of(std::uint32_t fingerprint) const noexcept {
    return buckets_[std::uint64_t{fingerprint * spread_factor} * bucket_count_ >> 32];
  }
  void move_out_of(std::uint32_t number) noexcept;

  Bucket* buckets_ = nullptr;
  std::uint32_t bucket_count_ = 1;
  std::uint32_t places_ = 0;  ///< Of a bucket: 16, or the limit.
  std::uint32_t limit_ = 0, max_limit_ = 0;
  ReadableCount count_;
};

}  // namespace sqlitemem
