// A simulated process under a memory limit: its demand, its page cache, others' memory beside it.
// Everything is a share of the limit; time is that of the steps.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "tests/support/demand_series.h"

namespace sqlitemem::tests {

/// How fast evicted memory comes back to the operating system.
struct Reclaim {
  double most_per_second;                          ///< Evicted at most.
  double least_delay_seconds, most_delay_seconds;  ///< Until it is back.
};
inline constexpr Reclaim fast_reclaim = {100, 0, 1.5};
inline constexpr Reclaim two_percent_reclaim = {0.02, 1, 8};
inline constexpr Reclaim slow_reclaim = {0.006, 1, 8};

/// What a controller sets; the plant obeys it from the next step on.
struct PlantControls {
  double to_evict = 0;  ///< Left of the last order; the plant counts it down.
  bool stops_growth = false, refuses = false;
  bool has_guard = false, guard_refuses = false;
};

/// What makes one plant differ from another.
struct PlantShape {
  DemandKind kind = DemandKind::plateau;
  double demand_scale = 1;
  double foreign_share = 0;      ///< Of the demand: memory that nobody here can free or refuse.
  double cache_working_set = 0;  ///< The cache fills up to it.
  double cache_at_start = 0;
  double fill_per_second = 0;
  double returned_share = 1;  ///< Of evicted memory; the rest serves the process's later growth.
  double delay_share = 0;     ///< Where in the reclaim's range of delays.
};

/// The ranges are assumptions, chosen as those of the study that the controller comes from: half of
/// the plants have 10 to 60 % foreign memory; caches of 10 to 55 % of the limit that fill at 0.1 to
/// 3 % per second; 35 to 100 % of what is evicted goes back to the system.
inline PlantShape draw_plant(std::uint64_t seed) {
  Draws draws(seed ^ 0x5bd1e9955bd1e995);
  PlantShape shape;
  shape.kind = static_cast<DemandKind>(seed % demand_kind_count);
  shape.demand_scale = draws.between(0.55, 1.05);
  shape.foreign_share = draws.happens(0.5) ? 0 : draws.between(0.1, 0.6);
  shape.cache_working_set = draws.between(0.10, 0.55);
  shape.cache_at_start = shape.cache_working_set * draws.share();
  shape.fill_per_second = draws.scale(0.001, 0.03);
  shape.returned_share = draws.between(0.35, 1);
  shape.delay_share = draws.share();
  return shape;
}

/// Memory is what the process uses itself, a list of freed memory that it can use again, the page
/// cache, what was evicted and is not yet back, and what others use. The run is over when that
/// reaches the limit.
class PressurePlant {
 public:
  static constexpr double step_seconds = DemandSeries::step_seconds;
  static constexpr double run_seconds = 600;
  static constexpr double guard_evicts_above = 0.96, guard_refuses_above = 0.985;

  PressurePlant(std::uint64_t seed, const Reclaim& reclaim)
      : shape_(draw_plant(seed)), reclaim_(reclaim), demand_(seed, shape_.kind) {
    // A process that starts beyond its limit is nobody's to save.
    const double share = demand_.next();
    shape_.demand_scale = std::min(shape_.demand_scale, 0.9 / share);
    const double first = shape_.demand_scale * share;
    foreign_ = shape_.foreign_share * first;
    own_ = first - foreign_;
    cache_ = cache_without_control_ = std::min(shape_.cache_at_start, std::max(0.0, 0.9 - first));
    delay_steps_ = static_cast<std::size_t>(
        (reclaim.least_delay_seconds +
         (reclaim.most_delay_seconds - reclaim.least_delay_seconds) * shape_.delay_share) /
        step_seconds);
  }

  [[nodiscard]] const PlantShape& shape() const { return shape_; }
  [[nodiscard]] double used() const { return own_ + free_list_ + foreign_ + cache_ + in_flight_; }
  [[nodiscard]] double live_demand() const { return demanded_; }
  [[nodiscard]] bool is_dead() const { return used() >= 1; }
  [[nodiscard]] double cache() const { return cache_; }
  /// What eviction can bring usage down to, as the rest is.
  [[nodiscard]] double floor() const {
    return used() - in_flight_ - shape_.returned_share * cache_;
  }
  /// Returned since the last call.
  double take_returned() { return std::exchange(returned_, 0); }
  [[nodiscard]] double growth() const { return growth_; }
  [[nodiscard]] double refused() const { return refused_; }
  /// Of this step, 0 … 1: pages missing in the cache are read from the file, evicting takes time.
  [[nodiscard]] double throughput() const {
    const double missing = std::max(0.0, cache_without_control_ - cache_);
    return 1 - 0.7 * missing / shape_.cache_working_set - (is_evicting_ ? 0.02 : 0);
  }

  void step(PlantControls& controls) {
    return_evicted();
    evictable_now_ = reclaim_.most_per_second * step_seconds;
    is_evicting_ = false;
    demanded_ = shape_.demand_scale * demand_.next();
    foreign_ = shape_.foreign_share * demanded_;
    const double evicted = evict(controls.to_evict);
    controls.to_evict -= evicted;
    serve(demanded_ - foreign_, controls);
    fill_cache(controls);
    slot_ = (slot_ + 1) % slot_count;
  }

 private:
  static constexpr std::size_t slot_count = 128;
  static constexpr double retry_seconds = 20;

  void return_evicted() {
    in_flight_ -= on_the_way_[slot_];
    returned_ += on_the_way_[slot_];
    on_the_way_[slot_] = 0;
    in_flight_ = std::max(0.0, in_flight_);
  }

  double evict(double wanted) {
    const double bytes = std::min({wanted, cache_, evictable_now_});
    if (bytes <= 0) return 0;
    cache_ -= bytes;
    evictable_now_ -= bytes;
    is_evicting_ = true;
    const double back = bytes * shape_.returned_share;
    free_list_ += bytes - back;
    if (delay_steps_ == 0) {
      returned_ += back;
    } else {
      on_the_way_[(slot_ + delay_steps_) % slot_count] += back;
      in_flight_ += back;
    }
    return bytes;
  }

  double from_free_list(double bytes) {
    const double taken = std::min(bytes, free_list_);
    free_list_ -= taken;
    return taken;
  }

  /// The process's demand; what was refused before comes again, a bit at a time.
  void serve(double demand, const PlantControls& controls) {
    deferred_ *= 1 - step_seconds / retry_seconds;
    const double wanted = std::max(0.0, demand - deferred_);
    if (wanted <= own_) {
      own_ = wanted;
      return;
    }
    double missing = wanted - own_;
    growth_ += missing;
    const auto take = [&](double bytes) {
      own_ += bytes;
      missing -= bytes;
    };
    take(from_free_list(missing));
    double allowed = controls.refuses ? 0 : missing;
    if (controls.has_guard && !controls.refuses) {
      const double over = used() + missing - guard_evicts_above;
      if (over > 0) {
        evict(over);
        take(from_free_list(missing));
      }
      allowed = missing;
      if (controls.guard_refuses) {
        allowed = std::clamp(guard_refuses_above - used(), 0.0, missing);
      }
    }
    take(allowed);
    refused_ += missing;
    deferred_ += missing;
  }

  void fill_cache(const PlantControls& controls) {
    const double bytes = shape_.fill_per_second * step_seconds;
    cache_without_control_ = std::min(shape_.cache_working_set, cache_without_control_ + bytes);
    double missing = std::min(bytes, shape_.cache_working_set - cache_);
    if (controls.stops_growth || missing <= 0) return;
    const double reused = from_free_list(missing);
    missing -= reused;
    cache_ += reused;
    if (controls.has_guard) {
      missing = std::min(missing, std::max(0.0, guard_evicts_above - used()));
    }
    cache_ += missing;
  }

  PlantShape shape_;
  Reclaim reclaim_;
  DemandSeries demand_;
  double own_ = 0, foreign_ = 0, cache_ = 0, free_list_ = 0, in_flight_ = 0;
  double deferred_ = 0, demanded_ = 0, cache_without_control_ = 0;
  std::array<double, slot_count> on_the_way_{};
  std::size_t slot_ = 0, delay_steps_ = 0;
  double evictable_now_ = 0, returned_ = 0, growth_ = 0, refused_ = 0;
  bool is_evicting_ = false;
};

}  // namespace sqlitemem::tests
