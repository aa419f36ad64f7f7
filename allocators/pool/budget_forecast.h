// What the pool's hit ratio would be with a quarter to four times its budget, under its own policy.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "allocators/pool/mini_pool.h"
#include "allocators/pool/miss_curve.h"

namespace sqlitemem {

/// One mini pool per multiple of the budget. Each has as many frames as its memory allows and
/// samples the pages accordingly: the one for a quarter of the budget samples sixteen times as many
/// as the one for four times. A small change of the budget keeps the sampling rates and only
/// resizes them; one that changes a rate starts that mini pool anew.
///
/// A few hundred pages differ from all by chance, by several percent. Most of that error is known,
/// because the miss curve has a larger sample: each mini pool counts the misses of LRU among its
/// own references and among those of the curve, and the ratio corrects its result.
///
/// Pure, like MissCurve, and fed in the same way.
template <EvictionPolicy Policy>
class BudgetForecast {
 public:
  static constexpr std::array factors = {0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0};
  static constexpr std::size_t most_bytes = 164 * kib;

  /// Frames of the largest mini pool that fits into its part of most_bytes; S3-FIFO: about 580. A
  /// mini pool has more than 0.7 of this, unless the pool itself is that small.
  [[nodiscard]] static std::uint32_t max_frames() noexcept {
    std::uint32_t frames = 1024;
    while (MiniPool<Policy>::bytes_needed(frames) > most_bytes / factors.size()) frames -= 4;
    return frames;
  }
  [[nodiscard]] static std::size_t bytes_needed() noexcept {
    return factors.size() * MiniPool<Policy>::bytes_needed(max_frames());
  }
  /// `block`: bytes_needed(), aligned to 64. `most_rate`: see MissCurve.
  void start(void* block, std::uint64_t budget_frames, double most_rate) noexcept {
    block_ = static_cast<std::byte*>(block);
    most_rate_ = most_rate;
    max_frames_ = max_frames();
    for (Scenario& scenario : scenarios_) scenario = Scenario();
    set_budget(budget_frames);
  }
  void set_budget(std::uint64_t budget_frames) noexcept {
    threshold_ = 0;
    for (std::size_t i = 0; i < factors.size(); ++i) {
      fit(i, factors[i] * static_cast<double>(budget_frames));
      threshold_ = std::max(threshold_, scenarios_[i].threshold);
    }
  }

  [[nodiscard]] bool is_sampled(std::uint64_t key_hash) const noexcept {
    return static_cast<std::uint32_t>(key_hash) < threshold_;
  }
  /// Below it is the lower half of the hash of every key that any of the mini pools samples.
  [[nodiscard]] std::uint32_t threshold() const noexcept { return threshold_; }
  /// `curve`: what the miss curve saw in it, if it samples the page.
  void reference(std::uint64_t key_hash, const std::optional<SampledReference>& curve) noexcept {
    for (Scenario& scenario : scenarios_) {
      const bool is_own = static_cast<std::uint32_t>(key_hash) < scenario.threshold;
      if (is_own) ++scenario.samples;
      if (is_own && !scenario.pool.reference(key_hash)) scenario.misses += 1.0 / scenario.rate;
      if (!curve || curve->frames_needed <= scenario.frames) continue;
      scenario.lru_misses += curve->weight;
      // Of the two samples, the smaller one is within the larger one.
      if (is_own) scenario.own_lru_misses += std::max(curve->weight, 1.0 / scenario.rate);
    }
  }
  void count_references(std::uint64_t references) noexcept {
    for (Scenario& scenario : scenarios_) scenario.references += static_cast<double>(references);
  }
  void age() noexcept {
    for (Scenario& scenario : scenarios_) {
      scenario.misses /= 2;
      scenario.lru_misses /= 2;
      scenario.own_lru_misses /= 2;
      scenario.references /= 2;
      scenario.samples /= 2;
    }
  }
  /// Past references do not count from now on; the mini pools keep their pages.
  void forget_counts() noexcept {
    for (Scenario& scenario : scenarios_) scenario.forget_counts();
  }

  /// Expected hits with factors[index] times the budget, 0 … 1; nullopt before the first reference.
  [[nodiscard]] std::optional<double> hit_ratio(std::size_t index) const noexcept {
    const Scenario& scenario = scenarios_[index];
    if (scenario.references <= 0) return std::nullopt;
    if (scenario.pool.frames() == 0) return 0;
    return std::clamp(1.0 - scenario.misses * correction(scenario) / scenario.references, 0.0, 1.0);
  }
  [[nodiscard]] double rate(std::size_t index) const noexcept { return scenarios_[index].rate; }
  /// References that this mini pool was told of.
  [[nodiscard]] double samples(std::size_t index) const noexcept {
    return scenarios_[index].samples;
  }
  [[nodiscard]] std::optional<Violation> find_violation() const {
    for (const Scenario& scenario : scenarios_) {
      if (const auto broken = scenario.pool.find_violation()) return broken;
    }
    return std::nullopt;
  }

 private:
  struct Scenario {
    MiniPool<Policy> pool;
    double rate = 0;
    std::uint32_t threshold = 0;
    std::uint64_t frames = 0;   ///< Of the real pool.
    double misses = 0;          ///< Of the real pool, expected.
    double lru_misses = 0;      ///< Of LRU, expected by the miss curve …
    double own_lru_misses = 0;  ///< … and by the pages of this mini pool.
    double references = 0;
    double samples = 0;

    void forget_counts() noexcept {
      misses = lru_misses = own_lru_misses = references = samples = 0;
    }
  };

  [[nodiscard]] static double correction(const Scenario& scenario) noexcept {
    // With less than this the correction would be chance itself.
    const double enough = 30.0 / scenario.rate;
    if (scenario.own_lru_misses < enough) return 1;
    return scenario.lru_misses / scenario.own_lru_misses;
  }

  /// Rates are powers of the root of two, so that small changes of the budget keep them. Half of
  /// the rate is enough for those that have more frames; a sampled reference costs each the same.
  void fit(std::size_t index, double frames) noexcept {
    const double most_rate = factors[index] < 1 ? most_rate_ : most_rate_ / 2;
    double rate = 1;
    while (rate > most_rate || frames * rate > max_frames_) rate *= std::numbers::sqrt2 / 2;
    Scenario& scenario = scenarios_[index];
    const auto scaled = static_cast<std::uint32_t>(std::lround(frames * rate));
    scenario.frames = static_cast<std::uint64_t>(frames);
    if (rate == scenario.rate) return scenario.pool.resize(scaled);
    const std::size_t bytes = MiniPool<Policy>::bytes_needed(max_frames_);
    scenario.pool.start(block_ + index * bytes, max_frames_, scaled);
    scenario.rate = rate;
    scenario.threshold = static_cast<std::uint32_t>(rate * 4294967295.0);
    scenario.forget_counts();
  }

  std::array<Scenario, factors.size()> scenarios_;
  std::byte* block_ = nullptr;
  double most_rate_ = 1;
  std::uint32_t max_frames_ = 0;
  std::uint32_t threshold_ = 0;
};

}  // namespace sqlitemem
