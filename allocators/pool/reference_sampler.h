// What the pool is told about its references, and what it can say from that about other budgets.
#pragma once

#include <atomic>

#include "allocators/pool/budget_forecast.h"
#include "allocators/pool/miss_curve.h"

namespace sqlitemem {

/// What is expected with another budget.
struct BudgetScenario {
  double factor = 0;  ///< Times the budget.
  std::uint64_t frames = 0;
  std::optional<double> hit_ratio;      ///< Under the pool's policy, 0 … 1.
  std::optional<double> lru_hit_ratio;  ///< Under LRU, for comparison.
  double sampling_rate = 0;             ///< Behind hit_ratio; the share of the pages.
  double samples = 0;                   ///< Behind hit_ratio; references.
};

/// The miss curve and the forecast of one pool, fed together. References to pages that are not
/// pinned count, by a hash that differs after the page was dropped.
///
/// is_sampled() may be called by any thread; everything else under one lock of its user.
template <EvictionPolicy Policy>
class ReferenceSampler {
 public:
  [[nodiscard]] static std::size_t bytes_needed() noexcept {
    return MemoryCutter::rounded(MissCurve::bytes_needed()) +
           BudgetForecast<Policy>::bytes_needed();
  }
  /// `block`: bytes_needed() of zeroed memory, aligned to 64.
  void start(void* block, std::uint64_t budget_frames, double most_rate) noexcept {
    curve_.start(block, most_rate);
    forecast_.start(
        static_cast<std::byte*>(block) + MemoryCutter::rounded(MissCurve::bytes_needed()),
        budget_frames, most_rate);
    budget_frames_ = budget_frames;
    publish_threshold();
  }
  void set_budget(std::uint64_t budget_frames) noexcept {
    forecast_.set_budget(budget_frames);
    budget_frames_ = budget_frames;
    publish_threshold();
  }

  /// The one comparison that every reference pays.
  [[nodiscard]] bool is_sampled(std::uint64_t key_hash) const noexcept {
    return static_cast<std::uint32_t>(key_hash) < threshold_.load(std::memory_order_relaxed);
  }
  /// Of a reference for which is_sampled() held; also if it does not hold any more.
  void reference(std::uint64_t key_hash) noexcept {
    std::optional<SampledReference> seen;
    if (curve_.is_sampled(key_hash)) seen = curve_.reference(key_hash);
    forecast_.reference(key_hash, seen);
    if (seen) publish_threshold();
  }
  /// So many references happened, sampled or not.
  void count_references(std::uint64_t references) noexcept {
    curve_.count_references(references);
    forecast_.count_references(references);
  }
  /// Past references count half from now on.
  void age() noexcept {
    curve_.age();
    forecast_.age();
  }
  /// Past references do not count from now on. What is in the samples stays.
  void forget_counts() noexcept {
    curve_.forget_counts();
    forecast_.forget_counts();
  }
  [[nodiscard]] std::uint32_t threshold() const noexcept {
    return threshold_.load(std::memory_order_relaxed);
  }

  static constexpr std::size_t scenario_count = BudgetForecast<Policy>::factors.size();
  [[nodiscard]] BudgetScenario scenario(std::size_t index) const noexcept {
    const double factor = BudgetForecast<Policy>::factors[index];
    const double frames = factor * static_cast<double>(budget_frames_);
    return {.factor = factor,
            .frames = static_cast<std::uint64_t>(frames),
            .hit_ratio = forecast_.hit_ratio(index),
            .lru_hit_ratio = curve_.hit_ratio(frames),
            .sampling_rate = forecast_.rate(index),
            .samples = forecast_.samples(index)};
  }
  [[nodiscard]] const MissCurve& lru_curve() const noexcept { return curve_; }
  [[nodiscard]] std::optional<Violation> find_violation() const {
    if (const auto broken = curve_.find_violation()) return broken;
    return forecast_.find_violation();
  }

 private:
  void publish_threshold() noexcept {
    const std::uint32_t most = std::max(curve_.threshold(), forecast_.threshold());
    if (threshold_.load(std::memory_order_relaxed) != most) {
      threshold_.store(most, std::memory_order_relaxed);
    }
  }

  MissCurve curve_;
  BudgetForecast<Policy> forecast_;
  std::atomic<std::uint32_t> threshold_{0};
  std::uint64_t budget_frames_ = 0;
};

}  // namespace sqlitemem
