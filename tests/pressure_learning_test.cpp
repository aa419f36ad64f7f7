// What the pressure controller learns from: rises, the effect of its orders, and real time.
#include "allocators/pressure/pressure_controller.h"
#include "tests/support/catch.h"
#include "tests/support/controller_stand.h"

using namespace sqlitemem;
using tests::share_of;
using Stand = tests::ControllerStand;

TEST_CASE("PressureController: orders grow as their effect falls short", "[pressure][controller]") {
  Stand stand;
  using enum ResponseStage;
  stand.act(emergency, 0.10, 0.05);
  CHECK(stand.controller().effect_of(emergency) == Approx(0.7 + 0.3 * 0.5));
  CHECK(share_of(stand.see(0.93)) == Approx(0.10 / 0.85));
  CHECK(stand.controller().effect_of(refusal) == stand.controller().effect_of(emergency));
  CHECK(stand.controller().effect_of(gentle) == 1);
  SECTION("but at most five times") {
    for (int times = 0; times < 20; times++) stand.act(emergency, 0.01, 0);
    CHECK(stand.controller().effect_of(emergency) < 0.01);
    CHECK(share_of(stand.see(0.871)) == Approx(0.041 / 0.2));
  }
  SECTION("more freed than requested counts as all") {
    for (int times = 0; times < 40; times++) stand.act(emergency, 0.01, 0.05);
    CHECK(stand.controller().effect_of(emergency) == Approx(1));
  }
}

TEST_CASE("PressureController: a stage without effect hands over to the next",
          "[pressure][controller]") {
  Stand stand;
  using enum ResponseStage;
  const auto without_effect = [&](ResponseStage stage) {
    for (int times = 0; times < 4; times++) stand.act(stage, 0.01, 0);
  };
  SECTION("gentle, if the next would not be left at once") {
    stand.see(0.88);
    without_effect(gentle);
    CHECK(stand.see(0.88).stage == aggressive);
    // It is not judged by that for ever.
    CHECK(stand.controller().effect_of(gentle) == Approx(0.5));
    SECTION("and aggressive to emergency") {
      without_effect(aggressive);
      CHECK(stand.see(0.88).stage == emergency);
      without_effect(emergency);
      CHECK(stand.see(0.88).stage == emergency);
    }
  }
  SECTION("not otherwise") {
    stand.see(0.84);
    without_effect(gentle);
    CHECK(stand.see(0.84).stage == gentle);
  }
}

TEST_CASE("PressureController: the burst reserve is the fastest recent rise in three seconds",
          "[pressure][controller]") {
  Stand stand;
  const auto reserve = [&] { return stand.controller().burst_reserve(); };
  SECTION("at least 3 %") {
    stand.see_for(20, 0.5);
    CHECK(reserve() == Approx(0.03));
  }
  SECTION("at most 35 %") {
    stand.rise_to(0.7, 0.6);
    CHECK(reserve() == Approx(0.35));
  }
  SECTION("slow growth: three seconds of it") {
    stand.climb(0.1, 0.02, 20);
    CHECK(reserve() == Approx(0.06));
  }
  SECTION("it halves in five minutes") {
    stand.rise_to(0.5, 0.2);
    stand.see_for(301, 0.5);
    CHECK(reserve() == Approx(0.1).epsilon(0.01));
  }
  SECTION("falling usage adds nothing") {
    stand.climb(0.6, -0.05, 10);
    CHECK(reserve() == Approx(0.03));
  }
  SECTION("what was freed meanwhile does not hide a rise") {
    stand.see_for(5, 0.6);
    for (int seconds = 0; seconds < 3; seconds++) {
      stand.act(ResponseStage::none, 0.05, 0.05);
      stand.see(0.6);
    }
    CHECK(reserve() == Approx(0.15));
  }
  SECTION("usage that falls by what was freed, and stays, is no rise when freeing ends") {
    double used = 0.7;
    for (int seconds = 0; seconds < 5; seconds++) {
      used -= 0.05;
      stand.act(ResponseStage::none, 0.05, 0.05);
      stand.see(used);
    }
    stand.see_for(5, used);
    CHECK(reserve() == Approx(0.03));
  }
  SECTION("another limit's usage is no rise") {
    stand.see_for(5, 0.1);
    stand.set_limit_id(2);
    stand.see(0.8);
    CHECK(reserve() == Approx(0.03));
    stand.see(0.9);
    CHECK(reserve() == Approx(0.1));
  }
  SECTION("rises stay what they were when limits take turns") {
    stand.see_for(5, 0.7);
    for (std::uint32_t second = 1; second <= 6; second++) {
      stand.set_limit_id(second % 2);
      stand.see(0.2 * (second % 2));
      stand.see(0.2 * (second % 2) + 0.04);
    }
    CHECK(reserve() == Approx(0.08).epsilon(0.01));
  }
}

TEST_CASE("PressureController: real time counts, not the number of samples",
          "[pressure][controller]") {
  using enum ResponseStage;
  SECTION("ten samples per second") {
    Stand stand(ResponseMode::full, 0.1);
    stand.see_for(3.5, 0.5);
    for (int tenth = 0; tenth < 30; tenth++) stand.see(0.5 + 0.004 * tenth);
    CHECK(stand.controller().burst_reserve() == Approx(0.116).margin(0.001));
    Stand other(ResponseMode::full, 0.1);
    other.see(0.85);
    double ordered = 0;
    for (int tenth = 0; tenth < 10; tenth++) ordered += share_of(other.see(0.85));
    CHECK(ordered == Approx(0.02 / 20));
    CHECK(other.see_for(4.9, 0.70).stage == gentle);
    CHECK(other.see(0.70).stage == none);
  }
  SECTION("a sample every ten seconds: two are needed for a calm time, rises are those between") {
    Stand stand(ResponseMode::full, 10);
    stand.see(0.80);
    CHECK(stand.see(0.70).stage == gentle);
    CHECK(stand.see(0.70).stage == none);
    stand.see(0.80);
    CHECK(stand.controller().burst_reserve() == Approx(0.10));
  }
  SECTION("between 0.1 s and 3 s the reserve is found between samples") {
    Stand stand(ResponseMode::full, 2);
    stand.climb(0.1, 0.04, 12);
    CHECK(stand.controller().burst_reserve() == Approx(0.06));
  }
  SECTION("hours without a sample are ten seconds") {
    Stand stand;
    stand.see(0.85);
    stand.pass(7200);
    CHECK(share_of(stand.see(0.85)) == Approx(0.02 / 2));
  }
  SECTION("a clock that goes back adds no time, and harms nothing") {
    Stand stand;
    stand.see(0.85);
    stand.turn_back(60);
    const PressureOrder order = stand.see(0.85);
    CHECK(order.stage == gentle);
    CHECK(order.bytes_to_free == 0);
  }
}

TEST_CASE("PressureController: the first threshold is lower if memory comes back slowly",
          "[pressure][controller]") {
  using enum ResponseStage;
  const double speed = GENERATE(0.006, 0.015);
  CAPTURE(speed);
  Stand stand;
  CHECK_FALSE(stand.controller().reclaim_speed().has_value());
  SECTION("of much that was asked for") {
    for (int seconds = 0; seconds < 20; seconds++) {
      stand.see(0.3);
      stand.act(emergency, 0.02, speed);
    }
    stand.see(0.3);
    CHECK(*stand.controller().reclaim_speed() == Approx(speed));
    stand.see_for(4, 0.3);  // What was freed counts as a rise, too.
    stand.set_limit_id(2);
    const double reserve = GENERATE(0.079, 0.081);  // With 0.77: just below 0.85, just above.
    CAPTURE(reserve);
    const bool is_earlier = speed < 0.01 && reserve > 0.08;
    CHECK(stand.rise_to(0.77, reserve).stage == (is_earlier ? gentle : none));
    if (is_earlier) {
      // It is left five points below that.
      CHECK(stand.see_for(20, 0.745).stage == gentle);
      CHECK(stand.see_for(5, 0.60).stage == none);
    }
  }
  SECTION("less than one percent per second, asked for, says nothing") {
    stand.see(0.3);
    stand.act(gentle, 0.009, 0.001);
    stand.see(0.3);
    CHECK_FALSE(stand.controller().reclaim_speed().has_value());
  }
}

TEST_CASE("PressureController: pages of files that the kernel drops are not counted",
          "[pressure][controller]") {
  PressureController controller;
  PressureOrder order = controller.observe(
      {.at_ns = 1, .used_bytes = 990, .limit_bytes = 1000, .file_bytes = 500}, ResponseMode::full);
  CHECK(order.stage == ResponseStage::none);
  CHECK(order.used_ratio == Approx(0.49));
  order = controller.observe({.at_ns = 2, .used_bytes = 10, .limit_bytes = 1000, .file_bytes = 500},
                             ResponseMode::full);
  CHECK(order.used_ratio == 0);
}
