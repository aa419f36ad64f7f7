// The reported level, and the ceilings that the allocator compares with.
#include "allocators/pressure/allocation_guard.h"
#include "allocators/pressure/level_tracker.h"
#include "tests/support/catch.h"

using namespace sqlitemem;

TEST_CASE("LevelTracker: levels are reported from their thresholds on", "[pressure][levels]") {
  struct Case {
    const char* preset;
    std::array<double, 4> from;
  };
  const auto [preset, from] = GENERATE(values<Case>({
      {"development", {0.80, 0.90, 0.95, 0.98}},
      {"production", {0.70, 0.80, 0.90, 0.95}},
      {"mission_critical", {0.60, 0.70, 0.80, 0.90}},
  }));
  CAPTURE(preset);
  const PressureLevels* levels = find_pressure_levels(preset);
  REQUIRE(levels != nullptr);
  for (std::size_t index = 0; index < from.size(); index++) {
    LevelTracker below, at;
    below.set_levels(*levels);
    at.set_levels(*levels);
    CHECK(below.observe(from[index] - 0.001, 1) == static_cast<PressureLevel>(index));
    CHECK(at.observe(from[index], 1) == static_cast<PressureLevel>(index + 1));
  }
  CHECK(find_pressure_levels("brave") == nullptr);
}

TEST_CASE("LevelTracker: production is the default", "[pressure][levels]") {
  LevelTracker tracker;
  CHECK(tracker.observe(0.70, 1) == PressureLevel::warning);
}

TEST_CASE("LevelTracker: a level is left one point below its threshold", "[pressure][levels]") {
  LevelTracker tracker;
  CHECK(tracker.observe(0.80, 1) == PressureLevel::high);
  CHECK(tracker.observe(0.795, 2) == PressureLevel::high);
  CHECK(tracker.observe(0.791, 3) == PressureLevel::high);
  CHECK(tracker.observe(0.789, 4) == PressureLevel::warning);
  SECTION("and entered again at the threshold only") {
    CHECK(tracker.observe(0.799, 5) == PressureLevel::warning);
    CHECK(tracker.observe(0.800, 6) == PressureLevel::high);
  }
  SECTION("several levels at once, in both directions") {
    CHECK(tracker.observe(0.99, 5) == PressureLevel::emergency);
    CHECK(tracker.observe(0.695, 6) == PressureLevel::warning);
    CHECK(tracker.observe(0.2, 7) == PressureLevel::normal);
  }
}

TEST_CASE("LevelTracker: says since when the level is what it is", "[pressure][levels]") {
  LevelTracker tracker;
  CHECK(tracker.since_unix_ms() == 0);
  tracker.observe(0.1, 1000);
  CHECK(tracker.since_unix_ms() == 1000);
  tracker.observe(0.2, 2000);
  CHECK(tracker.since_unix_ms() == 1000);
  tracker.observe(0.75, 3000);
  tracker.observe(0.76, 4000);
  CHECK(tracker.since_unix_ms() == 3000);
  CHECK(tracker.level() == PressureLevel::warning);
}

TEST_CASE("GuardCeiling: held bytes may grow until usage is 0.96, and 0.985", "[pressure][guard]") {
  // 500 of 800 used bytes are held by us.
  const GuardCeiling ceiling = guard_ceiling(500, 800, 1000);
  CHECK(ceiling.evict_above_bytes == 660);
  CHECK(ceiling.refuse_above_bytes == 685);
  SECTION("others may have passed the limit already") {
    CHECK(guard_ceiling(500, 1000, 1000).evict_above_bytes == 460);
    CHECK(guard_ceiling(500, 1000, 1000).refuse_above_bytes == 485);
    CHECK(guard_ceiling(500, 5000, 1000).evict_above_bytes == 0);
  }
  SECTION("without a limit there is no ceiling") {
    CHECK(guard_ceiling(500, 800, 0).evict_above_bytes == GuardCeiling::unlimited);
    CHECK(guard_ceiling(500, 800, 0).refuse_above_bytes == GuardCeiling::unlimited);
  }
  SECTION("huge figures do not wrap round") {
    const GuardCeiling huge = guard_ceiling(UINT64_MAX - 5, 0, INT64_MAX);
    CHECK(huge.evict_above_bytes == GuardCeiling::unlimited);
  }
}
