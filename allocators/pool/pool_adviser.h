// Watches a sample of the pool's references, to say what other budgets would have done.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "allocators/base/lock.h"
#include "allocators/pages/page_source.h"
#include "allocators/pool/policy/policy_set.h"
#include "allocators/pool/reference_sampler.h"

namespace sqlitemem {

/// What is expected of a pool of another size.
struct SizeAdvice {
  double factor = 0;  ///< Times the budget.
  std::uint64_t bytes = 0;
  std::optional<double> hit_ratio;  ///< nullopt: too few references to judge.
  std::uint64_t samples = 0;        ///< References behind it.
};

/// How often pages that were not pinned were asked for.
struct ReferenceCounts {
  std::uint64_t references = 0;
  std::uint64_t misses = 0;  ///< Of these.

  void add(std::uint64_t hits, std::uint64_t missed) noexcept {
    references += hits + missed;
    misses += missed;
  }
};

struct PoolAdvice {
  static constexpr std::size_t size_count = BudgetForecast<S3Fifo>::factors.size();
  bool is_on = false;
  std::uint64_t references = 0;  ///< Of evictable caches since the statistics were reset.
  std::array<SizeAdvice, size_count> sizes;

  /// The smallest size with hardly more misses than the largest; nullopt while one of them is not
  /// judged. Hardly: a tenth more, or a thousandth of the references.
  [[nodiscard]] std::optional<std::size_t> recommended() const noexcept;
};

/// A ReferenceSampler for the pool's policy, in memory that is touched when it begins.
///
/// A few hundred to a few thousand pages differ from all by chance, and by much the same at every
/// size. At the present size the truth is known, so the ratio of the misses that happened there to
/// those that the sample shows corrects all sizes. Of sampling errors of up to 4.5 points of hit
/// ratio (one page in sixteen of 30,000, Zipf's law with an exponent of 0.8) it leaves 1, rarely 2.
///
/// Locks: is_sampled() needs none. references() and the reports take a lock of its own, inside the
/// pool's where that is held; begin(), set_budget() and stop() also require the pool's.
class PoolAdviser {
 public:
  constexpr PoolAdviser() noexcept = default;

  [[nodiscard]] static std::size_t bytes_needed(PolicyKind policy) noexcept;
  /// `block`: bytes_needed() of zeroed memory that is whole pages. Once.
  void start(PolicyKind policy, void* block, PageSource& pages) noexcept;

  /// False while it does not run.
  [[nodiscard]] bool is_sampled(std::uint64_t key_hash) const noexcept {
    return static_cast<std::uint32_t>(key_hash) < threshold_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool is_running() const noexcept {
    return threshold_.load(std::memory_order_relaxed) != 0;
  }

  /// Starts anew, with an empty sample.
  void begin(std::uint64_t budget_frames) noexcept;
  enum class Change : std::uint8_t {
    none,
    more_pages,  ///< Pages are sampled that were not.
    too_much,    ///< begin() is better: the estimates were made for quite another budget.
  };
  [[nodiscard]] Change set_budget(std::uint64_t budget_frames) noexcept;
  /// Gives its memory back.
  void stop() noexcept;

  /// Of sampled pages; ignored while it does not run. `waits`: for other threads that tell it
  /// something. false: it was not told, because one does.
  bool references(std::span<const std::uint64_t> key_hashes, bool waits = true) noexcept;
  /// What references() was told is warm-up; so many had happened until now.
  void forget_counts(const ReferenceCounts& so_far) noexcept;
  /// So many happened until now, sampled or not. Lets old ones fade.
  void count(const ReferenceCounts& so_far) noexcept;
  [[nodiscard]] PoolAdvice advice(std::uint64_t budget_bytes) noexcept;
  [[nodiscard]] std::optional<Violation> find_violation() noexcept;

  // For fork: hold the lock across it.
  Lock& lock() noexcept { return lock_; }

 private:
  template <class Policies>
  struct SamplersOf;
  template <class... Policy>
  struct SamplersOf<std::variant<Policy...>> {
    using type = std::variant<std::monostate, ReferenceSampler<Policy>...>;
  };
  using AnySampler = typename SamplersOf<AnyPolicy>::type;

  /// Calls `use` with the sampler that runs, if one does.
  template <class Use>
  void with_sampler(Use use) noexcept SQLITEMEM_REQUIRES(lock_);
  void publish_threshold() noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] double correction() noexcept SQLITEMEM_REQUIRES(lock_);

  std::atomic<std::uint32_t> threshold_{0};
  Lock lock_;
  AnySampler sampler_ SQLITEMEM_GUARDED_BY(lock_);
  PolicyKind policy_{};
  std::byte* block_ = nullptr;
  std::size_t bytes_ = 0;
  PageSource* pages_ = nullptr;
  bool is_used_ SQLITEMEM_GUARDED_BY(lock_) = false;  // The block is not zeroed any more.
  std::uint64_t begun_with_frames_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t frames_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  ReferenceCounts counted_ SQLITEMEM_GUARDED_BY(lock_);
  double references_ SQLITEMEM_GUARDED_BY(lock_) = 0;  // As far as they have not faded.
  double misses_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t since_aged_ SQLITEMEM_GUARDED_BY(lock_) = 0;
};

}  // namespace sqlitemem
