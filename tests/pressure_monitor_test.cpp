// The monitor of memory pressure: which limit it follows, what it keeps, and whom it asks.
#include "allocators/pressure/pressure_monitor.h"

#include "allocators/base/clock.h"
#include "allocators/pressure/growth.h"
#include "tests/support/catch.h"

namespace sqlitemem {
namespace {

constexpr std::uint64_t mb = 1'000'000;

LimitReading limit(LimitSource source, std::uint64_t used, std::uint64_t most, const char* name) {
  LimitReading reading;
  reading.source = source;
  reading.limit_bytes = most;
  reading.used_bytes = used;
  reading.name = name;
  return reading;
}

/// Feeds a monitor one sample a second.
class Feed {
 public:
  explicit Feed(const PressureRules& rules = {}) : monitor(rules) {}

  PressureOrder add(std::vector<LimitReading> limits,
                    PressureMonitor::Act act = PressureMonitor::Act::yes) {
    now_ns += ns_per_second;
    readings.all = std::move(limits);
    readings.resident_bytes = 5 * mb;
    return monitor.add({.now_ns = now_ns,
                        .unix_ms = static_cast<std::int64_t>(now_ns / 1'000'000),
                        .limits = &readings,
                        .heap_held_bytes = 3 * mb,
                        .pool_bytes = mb,
                        .allocations = now_ns / ns_per_second * 100,
                        .frees = now_ns / ns_per_second * 90},
                       act);
  }
  PressureOrder add_usage(std::uint64_t used_mb) {
    return add({limit(LimitSource::config, used_mb * mb, 100 * mb, "memory_limit")});
  }
  [[nodiscard]] PressureReading reading() const { return monitor.reading(now_ns); }

  std::uint64_t now_ns = 1000 * ns_per_second;
  LimitReadings readings;
  PressureMonitor monitor;
};

}  // namespace

TEST_CASE("Pressure monitor: without a limit there is a series, but no level and no order",
          "[pressure]") {
  Feed feed;
  for (int i = 0; i < 5; ++i) CHECK(feed.add({}).bytes_to_free == 0);
  const PressureReading reading = feed.reading();
  CHECK_FALSE(reading.limit_bytes);
  CHECK(reading.limit_source == LimitSource::none);
  CHECK(reading.used_bytes == 5 * mb);
  CHECK(reading.level == PressureLevel::normal);
  CHECK_FALSE(reading.forecast);
  CHECK(reading.history.size() == 5);
}

TEST_CASE("Pressure monitor: the limit with the least room is followed, and not left for a little",
          "[pressure]") {
  Feed feed;
  const auto config = [](std::uint64_t used) {
    return limit(LimitSource::config, used * mb, 100 * mb, "memory_limit");
  };
  const auto group = [](std::uint64_t used) {
    return limit(LimitSource::cgroup, used * mb, 200 * mb, "/sys/fs/cgroup/a/memory.max");
  };
  feed.add({config(50), group(120)});
  CHECK(feed.reading().limit_source == LimitSource::config);
  feed.add({config(50), group(152)});  // 48 of room instead of 50.
  CHECK(feed.reading().limit_source == LimitSource::config);
  feed.add({config(50), group(160)});
  CHECK(feed.reading().limit_source == LimitSource::cgroup);
  CHECK(feed.reading().limit_note == "/sys/fs/cgroup/a/memory.max");
  CHECK(feed.reading().used_bytes == 160 * mb);
}

TEST_CASE("Pressure monitor: a steep series becomes a forecast, and another limit forgets it",
          "[pressure]") {
  Feed feed;
  for (std::uint64_t used = 20; used < 60; ++used) feed.add_usage(used);
  auto reading = feed.reading();
  REQUIRE(reading.forecast);
  CHECK(reading.forecast->slope_per_second == Approx(0.01).epsilon(0.05));
  CHECK(reading.forecast->horizons[0].predicted > 0.75);
  feed.add({limit(LimitSource::cgroup, 90 * mb, 100 * mb, "group")});
  feed.add({limit(LimitSource::cgroup, 90 * mb, 100 * mb, "group")});
  reading = feed.reading();
  REQUIRE(reading.forecast);
  CHECK(reading.forecast->slope_per_second == 0);
}

TEST_CASE("Pressure monitor: a limit that is doubled halves what was seen", "[pressure]") {
  Feed feed;
  for (std::uint64_t used = 20; used < 60; ++used) feed.add_usage(used);
  feed.add({limit(LimitSource::config, 60 * mb, 200 * mb, "memory_limit")});
  feed.add({limit(LimitSource::config, 61 * mb, 200 * mb, "memory_limit")});
  const auto reading = feed.reading();
  REQUIRE(reading.forecast);
  CHECK(reading.forecast->slope_per_second == Approx(0.005).epsilon(0.1));
}

TEST_CASE("Pressure monitor: only those who respond move the stage", "[pressure]") {
  Feed feed;
  for (int i = 0; i < 3; ++i) {
    const auto order = feed.add({limit(LimitSource::config, 93 * mb, 100 * mb, "memory_limit")},
                                PressureMonitor::Act::no);
    CHECK(order.bytes_to_free == 0);
  }
  CHECK(feed.reading().stage == ResponseStage::none);
  CHECK(feed.reading().level == PressureLevel::critical);
  CHECK(feed.reading().pressure_events == 0);
  const auto order = feed.add_usage(93);
  CHECK(order.stage == ResponseStage::emergency);
  CHECK(order.bytes_to_free > 0);
  CHECK(feed.reading().pressure_events == 1);
}

TEST_CASE("Pressure monitor: mode off orders nothing, whatever the usage", "[pressure]") {
  Feed feed({.mode = ResponseMode::off});
  for (int i = 0; i < 5; ++i) {
    const auto order = feed.add_usage(99);
    CHECK(order.stage == ResponseStage::none);
    CHECK(order.bytes_to_free == 0);
    CHECK_FALSE(order.stops_growth);
  }
  CHECK(feed.reading().level == PressureLevel::emergency);
}

TEST_CASE("Pressure monitor: what was done is remembered", "[pressure]") {
  Feed feed;
  CHECK(feed.reading().last_action.empty());
  CHECK_FALSE(feed.reading().last_freed_bytes);
  const auto order = feed.add_usage(91);
  feed.monitor.acted(order.stage, "buffer_pool", order.bytes_to_free, 2 * mb);
  CHECK(feed.reading().last_action == "buffer_pool");
  CHECK(feed.reading().last_freed_bytes == 2 * mb);
}

TEST_CASE("Pressure monitor: events of an hour ago are not of the last hour", "[pressure]") {
  Feed feed;
  feed.add_usage(91);
  for (int i = 0; i < 60; ++i) feed.add_usage(10);
  CHECK(feed.reading().stage == ResponseStage::none);
  feed.add_usage(91);
  CHECK(feed.reading().pressure_events == 2);
  CHECK(feed.reading().pressure_events_last_hour == 2);
  feed.now_ns += 3570 * ns_per_second;
  CHECK(feed.reading().pressure_events == 2);
  CHECK(feed.reading().pressure_events_last_hour == 1);
}

TEST_CASE("Pressure monitor: the series has the size that the options say", "[pressure]") {
  Feed feed({.history_size = 10});
  for (std::uint64_t i = 0; i < 25; ++i) feed.add_usage(10 + i);
  auto reading = feed.reading();
  REQUIRE(reading.history.size() == 10);
  CHECK(reading.history.front().used_bytes == 25 * mb);
  CHECK(reading.history.back().used_bytes == 34 * mb);
  CHECK(reading.history.back().resident_bytes == 5 * mb);
  CHECK(reading.history.back().heap_held_bytes == 3 * mb);
  feed.monitor.apply({.history_size = 4});
  CHECK(feed.reading().history.size() == 4);
}

TEST_CASE("Pressure monitor: levels follow the preset", "[pressure]") {
  const std::size_t preset = GENERATE(0U, 1U, 2U);
  const std::array<PressureLevel, 3> at_75 = {PressureLevel::normal, PressureLevel::warning,
                                              PressureLevel::high};
  Feed feed({.levels = preset});
  feed.add_usage(75);
  CHECK(feed.reading().level == at_75[preset]);
}

TEST_CASE("Pressure monitor: a leak of minutes was not seen in a minute of history", "[pressure]") {
  Feed feed;
  for (std::uint64_t second = 0; second < 600; ++second) {
    feed.now_ns += ns_per_second;
    feed.readings.all = {limit(LimitSource::config, 20 * mb, 1000 * mb, "memory_limit")};
    feed.monitor.add({.now_ns = feed.now_ns,
                      .unix_ms = static_cast<std::int64_t>(feed.now_ns / 1'000'000),
                      .limits = &feed.readings,
                      // Work comes and goes on top of what leaks.
                      .heap_held_bytes = 10 * mb + second * 20'000 + second % 7 * mb},
                     PressureMonitor::Act::yes);
  }
  const PressureReading reading = feed.reading();
  CHECK(reading.history.size() == 60);
  CHECK(reading.troughs.size() == 30);
  const auto growth = growth_in(reading);
  REQUIRE(growth);
  CHECK(growth->is_continuous);
  CHECK(growth->bytes_per_hour == Approx(20'000.0 * 3600).epsilon(0.1));
}

}  // namespace sqlitemem
