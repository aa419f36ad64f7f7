// How many hits a pool of any size would have, from a small sample of the references (SHARDS).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/check.h"

namespace sqlitemem {

/// What a reference to a sampled page shows.
struct SampledReference {
  /// The smallest LRU pool with a hit; of a first use, more than any.
  std::uint64_t frames_needed = 0;
  double weight = 0;  ///< How many references it stands for.
};

/// After Waldspurger, Park, Garthwaite and Ahmad, "Efficient MRC construction with SHARDS" (FAST
/// 2015), the variant with a fixed sample size and adjusted counts. Pages are sampled by a hash of
/// their identity, so that all references to a sampled page are seen. For each, the number of other
/// sampled pages since its last one, divided by the sampling rate, says how large an LRU pool must
/// be for a hit. When the sample is full, the rate falls by an eighth, and pages leave.
///
///     entries   hash table, key → time of the last reference
///     owners    time → entry, 0: not the last reference of any page
///     counts    Fenwick tree over the times: 1 where there is an owner
///     weights   references by the size of pool that they need, 32 steps per doubling
///
/// Pure: no lock, no allocation. One lock of its user around everything except is_sampled().
///
/// Invariants:
/// (1) Each entry's time is owned by it, each owner's entry has its time; pages = entries.
/// (2) Every entry is below the threshold.
/// (3) The tree sums up the owners.
class MissCurve {
 public:
  static constexpr std::uint32_t max_pages = 3072;

  [[nodiscard]] static std::size_t bytes_needed() noexcept;
  /// `block`: bytes_needed() of zeroed memory, aligned to 64. `most_rate`: the share of the pages
  /// that is sampled at most, in (0, 1]; bounds the cost when there are few pages.
  void start(void* block, double most_rate) noexcept;

  /// The one comparison that every reference pays. `key_hash`: as the policies get it, but
  /// different after the page was dropped. Its lower half decides here, as its upper half does in
  /// GhostRing.
  [[nodiscard]] bool is_sampled(std::uint64_t key_hash) const noexcept {
    return static_cast<std::uint32_t>(key_hash) < threshold_;
  }
  /// A reference to a page that is not pinned. Requires is_sampled(key_hash). O(log of the
  /// sample).
  SampledReference reference(std::uint64_t key_hash) noexcept;
  /// So many references happened, sampled or not.
  void count_references(std::uint64_t references) noexcept {
    references_ += static_cast<double>(references);
  }
  /// Past references count half from now on. The pages in the sample stay.
  void age() noexcept;
  /// Past references do not count from now on. The pages in the sample stay.
  void forget_counts() noexcept;

  /// Expected hits of an LRU pool of so many frames, 0 … 1; nullopt before the first reference.
  [[nodiscard]] std::optional<double> hit_ratio(double frames) const noexcept;
  /// The lower half of a sampled key's hash is below it.
  [[nodiscard]] std::uint32_t threshold() const noexcept { return threshold_; }
  [[nodiscard]] double rate() const noexcept { return threshold_ / 4294967296.0; }
  [[nodiscard]] std::uint32_t pages() const noexcept { return pages_; }
  /// O(size).
  [[nodiscard]] std::optional<Violation> find_violation() const;

 private:
  friend struct MissCurveTestAccess;
  struct Entry {
    std::uint32_t upper_hash, lower_hash;
    std::uint32_t time;  ///< 0: empty. Times begin at 1.

    [[nodiscard]] std::uint64_t key_hash() const noexcept {
      return std::uint64_t{upper_hash} << 32 | lower_hash;
    }
    void set_key(std::uint64_t hash) noexcept {
      upper_hash = static_cast<std::uint32_t>(hash >> 32);
      lower_hash = static_cast<std::uint32_t>(hash);
    }
  };
  static constexpr std::uint32_t entry_count = 4096;
  static constexpr std::uint32_t last_time = 8191;
  static constexpr unsigned steps_per_doubling = 32;
  static constexpr std::size_t step_count = 24 * steps_per_doubling;

  /// Pools of up to 32 frames have a step each, then steps grow with the size.
  [[nodiscard]] static std::size_t step_of(std::uint64_t frames) noexcept;
  [[nodiscard]] static double first_of(std::size_t step) noexcept;
  [[nodiscard]] Entry& find(std::uint64_t key_hash) noexcept;
  void add_time(std::uint32_t time, std::uint32_t amount) noexcept;
  [[nodiscard]] std::uint32_t times_up_to(std::uint32_t time) const noexcept;
  void rebuild() noexcept;

  Entry* entries_ = nullptr;
  std::uint16_t* owners_ = nullptr;  ///< By time: index + 1 of the entry.
  std::uint16_t* counts_ = nullptr;
  double* weights_ = nullptr;
  std::uint32_t threshold_ = 0;
  std::uint32_t pages_ = 0;
  std::uint32_t now_ = 0;
  double references_ = 0;
  double first_uses_ = 0;  ///< Weight of the references that no pool would have served.
};

}  // namespace sqlitemem
