// Runs the same seeded plants under different policies, and counts what matters: deaths,
// throughput, flapping, refusals, recovery.
#pragma once

#include <optional>
#include <vector>

#include "allocators/pressure/pressure_controller.h"
#include "tests/support/pressure_plant.h"

namespace sqlitemem::tests {

enum class Policy : std::uint8_t {
  none,              ///< Nothing is done.
  plain_thresholds,  ///< Usage of 70, 80, 90, 95 % evicts 1, 5, 25 % per second, refuses.
  controller_reclaim,
  controller_full,
};

struct Trial {
  Policy policy = Policy::none;
  Reclaim reclaim = fast_reclaim;
  double sample_seconds = 1;  ///< 0: when the controller asks for it.
  bool has_guard = true;      ///< With the controller only.
};

/// What one plant went through.
struct TrialOutcome {
  bool died = false;
  double seconds = 0;
  double peak = 0;          ///< Of usage.
  double throughput = 0;    ///< Mean.
  std::uint64_t flaps = 0;  ///< The stage turned back within ten seconds.
  double growth = 0, refused = 0;
  /// Of the times that usage was 0.90 or more while the live demand was below 0.80: until 0.85.
  std::vector<double> recovery_seconds;
};

/// Counts the turns of the stage.
class FlapCounter {
 public:
  void see(ResponseStage stage, double seconds) {
    const int direction = stage > last_ ? 1 : stage < last_ ? -1 : 0;
    last_ = stage;
    if (direction == 0) return;
    if (direction == -direction_ && seconds - changed_at_ <= 10) flaps_++;
    direction_ = direction;
    changed_at_ = seconds;
  }
  [[nodiscard]] std::uint64_t flaps() const { return flaps_; }

 private:
  ResponseStage last_ = ResponseStage::none;
  int direction_ = 0;
  double changed_at_ = 0;
  std::uint64_t flaps_ = 0;
};

/// Times recoveries that are possible: that eviction could bring about.
class RecoveryTimer {
 public:
  void see(const PressurePlant& plant, double seconds, std::vector<double>& recoveries) {
    const double used = plant.used();
    const bool is_possible = plant.live_demand() < 0.80 && plant.floor() < 0.85;
    if (used < 0.85) {
      if (is_possible && since_ >= 0) recoveries.push_back(seconds - since_);
      since_ = -1;
      is_armed_ = true;
    } else if (!is_possible) {
      // What began otherwise does not count, even if it becomes possible.
      since_ = -1;
      is_armed_ = false;
    } else if (used >= 0.90 && since_ < 0 && is_armed_) {
      since_ = seconds;
    }
  }

 private:
  double since_ = -1;  ///< Negative: no recovery is being timed.
  bool is_armed_ = true;
};

/// One policy at the wheel of one plant.
class Driver {
 public:
  explicit Driver(const Trial& trial) : trial_(trial) {
    const bool is_ours = trial.policy >= Policy::controller_reclaim;
    controls_.has_guard = is_ours && trial.has_guard;
    controls_.guard_refuses = trial.policy == Policy::controller_full;
  }

  void sample(PressurePlant& plant, double seconds) {
    if (trial_.policy == Policy::none) return;
    const double used = plant.used();
    if (trial_.policy == Policy::plain_thresholds) return obey_thresholds(used);
    controller_.acted(last_.stage, bytes_of(requested_), bytes_of(plant.take_returned()));
    const auto mode =
        trial_.policy == Policy::controller_full ? ResponseMode::full : ResponseMode::reclaim;
    last_ = controller_.observe({.at_ns = static_cast<std::uint64_t>(seconds * 1e9),
                                 .used_bytes = bytes_of(used),
                                 .limit_bytes = limit_bytes},
                                mode);
    broken_ = broken_ ? broken_ : controller_.find_violation();
    stage_ = last_.stage;
    controls_.to_evict = static_cast<double>(last_.bytes_to_free) / limit_bytes;
    requested_ = std::min(controls_.to_evict, plant.cache());
    controls_.stops_growth = last_.stops_growth;
    controls_.refuses = last_.refuses;
  }

  /// Until the next sample.
  [[nodiscard]] double wait_seconds() const {
    if (trial_.sample_seconds > 0) return trial_.sample_seconds;
    return static_cast<double>(last_.check_after_ns) / 1e9;
  }
  [[nodiscard]] PlantControls& controls() { return controls_; }
  [[nodiscard]] ResponseStage stage() const { return stage_; }
  [[nodiscard]] const std::optional<Violation>& broken() const { return broken_; }

 private:
  static constexpr std::uint64_t limit_bytes = std::uint64_t{1} << 30;
  static std::uint64_t bytes_of(double share) {
    return static_cast<std::uint64_t>(std::max(0.0, share) * limit_bytes);
  }

  void obey_thresholds(double used) {
    const double per_second = used >= 0.90 ? 0.25 : used >= 0.80 ? 0.05 : used >= 0.70 ? 0.01 : 0;
    stage_ = static_cast<ResponseStage>((used >= 0.70) + (used >= 0.80) + (used >= 0.90) +
                                        (used >= 0.95));
    controls_.to_evict = per_second * trial_.sample_seconds;
    controls_.refuses = used >= 0.95;
  }

  Trial trial_;
  PressureController controller_;
  PressureOrder last_;
  double requested_ = 0;  ///< No more than there was to evict.
  PlantControls controls_;
  ResponseStage stage_ = ResponseStage::none;
  std::optional<Violation> broken_;
};

struct TrialRun {
  TrialOutcome outcome;
  std::optional<Violation> broken;  ///< The first that the controller showed.
};

inline TrialRun run_trial(std::uint64_t seed, const Trial& trial) {
  PressurePlant plant(seed, trial.reclaim);
  Driver driver(trial);
  FlapCounter flaps;
  RecoveryTimer recovery;
  TrialRun run;
  TrialOutcome& outcome = run.outcome;
  double next_sample = 0, served = 0;
  std::size_t steps = 0;
  while (outcome.seconds < PressurePlant::run_seconds) {
    if (outcome.seconds >= next_sample - 1e-6) {
      driver.sample(plant, outcome.seconds);
      flaps.see(driver.stage(), outcome.seconds);
      next_sample = outcome.seconds + driver.wait_seconds();
    }
    plant.step(driver.controls());
    outcome.seconds = static_cast<double>(++steps) * PressurePlant::step_seconds;
    served += plant.throughput();
    recovery.see(plant, outcome.seconds, outcome.recovery_seconds);
    outcome.peak = std::max(outcome.peak, plant.used());
    outcome.died = plant.is_dead();
    if (outcome.died) break;
  }
  outcome.throughput = served / static_cast<double>(steps);
  outcome.flaps = flaps.flaps();
  outcome.growth = plant.growth();
  outcome.refused = plant.refused();
  run.broken = driver.broken();
  return run;
}

/// Many plants under one policy, compared with the same plants under none.
struct TrialSummary {
  std::size_t plants = 0, doomed = 0, doomed_alone = 0;  ///< Die under no policy; w/o foreign.
  std::size_t survived = 0, survived_alone = 0;          ///< Of these.
  std::size_t killed = 0;                                ///< Died only under the policy.
  double safe_throughput = 0;                            ///< Mean over those that live anyway.
  double calm_throughput = 0;  ///< Mean over those that never come to 0.90 anyway.
  double safe_flaps_per_hour = 0;
  double refused_share = 0;  ///< Of the growth in doomed plants.
  double recovery_p50 = 0, recovery_p90 = 0;
  std::size_t recoveries = 0;
  std::optional<Violation> broken;

  [[nodiscard]] double prevented() const {
    return doomed == 0 ? 1 : static_cast<double>(survived) / static_cast<double>(doomed);
  }
};

inline double quantile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

/// The greatest usage without control, by seed: first_seed, first_seed + 1, …
inline std::vector<double> peaks_without_control(std::uint64_t first_seed, std::size_t count) {
  std::vector<double> peaks(count);
  for (std::size_t index = 0; index < count; index++) {
    peaks[index] = run_trial(first_seed + index, {}).outcome.peak;
  }
  return peaks;
}

inline TrialSummary run_trials(std::uint64_t first_seed, const std::vector<double>& peaks,
                               const Trial& trial) {
  TrialSummary summary;
  summary.plants = peaks.size();
  std::vector<double> recoveries;
  double safe_hours = 0, growth = 0, refused = 0;
  std::uint64_t flaps = 0;
  std::size_t calm = 0;
  for (std::size_t index = 0; index < peaks.size(); index++) {
    const bool is_alone = draw_plant(first_seed + index).foreign_share == 0;
    const TrialRun run = run_trial(first_seed + index, trial);
    const TrialOutcome& outcome = run.outcome;
    if (!summary.broken) summary.broken = run.broken;
    recoveries.insert(recoveries.end(), outcome.recovery_seconds.begin(),
                      outcome.recovery_seconds.end());
    if (peaks[index] >= 1) {
      summary.doomed++;
      summary.doomed_alone += is_alone ? 1 : 0;
      summary.survived += outcome.died ? 0 : 1;
      summary.survived_alone += is_alone && !outcome.died ? 1 : 0;
      growth += outcome.growth;
      refused += outcome.refused;
    } else {
      summary.killed += outcome.died ? 1 : 0;
      summary.safe_throughput += outcome.throughput;
      safe_hours += outcome.seconds / 3600;
      flaps += outcome.flaps;
      if (peaks[index] < 0.90) {
        calm++;
        summary.calm_throughput += outcome.throughput;
      }
    }
  }
  const std::size_t safe = summary.plants - summary.doomed;
  summary.safe_throughput = safe == 0 ? 1 : summary.safe_throughput / static_cast<double>(safe);
  summary.calm_throughput = calm == 0 ? 1 : summary.calm_throughput / static_cast<double>(calm);
  summary.safe_flaps_per_hour = safe == 0 ? 0 : static_cast<double>(flaps) / safe_hours;
  summary.refused_share = growth > 0 ? refused / growth : 0;
  summary.recoveries = recoveries.size();
  summary.recovery_p50 = quantile(recoveries, 0.5);
  summary.recovery_p90 = quantile(recoveries, 0.9);
  return summary;
}

}  // namespace sqlitemem::tests
