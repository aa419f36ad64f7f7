// Each threshold, timer and amount of the pressure controller, by name.
#include "allocators/pressure/pressure_controller.h"

#include "allocators/base/clock.h"
#include "bench/support/random.h"
#include "tests/support/catch.h"
#include "tests/support/controller_stand.h"

namespace sqlitemem {

struct PressureControllerTestAccess {
  static void break_effect(PressureController& controller) { controller.effects_[1] = 1.5; }
  static void break_reserve(PressureController& controller) { controller.reserve_ = 0.5; }
  static void break_times(PressureController& controller) {
    controller.positions_.at(0).at_ns = UINT64_MAX;
  }
  static void break_stage(PressureController& controller) {
    controller.mode_ = ResponseMode::reclaim;
    controller.stage_ = ResponseStage::refusal;
  }
};

}  // namespace sqlitemem

using namespace sqlitemem;
using tests::share_of;
using Stand = tests::ControllerStand;

TEST_CASE("PressureController: each stage is entered at its threshold", "[pressure][controller]") {
  struct Case {
    double used, reserve;
    ResponseStage expected;
  };
  using enum ResponseStage;
  const auto [used, reserve, expected] = GENERATE(values<Case>({
      {0.799, 0.031, none},        // By usage.
      {0.801, 0.031, gentle},      //
      {0.700, 0.179, none},        // By expected usage, 0.88.
      {0.700, 0.181, gentle},      //
      {0.740, 0.209, gentle},      // 0.95.
      {0.740, 0.211, aggressive},  //
      {0.749, 0.300, aggressive},  // 0.98 needs usage of 0.75, too.
      {0.751, 0.228, aggressive},  //
      {0.751, 0.230, emergency},   //
      {0.899, 0.031, gentle},      // By usage, 0.90.
      {0.901, 0.031, emergency},   //
      {0.949, 0.031, emergency},   // 0.95.
      {0.951, 0.031, refusal},     //
      {1.400, 0.031, refusal},     // Far beyond.
  }));
  CAPTURE(used, reserve);
  Stand stand;
  const PressureOrder order = stand.rise_to(used, reserve);
  CHECK(order.stage == expected);
  CHECK(order.refuses == (expected == refusal));
  CHECK(order.expected_ratio == Approx(std::min(used, 1.5) + reserve).margin(1e-6));

  Stand reclaiming(ResponseMode::reclaim);
  const PressureOrder other = reclaiming.rise_to(used, reserve);
  CHECK(other.stage == std::min(expected, emergency));
  CHECK_FALSE(other.refuses);

  Stand off(ResponseMode::off);
  const PressureOrder nothing = off.rise_to(used, reserve);
  CHECK(nothing.stage == none);
  CHECK(nothing.bytes_to_free == 0);
  CHECK_FALSE(nothing.stops_growth);
  CHECK(nothing.used_ratio == order.used_ratio);
}

TEST_CASE("PressureController: growth of caches stops at an expected usage of 0.85",
          "[pressure][controller]") {
  Stand below, above;
  CHECK_FALSE(below.rise_to(0.70, 0.149).stops_growth);
  CHECK(above.rise_to(0.70, 0.151).stops_growth);
}

TEST_CASE("PressureController: a stage is left five points lower, after five seconds",
          "[pressure][controller]") {
  Stand stand;
  using enum ResponseStage;
  SECTION("gentle: usage below 0.75") {
    stand.see(0.80);
    CHECK(stand.see_for(60, 0.751).stage == gentle);
    CHECK(stand.see_for(4, 0.749).stage == gentle);
    CHECK(stand.see(0.749).stage == none);
  }
  SECTION("gentle: and expected usage below 0.83") {
    stand.rise_to(0.70, 0.19);
    CHECK(stand.see_for(20, 0.655).stage == gentle);  // The reserve is 0.18 by then.
    CHECK(stand.see_for(5, 0.60).stage == none);
  }
  SECTION("aggressive: expected usage below 0.90, then gentle is to be left") {
    stand.rise_to(0.74, 0.22);
    CHECK(stand.see_for(5, 0.69).stage == aggressive);
    CHECK(stand.see_for(5, 0.67).stage == gentle);
    CHECK(stand.see_for(4, 0.55).stage == gentle);
    CHECK(stand.see(0.55).stage == none);
  }
  SECTION("emergency: usage below 0.85, or expected usage below 0.90, one stage at a time") {
    stand.see(0.92);
    CHECK(stand.see_for(60, 0.88).stage == emergency);
    CHECK(stand.see_for(4, 0.86).stage == emergency);
    CHECK(stand.see(0.86).stage == aggressive);
    CHECK(stand.see_for(5, 0.86).stage == gentle);
    CHECK(stand.see_for(60, 0.86).stage == gentle);
  }
  SECTION("emergency: usage below 0.85 with a reserve that keeps expected usage above 0.90") {
    stand.rise_to(0.92, 0.12);
    CHECK(stand.see_for(20, 0.851).stage == emergency);
    CHECK(stand.see_for(4, 0.849).stage == emergency);
    CHECK(stand.see(0.849).stage == aggressive);
  }
  SECTION("emergency: not while it would be entered again at once") {
    stand.rise_to(0.92, 0.30);
    for (int second = 0; second < 20; second++) CHECK(stand.see(0.80).stage == emergency);
    CHECK(stand.see_for(5, 0.74).stage == aggressive);
  }
  SECTION("refusal: at once below 0.92") {
    stand.see(0.96);
    CHECK(stand.see_for(60, 0.921).stage == refusal);
    CHECK(stand.see(0.919).stage == emergency);
  }
}

TEST_CASE("PressureController: calm that is interrupted begins anew", "[pressure][controller]") {
  Stand stand;
  stand.see(0.80);
  stand.see_for(4, 0.70);
  stand.see(0.76);
  CHECK(stand.see_for(4, 0.70).stage == ResponseStage::gentle);
  CHECK(stand.see(0.70).stage == ResponseStage::none);
}

TEST_CASE("PressureController: it orders what brings expected usage down to 0.86",
          "[pressure][controller]") {
  Stand stand;
  SECTION("emergency: at once") {
    CHECK(share_of(stand.see(0.93)) == Approx(0.10));  // 0.93 + 0.03 − 0.86
  }
  SECTION("emergency: at most 25 % per second") {
    CHECK(share_of(stand.rise_to(0.93, 0.30)) == Approx(0.25));
  }
  SECTION("aggressive: over five seconds") {
    CHECK(share_of(stand.rise_to(0.70, 0.26)) == Approx(0.10 / 5));
  }
  SECTION("aggressive: at most 5 % per second") {
    for (int times = 0; times < 3; times++) stand.act(ResponseStage::aggressive, 0.01, 0);
    CHECK(share_of(stand.rise_to(0.70, 0.279)) == Approx(0.05));  // 0.119 / 0.343 / 5 is more.
  }
  SECTION("gentle: over twenty seconds") { CHECK(share_of(stand.see(0.85)) == Approx(0.02 / 20)); }
  SECTION("gentle: at most 1 % per second") {
    for (int times = 0; times < 3; times++) stand.act(ResponseStage::gentle, 0.01, 0);
    CHECK(share_of(stand.rise_to(0.70, 0.239)) == Approx(0.01));  // 0.079 / 0.343 / 20 is more.
  }
  SECTION("nothing below that") { CHECK(share_of(stand.see(0.82)) == 0); }
}

TEST_CASE("PressureController: without a limit, or with the mode off, it lets go",
          "[pressure][controller]") {
  Stand stand;
  REQUIRE(stand.see(0.97).refuses);
  SECTION("no limit is known any more") {
    const PressureOrder order =
        stand.controller().observe({.at_ns = 1, .used_bytes = 5}, ResponseMode::full);
    CHECK(order.stage == ResponseStage::none);
    CHECK(order.bytes_to_free == 0);
    CHECK(order.used_ratio == 0);
    CHECK(stand.controller().stage() == ResponseStage::none);
  }
  SECTION("off") {
    stand.set_mode(ResponseMode::off);
    CHECK(stand.see(0.97).stage == ResponseStage::none);
  }
  SECTION("from full to reclaim a refusal ends") {
    stand.set_mode(ResponseMode::reclaim);
    CHECK(stand.see(0.97).stage == ResponseStage::emergency);
  }
}

TEST_CASE("PressureController: it asks to be called sooner as the limit comes near",
          "[pressure][controller]") {
  Stand far, near, nearer, beyond;
  // Usage came 8 points nearer in three seconds and has 2 to 0.90; 3 at least, and half a point.
  CHECK(far.see(0.5).check_after_ns == ns_per_second);
  CHECK(near.rise_to(0.88, 0.08).check_after_ns == Approx(0.75 * ns_per_second));
  CHECK(nearer.rise_to(0.895, 0.02).check_after_ns == Approx(0.5 * ns_per_second));
  CHECK(beyond.see(0.93).check_after_ns == ns_per_second / 10);
}

TEST_CASE("PressureController: find_violation() sees each broken rule", "[pressure][controller]") {
  Stand stand;
  stand.see_for(5, 0.5);
  PressureController& controller = stand.controller();
  REQUIRE_FALSE(controller.find_violation().has_value());
  using Access = PressureControllerTestAccess;
  SECTION("stage") {
    Access::break_stage(controller);
    CHECK(controller.find_violation()->rule == "the mode allows the stage");
  }
  SECTION("effect") {
    Access::break_effect(controller);
    CHECK(controller.find_violation()->rule == "an effect is in 0 … 1");
  }
  SECTION("reserve") {
    Access::break_reserve(controller);
    CHECK(controller.find_violation()->rule == "the reserve is within its bounds");
  }
  SECTION("times") {
    Access::break_times(controller);
    CHECK(controller.find_violation()->rule == "positions have ascending times");
  }
}

TEST_CASE("PressureController: keeps its rules whatever it is told",
          "[pressure][controller][property]") {
  const auto seed = GENERATE(range<std::uint64_t>(1, 21));
  CAPTURE(seed);
  bench::Random random(seed);
  PressureController controller;
  std::uint64_t now_ns = 0;
  for (int step = 0; step < 2000; step++) {
    const std::uint64_t interval = random.next() >> (20 + random.below(44));
    now_ns = random.below(20) == 0 ? now_ns - interval : now_ns + interval;
    const auto mode = static_cast<ResponseMode>(random.below(3));
    const std::uint64_t limit = random.next() >> random.below(64);
    const PressureOrder order =
        controller.observe({.at_ns = now_ns,
                            .used_bytes = random.next() >> (2 + random.below(62)),
                            .limit_bytes = limit >> 2,
                            .file_bytes = random.next() >> (2 + random.below(62)),
                            .limit_id = random.below(3)},
                           mode);
    const auto broken = controller.find_violation();
    CAPTURE(broken ? broken->rule : "none");
    REQUIRE_FALSE(broken.has_value());
    REQUIRE(order.refuses == (order.stage == ResponseStage::refusal));
    REQUIRE((!order.refuses || mode == ResponseMode::full));
    REQUIRE(order.check_after_ns >= 100'000'000);
    controller.acted(static_cast<ResponseStage>(random.below(5)),
                     random.next() >> (8 + random.below(56)),
                     random.next() >> (8 + random.below(56)));
  }
}
