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
/// One sample is a walk through records in seven mini pools. Threads that took turns would wait for
/// each other's cache lines at every step, so one thread, the home, does the work of all as long as
/// it comes by; the others leave what they have in the inbox. Who finds that full is the next home.
/// A home that works for others, too, is relieved after a while: no thread is slow for good.
///
/// Locks: is_sampled() needs none. Everything else takes a lock of its own, inside the pool's where
/// that is held, and that of the inbox inside it; begin(), set_budget() and stop() also require the
/// pool's.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): what threads share is kept apart.
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

  /// Of a sampled page; ignored while it does not run.
  void reference(std::uint64_t key_hash) noexcept;
  static constexpr std::size_t most_at_once = 16;
  /// Of up to `most_at_once` sampled pages, in order. Without the pool's lock, if possible: now and
  /// then a thread does the work for all.
  void references(std::span<const std::uint64_t> key_hashes) noexcept;
  /// What references() was told is warm-up; so many had happened until now.
  void forget_counts(const ReferenceCounts& so_far) noexcept;
  /// So many happened until now, sampled or not. Lets old ones fade.
  void count(const ReferenceCounts& so_far) noexcept;
  [[nodiscard]] PoolAdvice advice(std::uint64_t budget_bytes) noexcept;
  [[nodiscard]] std::optional<Violation> find_violation() noexcept;

  // For fork: hold the locks across it.
  void lock() noexcept SQLITEMEM_NO_THREAD_SAFETY {
    lock_.lock();
    inbox_lock_.lock();
  }
  void unlock() noexcept SQLITEMEM_NO_THREAD_SAFETY {
    inbox_lock_.unlock();
    lock_.unlock();
  }

 private:
  friend struct AdviserTestAccess;
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
  [[nodiscard]] bool put_in_inbox(std::span<const std::uint64_t> key_hashes,
                                  bool& is_full) noexcept;
  /// Works on what came first, not for longer than a fetch may take; how many samples that was.
  std::uint32_t take_from_inbox() noexcept SQLITEMEM_REQUIRES(lock_);
  void empty_inbox() noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool is_home_of(std::uint64_t thread) const noexcept;
  void clear_inbox() noexcept;
  [[nodiscard]] double correction() noexcept SQLITEMEM_REQUIRES(lock_);

  std::atomic<std::uint32_t> threshold_{0};
  alignas(64) Lock lock_;  // Apart from what every miss looks at.
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

  /// A home that does not come by leaves that many samples to the next one.
  static constexpr std::size_t most_for_next_home = 8 * most_at_once;
  static constexpr std::size_t most_at_a_visit = 3 * most_at_once;
  alignas(64) Lock inbox_lock_;
  std::uint32_t inbox_count_ SQLITEMEM_GUARDED_BY(inbox_lock_) = 0;
  std::array<std::uint64_t, 2 * most_for_next_home> inbox_ SQLITEMEM_GUARDED_BY(inbox_lock_){};
  static constexpr std::uint64_t anyone_but = std::uint64_t{1} << 63;
  alignas(64) std::atomic<std::uint64_t> home_{0};  // A thread, or anyone but that.
  static constexpr std::uint32_t most_for_others = 64;
  std::uint32_t for_others_ SQLITEMEM_GUARDED_BY(lock_) = 0;  // So often home worked for them.
};

}  // namespace sqlitemem
