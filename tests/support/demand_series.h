// Made-up memory demand of a program over time, seeded: what the pressure controller is tried on.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "bench/support/random.h"

namespace sqlitemem::tests {

/// bench::Random with the distributions that the plant needs.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed) {}
  /// Uniform in [0, 1).
  double share() { return static_cast<double>(random_.next() >> 11) * 0x1p-53; }
  double between(double low, double high) { return low + (high - low) * share(); }
  /// Each factor is as probable.
  double scale(double low, double high) { return low * std::pow(high / low, share()); }
  bool happens(double probability) { return share() < probability; }
  /// Time to the next of events that come once in `mean` on average.
  double waiting_time(double mean) { return -mean * std::log(1 - share()); }
  /// Roughly normal, sum of uniforms; mean 0, standard deviation 1.
  double noise() { return (share() + share() + share() + share() - 2) * std::sqrt(3.0); }

 private:
  bench::Random random_;
};

enum class DemandKind : std::uint8_t {
  plateau,
  slow_growth,
  leak,
  doubling,
  daily,
  steps,
  bursts,
  large_queries,
  regimes,
  bulk_load,
  sawtooth,
  random_walk,
  connections,
};
inline constexpr std::size_t demand_kind_count = 13;

/// Demand as a share of some peak, 0 … 1, step by step. The same for the same seed and kind.
class DemandSeries {
 public:
  static constexpr double step_seconds = 0.1;

  DemandSeries(std::uint64_t seed, DemandKind kind)
      : draws_(seed * 0x9E3779B97F4A7C15 + static_cast<std::uint64_t>(kind)), kind_(kind) {
    base_ = draws_.between(0.15, 0.6);
    height_ = draws_.between(0.2, 1) * (1 - base_);
    period_ = draws_.between(60, 400);
    speed_ = draws_.scale(0.03, 1.0);
    jitter_ = draws_.between(0, 0.006);
    level_ = target_ = wanted();
  }

  double next() {
    seconds_ += step_seconds;
    target_ = wanted();
    // Memory has to be written to before it counts, which bounds the rise.
    level_ += std::clamp(target_ - level_, -2 * speed_ * step_seconds, speed_ * step_seconds);
    wobble_ = 0.95 * wobble_ + 0.3 * jitter_ * draws_.noise();
    return std::clamp(level_ + wobble_, 0.0, 1.0);
  }

 private:
  [[nodiscard]] double phase() const { return std::fmod(seconds_, period_) / period_; }
  bool is_due(double mean_seconds) {
    if (seconds_ < due_) return false;
    due_ = seconds_ + draws_.waiting_time(mean_seconds);
    return true;
  }

  double wanted() {
    switch (kind_) {
      case DemandKind::plateau:
        return base_ + height_ * 0.5;
      case DemandKind::slow_growth:
        return base_ + height_ * std::min(1.0, seconds_ / period_);
      case DemandKind::leak:
        return base_ + height_ * seconds_ / 600;
      case DemandKind::doubling:
        return std::min(base_ + height_, base_ * std::exp2(seconds_ / (period_ / 2)));
      case DemandKind::daily:
        return base_ + height_ * 0.5 * (1 - std::cos(2 * 3.14159265358979 * phase()));
      case DemandKind::bulk_load:
        return bulk_load();
      case DemandKind::sawtooth:
        return base_ + height_ * phase();
      default:
        return happening();
    }
  }

  double bulk_load() const {
    const double now = phase();
    if (now < 0.3 || now > 0.8) return base_;
    return base_ + height_ * std::min(1.0, (now - 0.3) / 0.25);
  }

  /// The kinds that events drive.
  double happening() {
    switch (kind_) {
      case DemandKind::steps:
        if (is_due(60)) event_ = draws_.share();
        return base_ + height_ * event_;
      case DemandKind::bursts:
        if (is_due(45)) event_ = draws_.between(0.3, 1);
        return base_ + height_ * (event_ *= 0.992);
      case DemandKind::large_queries:
        // One in a hundred needs ten times as much as most do.
        if (is_due(4)) event_ = std::min(1.0, 0.05 * std::pow(1 - draws_.share(), -0.65));
        return base_ + height_ * (event_ *= 0.97);
      case DemandKind::regimes:
        if (is_due(90)) event_ = 0.5 * static_cast<double>(static_cast<int>(draws_.share() * 3));
        return base_ + height_ * (event_ + 0.03 * std::sin(seconds_ / (2 + 5 * event_)));
      case DemandKind::random_walk:
        event_ = std::clamp(event_ + 0.012 * draws_.noise(), -0.3, 1.0);
        return base_ + height_ * event_;
      case DemandKind::connections:
        if (is_due(3)) event_ += draws_.happens(0.6 - 0.3 * event_) ? 0.03 : -0.03;
        event_ = std::clamp(event_, 0.0, 1.0);
        return base_ + height_ * event_;
      default:
        return base_;
    }
  }

  Draws draws_;
  DemandKind kind_;
  double base_ = 0, height_ = 0, period_ = 0, speed_ = 0, jitter_ = 0;
  double seconds_ = 0, due_ = 0, event_ = 0;
  double level_ = 0, target_ = 0, wobble_ = 0;
};

}  // namespace sqlitemem::tests
