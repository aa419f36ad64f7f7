// What a series must do to count as growth, and the alerts as the table memory_alerts shows them.
#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "allocators/base/bytes.h"
#include "allocators/base/words.h"
#include "allocators/pressure/growth.h"
#include "allocators/stats/tables.h"
#include "tests/support/catch.h"
#include "tests/support/fake_sources.h"
#include "tests/support/known_heap.h"

using namespace sqlitemem;
using namespace sqlitemem::stats;
using sqlitemem::tests::Blocks;
using sqlitemem::tests::FakeSources;
using sqlitemem::tests::row_where;
using sqlitemem::tests::rows_of;
using sqlitemem::tests::sources_with_heap;

namespace {

PressureSample a_sample(double second, std::uint64_t heap_bytes) {
  PressureSample sample;
  sample.at_ns = static_cast<std::uint64_t>(second * 1e9);
  sample.heap_held_bytes = heap_bytes;
  sample.resident_bytes = heap_bytes + 10 * mib;
  return sample;
}
/// 600 samples, one each second.
std::vector<PressureSample> a_series(const std::function<double(double second)>& megabytes) {
  std::vector<PressureSample> series;
  for (int second = 0; second < 600; ++second) {
    series.push_back(a_sample(second, static_cast<std::uint64_t>(megabytes(second) * double{mib})));
  }
  return series;
}
bool grows(const std::function<double(double second)>& megabytes) {
  return find_growth(a_series(megabytes)).value().is_continuous;
}

}  // namespace

TEST_CASE("Alerts: the monitor's reading gives the cheap parts, and only what is known",
          "[alerts]") {
  PressureReading reading;
  reading.used_bytes = 80;
  CHECK_FALSE(alert_inputs_of(reading).usage.has_value());
  reading.limit_bytes = 100;
  reading.refused_requests = 3;
  reading.pressure_events_last_hour = 9;
  reading.forecast.emplace();
  reading.forecast->is_warning = true;
  reading.forecast->seconds_to_critical = 30;
  AlertInputs inputs = alert_inputs_of(reading);
  CHECK(inputs.usage->used_bytes == 80);
  CHECK(inputs.refusals->refused_by_monitor == 3u);
  CHECK(inputs.pressure_events_last_hour == 9u);
  CHECK(inputs.forecast->is_warning);
  CHECK_FALSE(inputs.growth.has_value());
  CHECK_FALSE(inputs.orphans.has_value());
  reading.forecast->is_stale = true;
  reading.history = a_series([](double second) { return 50 + second / 10; });
  inputs = alert_inputs_of(reading);
  CHECK_FALSE(inputs.forecast.has_value());
  CHECK(inputs.growth->is_continuous);
}

TEST_CASE("Growth: a leak grows, whatever work goes on above it", "[alerts][growth]") {
  CHECK(grows([](double second) { return 50 + second / 10; }));
  std::mt19937 random(1);
  CHECK(grows([&](double second) { return 50 + second / 10 + double(random() % 100); }));
  const auto growth = find_growth(a_series([](double second) { return 50 + second / 10; }));
  CHECK(growth->bytes_per_hour == Approx(360.0 * mib).epsilon(0.02));
  CHECK(growth->subject == GrowthSubject::heap);
  CHECK(growth->rises == growth->steps);
}

TEST_CASE("Growth: work, filling caches, steps and noise are no leak", "[alerts][growth]") {
  CHECK_FALSE(grows([](double) { return 50.0; }));
  CHECK_FALSE(grows([](double second) { return 50 - second / 20; }));
  CHECK_FALSE(grows([](double second) { return second < 300 ? 50.0 : 90.0; }));
  CHECK_FALSE(grows([](double second) { return 50 + 40 * (1 - std::exp(-second / 60)); }));
  CHECK_FALSE(grows([](double second) { return 50 + 20 * std::sin(second / 30); }));
  CHECK_FALSE(grows([](double second) { return 50 + second / 1000; }));  // 0.6 MB: noise.
  std::mt19937 random(2);
  CHECK_FALSE(grows([&](double) { return 50 + double(random() % 50); }));
}

TEST_CASE("Growth: the buffer pool's own does not count, nor is a short history judged",
          "[alerts][growth]") {
  auto series = a_series([](double second) { return 50 + second / 10; });
  for (PressureSample& sample : series) sample.pool_bytes = sample.heap_held_bytes - 5 * mib;
  CHECK_FALSE(find_growth(series)->is_continuous);
  for (PressureSample& sample : series) sample.heap_held_bytes = 0;
  CHECK(find_growth(series)->subject == GrowthSubject::process);
  CHECK(find_growth(series)->is_continuous);
  series.resize(static_cast<std::size_t>(min_growth_seconds));
  CHECK_FALSE(find_growth(series).has_value());
  CHECK_FALSE(find_growth({}).has_value());
  // A hole in the middle: nobody knows what happened.
  auto holed = a_series([](double second) { return 50 + second / 10; });
  holed.erase(holed.begin() + 100, holed.begin() + 400);
  CHECK_FALSE(find_growth(holed).has_value());
}

TEST_CASE("Growth: a random walk is rarely taken for a leak", "[alerts][growth][property]") {
  int taken = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    double level = 100;
    taken += grows([&](double) { return level += double(random() % 2001) / 1000 - 1; }) ? 1 : 0;
  }
  CHECK(taken <= 6);
}

TEST_CASE("Alerts: memory_alerts keeps the time at which it first saw a condition",
          "[alerts][stats]") {
  FakeSources sources;
  sources.the_transactions.emplace_back().connection_id = 4;
  sources.the_transactions[0].state = "write";
  sources.the_transactions[0].idle_seconds = 3600;
  const auto is_orphan = [](const auto& row) { return row.code == "orphaned_transaction"; };
  const auto first = row_where(rows_of<MemoryAlertsRow>(sources), is_orphan);
  CHECK(first.subject == "connection 4");
  CHECK(first.value == 3600.0);
  CHECK(first.threshold == 60.0);
  CHECK(first.severity == "warning");
  CHECK_FALSE(first.cleared_at.has_value());
  rows_of<MemoryAlertsRow>(sources);
  const auto again = rows_of<MemoryAlertsRow>(sources);
  CHECK(row_where(again, is_orphan).raised_at == first.raised_at);
  CHECK(std::ranges::count_if(again, is_orphan) == 1);
  sources.the_transactions.clear();
  CHECK(row_where(rows_of<MemoryAlertsRow>(sources), is_orphan).cleared_at.has_value());
  CHECK(rows_of<MemoryAlertsRow>(sources, {std::string("critical")}).empty());
  CHECK_THROWS_WITH(rows_of<MemoryAlertsRow>(sources, {std::string("criticle")}),
                    Catch::Contains("nearest: 'critical'"));
}

TEST_CASE("Alerts: a request over memory_limit is an alert with its size, use and limit",
          "[alerts][stats]") {
  FakeSources sources = sources_with_heap();
  REQUIRE(set_option("memory_limit", "32MB", OptionSource::api).result == SetResult::ok);
  process_heap().apply_config();
  CHECK(rows_of<MemoryAlertsRow>(sources, {std::string("critical")}).empty());
  REQUIRE(heap_allocate(40 * mib) == nullptr);
  const auto rows = rows_of<MemoryAlertsRow>(sources, {std::string("critical")});
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].code == "allocation_failure");
  CHECK(rows[0].value == 40.0 * mib);
  CHECK(rows[0].threshold == 32.0 * mib);
  CHECK_THAT(rows[0].message, Catch::Contains("40.0 MB was refused"));
  CHECK_THAT(rows[0].message, Catch::Contains("limit 32.0 MB"));
}

TEST_CASE("Alerts: a log is blocked by a reader that is old or elsewhere, not by one at work",
          "[alerts][stats]") {
  FakeSources sources;
  WalStatsRow& log = sources.the_logs.emplace_back();
  log.database_file = "/data/orders.db";
  log.page_bytes = 4096;
  log.frames = 5000;
  log.oldest_reader_frame = 10;
  log.pinned_frames = 4990;
  log.oldest_reader_connection_id = 2;
  OpenTransactionsRow& reader = sources.the_transactions.emplace_back();
  reader.connection_id = 2;
  reader.age_seconds = 3;
  const auto pinned = [&] {
    sources.forget();
    return read_alert_inputs(sources).logs->at(0).pinned_frames;
  };
  CHECK(pinned() == 0);
  reader.age_seconds = 31;
  CHECK(pinned() == 4990);
  log.oldest_reader_connection_id.reset();
  CHECK(pinned() == 0);
  log.is_oldest_elsewhere = Flag(true);
  CHECK(pinned() == 4990);
  CHECK(read_alert_inputs(sources).logs->at(0).log_bytes == 5000u * (4096 + 24));
}

TEST_CASE("Alerts: without a monitor the limit is memory_limit or the control group's",
          "[alerts][stats]") {
  FakeSources sources = sources_with_heap();
  sources.the_root = "/nonexistent";
  CHECK_FALSE(read_limit_in_force(sources.reading()).has_value());
  REQUIRE(set_option("memory_limit", "64MB", OptionSource::api).result == SetResult::ok);
  process_heap().apply_config();
  Blocks blocks;
  blocks.add(50 * mib);
  sources.forget();
  const auto limit = read_limit_in_force(sources.reading());
  REQUIRE(limit.has_value());
  CHECK(limit->limit_bytes == 64 * mib);
  CHECK(limit->used_bytes >= 50 * mib);
  CHECK(limit->source == "the heap, against memory_limit");
  sources.the_pressure.emplace();
  sources.the_pressure->limit_bytes = 10;
  sources.the_pressure->used_bytes = 9;
  sources.forget();
  CHECK(read_limit_in_force(sources.reading())->limit_bytes == 10);
}

TEST_CASE("Words: amounts are readable", "[alerts][words]") {
  CHECK(bytes_in_words(0) == "0 B");
  CHECK(bytes_in_words(1023) == "1023 B");
  CHECK(bytes_in_words(1536) == "1.5 kB");
  CHECK(bytes_in_words(-3.0 * mib) == "-3.0 MB");
  CHECK(bytes_in_words(5e15) == "4547.5 TB");
  CHECK(seconds_in_words(12) == "12 s");
  CHECK(seconds_in_words(600) == "10 min");
  CHECK(seconds_in_words(12600) == "3.5 h");
  CHECK(seconds_in_words(259200) == "3.0 days");
}
