// The pressure controller at the wheel of some hundred made-up processes: what it has to reach.
#include "tests/support/catch.h"
#include "tests/support/pressure_trials.h"

using namespace sqlitemem;
using namespace sqlitemem::tests;

namespace {

constexpr std::uint64_t first_seed = 1;
constexpr std::size_t plant_count = 30 * demand_kind_count;

TrialSummary try_policy(const std::vector<double>& peaks, const Trial& trial) {
  const TrialSummary summary = run_trials(first_seed, peaks, trial);
  REQUIRE_FALSE(summary.broken.has_value());
  REQUIRE(summary.killed == 0);
  return summary;
}

}  // namespace

TEST_CASE("Pressure simulation: the same seed gives the same run", "[pressure][simulation]") {
  const Trial trial{.policy = Policy::controller_full, .sample_seconds = 0};
  const TrialOutcome first = run_trial(77, trial).outcome;
  const TrialOutcome second = run_trial(77, trial).outcome;
  CHECK(first.peak == second.peak);
  CHECK(first.throughput == second.throughput);
}

TEST_CASE(
    "Pressure simulation: the controller keeps doomed processes alive, and does not disturb "
    "the others",
    "[pressure][simulation][no_tsan]") {
  const auto peaks = peaks_without_control(first_seed, plant_count);
  const TrialSummary full =
      try_policy(peaks, {.policy = Policy::controller_full, .sample_seconds = 0});
  // Else the rest says nothing.
  REQUIRE(full.doomed >= plant_count / 5);
  REQUIRE(full.doomed_alone >= plant_count / 10);
  CHECK(full.prevented() >= 0.985);
  CHECK(full.survived_alone == full.doomed_alone);
  CHECK(full.calm_throughput >= 0.97);
  CHECK(full.safe_throughput >= 0.95);
  CHECK(full.safe_flaps_per_hour <= 10);
  REQUIRE(full.recoveries >= 20);
  CHECK(full.recovery_p90 <= 2);
}

TEST_CASE("Pressure simulation: once a second is enough for those without foreign memory",
          "[pressure][simulation][no_tsan]") {
  const auto peaks = peaks_without_control(first_seed, plant_count);
  const Reclaim reclaim = GENERATE(fast_reclaim, slow_reclaim);
  const TrialSummary full =
      try_policy(peaks, {.policy = Policy::controller_full, .reclaim = reclaim});
  CHECK(full.survived_alone == full.doomed_alone);
  CHECK(full.prevented() >= 0.95);
  CHECK(full.calm_throughput >= 0.97);
  CHECK(full.safe_flaps_per_hour <= 10);
}

TEST_CASE("Pressure simulation: reclaim never refuses, and saves those that eviction can save",
          "[pressure][simulation][no_tsan]") {
  const auto peaks = peaks_without_control(first_seed, plant_count);
  const TrialSummary reclaim =
      try_policy(peaks, {.policy = Policy::controller_reclaim, .sample_seconds = 0});
  CHECK(reclaim.refused_share == 0);
  CHECK(reclaim.prevented() >= 0.90);
}
