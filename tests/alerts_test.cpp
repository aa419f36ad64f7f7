// Alerts: each condition is raised once and cleared once, whoever looks, and survives a fork as
// an empty book.
#include "allocators/pressure/alerts.h"

#include <sys/wait.h>
#include <unistd.h>
#include <atomic>

#include <functional>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include "allocators/base/bytes.h"
#include "allocators/base/words.h"
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

/// A book, and a clock that moves a second with every evaluation.
struct Watched {
  std::unique_ptr<AlertBook> book = std::make_unique<AlertBook>();
  std::int64_t now_ms = 1'000'000;

  void see(const AlertInputs& inputs) { book->evaluate(inputs, now_ms += 1000); }
  [[nodiscard]] std::vector<Alert> of(std::string_view code) const {
    std::vector<Alert> found;
    for (Alert& alert : book->all()) {
      if (alert.rule->code == code) found.push_back(std::move(alert));
    }
    return found;
  }
  [[nodiscard]] bool is_active(std::string_view code) const {
    const auto alerts = of(code);
    return !alerts.empty() && !alerts.back().cleared_at_unix_ms;
  }
};

AlertInputs usage_of(std::uint64_t percent) {
  AlertInputs inputs;
  inputs.usage = UsageInput{percent * mib, 100 * mib};
  return inputs;
}
AlertInputs fragmentation_of(std::uint64_t percent) {
  AlertInputs inputs;
  inputs.fragmentation = {{"heap", (100 - percent) * mib, 100 * mib}};
  return inputs;
}
AlertInputs events_of(std::uint64_t count) {
  AlertInputs inputs;
  inputs.pressure_events_last_hour = count;
  return inputs;
}
AlertInputs refusals_of(std::uint64_t count, std::uint64_t requested = 5 * mib) {
  AlertInputs inputs;
  inputs.refusals = RefusalInput{.refused_by_heap = count,
                                 .refused_by_monitor = std::nullopt,
                                 .last_requested_bytes = requested,
                                 .used_bytes = 60 * mib,
                                 .limit_bytes = 64 * mib};
  return inputs;
}
AlertInputs growth_of(double bytes_per_hour, bool is_continuous = true) {
  AlertInputs inputs;
  inputs.growth = Growth{};
  inputs.growth->bytes_per_hour = bytes_per_hour;
  inputs.growth->is_continuous = is_continuous;
  return inputs;
}
AlertInputs orphan_of(double idle_seconds, double allowed = 60) {
  AlertInputs inputs;
  inputs.orphans = {{7, idle_seconds, allowed}};
  return inputs;
}
AlertInputs log_of(std::uint64_t bytes, std::uint64_t pinned) {
  AlertInputs inputs;
  inputs.logs = {{"/data/orders.db", bytes, pinned, 3}};
  return inputs;
}
AlertInputs forecast_of(bool is_warning, double seconds) {
  AlertInputs inputs;
  inputs.forecast = ForecastInput{is_warning, seconds, 0.8};
  return inputs;
}

/// One rule's story: quiet, raised, still raised though better, quiet again.
struct Story {
  std::string_view code;
  AlertInputs before, raised, between, after;
  bool clears_between = false;  ///< There is no hysteresis: it holds or does not.
};

std::vector<Story> stories() {
  std::vector<Story> all;
  all.push_back({"usage_high", usage_of(70), usage_of(71), usage_of(66), usage_of(64)});
  all.push_back({"usage_critical", usage_of(90), usage_of(91), usage_of(86), usage_of(84)});
  all.push_back({"little_free", usage_of(95), usage_of(96), usage_of(93), usage_of(91)});
  all.push_back({"fragmentation", fragmentation_of(20), fragmentation_of(21), fragmentation_of(16),
                 fragmentation_of(14)});
  all.push_back({"fragmentation_severe", fragmentation_of(35), fragmentation_of(36),
                 fragmentation_of(31), fragmentation_of(29)});
  all.push_back({"pressure_events", events_of(5), events_of(6), events_of(3), events_of(2)});
  all.push_back({"continuous_growth", growth_of(2e6, false), growth_of(2e6), growth_of(0.8e6),
                 growth_of(2e6, false)});
  all.push_back(
      {"orphaned_transaction", orphan_of(59), orphan_of(60), orphan_of(100), orphan_of(1)});
  all.push_back({"wal_growth", log_of(64 * mib, 0), log_of(65 * mib, 0), log_of(33 * mib, 0),
                 log_of(31 * mib, 0)});
  all.push_back({"wal_blocked", log_of(0, 1000), log_of(0, 1001), log_of(0, 101), log_of(0, 99)});
  all.push_back({"forecast", forecast_of(false, 60), forecast_of(true, 119), forecast_of(true, 200),
                 forecast_of(false, 60)});
  return all;
}

}  // namespace

TEST_CASE("Alerts: every rule is raised once, kept within its hysteresis, and cleared once",
          "[alerts]") {
  std::set<std::string_view> told;
  for (const Story& story : stories()) {
    CAPTURE(story.code);
    told.insert(story.code);
    Watched watched;
    watched.see(story.before);
    CHECK(watched.of(story.code).empty());
    watched.see(story.raised);
    const std::int64_t raised_at = watched.now_ms;
    REQUIRE(watched.is_active(story.code));
    watched.see(story.between);
    watched.see(AlertInputs{});  // What could not be read changes nothing.
    watched.see(story.raised);
    REQUIRE(watched.is_active(story.code));
    watched.see(story.after);
    const std::int64_t cleared_at = watched.now_ms;
    watched.see(story.after);
    const auto alerts = watched.of(story.code);
    REQUIRE(alerts.size() == 1);
    CHECK(alerts[0].raised_at_unix_ms == raised_at);
    CHECK(alerts[0].cleared_at_unix_ms == cleared_at);
    watched.see(story.raised);
    CHECK(watched.of(story.code).size() == 2);
  }
  for (const AlertRule& rule : alert_rules()) {
    CAPTURE(rule.code);
    // Refusals are events, with a test of their own.
    CHECK(told.contains(rule.code) == (rule.code != "allocation_failure"));
  }
}

TEST_CASE("Alerts: rules have codes of their own, formats that work, and advice in sentences",
          "[alerts]") {
  std::set<std::string_view> codes;
  for (const AlertRule& rule : alert_rules()) {
    CAPTURE(rule.code);
    CHECK(codes.insert(rule.code).second);
    CHECK(rule.message.ends_with('.'));
    CHECK(rule.advice.ends_with('.'));
    Alert alert;
    alert.rule = &rule;
    alert.subject = "heap";
    alert.threshold = 1;
    CHECK(alert.message().find_first_of("{}") == std::string::npos);
  }
}

TEST_CASE("Alerts: a message has the worst value, and the amounts that belong to it", "[alerts]") {
  Watched watched;
  watched.see(usage_of(72));
  watched.see(usage_of(81));
  watched.see(usage_of(75));
  const Alert alert = watched.of("usage_high").at(0);
  CHECK(alert.value == Approx(0.81));
  CHECK(alert.threshold == 0.70);
  CHECK(alert.message() == "81.0 % of the memory limit are in use: 81.0 MB of 100.0 MB.");
}

TEST_CASE("Alerts: refusals of one minute are one alert, with requested, used and limit",
          "[alerts]") {
  Watched watched;
  watched.see(refusals_of(0));
  CHECK(watched.of("allocation_failure").empty());
  watched.see(refusals_of(1));
  watched.see(refusals_of(1));
  watched.see(refusals_of(4, 7 * mib));
  watched.see(refusals_of(5, 1 * mib));
  auto alerts = watched.of("allocation_failure");
  REQUIRE(alerts.size() == 1);
  CHECK(alerts[0].value == 7 * mib);
  CHECK(alerts[0].threshold == 64 * mib);
  CHECK(alerts[0].message() ==
        "A request for 7.0 MB was refused: 60.0 MB were in use, limit 64.0 MB.");
  for (int second = 0; second < 59; ++second) watched.see(refusals_of(5));
  CHECK(watched.is_active("allocation_failure"));
  watched.see(refusals_of(5));
  CHECK_FALSE(watched.is_active("allocation_failure"));
  watched.see(refusals_of(6));
  CHECK(watched.of("allocation_failure").size() == 2);
  // After a reset of the counters, what is counted is new.
  for (int second = 0; second < 61; ++second) watched.see(refusals_of(0));
  CHECK_FALSE(watched.is_active("allocation_failure"));
  watched.see(refusals_of(2));
  CHECK(watched.of("allocation_failure").size() == 3);
  AlertInputs by_another = refusals_of(0);
  by_another.refusals->refused_by_heap.reset();
  by_another.refusals->refused_by_monitor = 0;
  watched.see(by_another);
  CHECK(watched.of("allocation_failure").size() == 3);
}

TEST_CASE("Alerts: subjects are alerts of their own, and one that is gone is cleared", "[alerts]") {
  Watched watched;
  AlertInputs inputs;
  const std::string deep(300, 'd');
  inputs.logs = {{"/a/" + deep, 100 * mib, 0, 0}, {"/b/" + deep, 100 * mib, 0, 0}};
  watched.see(inputs);
  REQUIRE(watched.of("wal_growth").size() == 2);
  CHECK(deep.ends_with(watched.of("wal_growth")[0].subject));
  inputs.logs->erase(inputs.logs->begin());
  watched.see(inputs);
  const auto alerts = watched.of("wal_growth");
  REQUIRE(alerts.size() == 2);
  CHECK(alerts[0].cleared_at_unix_ms.has_value());
  CHECK_FALSE(alerts[1].cleared_at_unix_ms.has_value());
}

TEST_CASE("Alerts: the last 256 are kept, and active ones outlive those that were cleared",
          "[alerts]") {
  Watched watched;
  AlertInputs inputs = usage_of(80);
  watched.see(inputs);
  for (std::uint64_t id = 1; id <= 300; ++id) {
    inputs.orphans = {{id, 100.0, 60}};
    watched.see(inputs);
  }
  auto alerts = watched.book->all();
  REQUIRE(alerts.size() == AlertBook::max_alerts);
  CHECK(alerts.front().rule->code == "usage_high");
  CHECK(alerts.front().alert_id == 1);
  CHECK(alerts.back().alert_id == 301);
  for (std::size_t index = 1; index < alerts.size(); ++index)
    CHECK(alerts[index - 1].alert_id < alerts[index].alert_id);
  CHECK(watched.book->active_count() == 2);
  // More at once than there is room for: the first stay, and nobody's time is lost.
  inputs.orphans = std::vector<OrphanInput>{};
  for (std::uint64_t id = 1000; id < 1400; ++id) inputs.orphans->push_back({id, 100.0, 60});
  watched.see(inputs);
  watched.see(inputs);
  CHECK(watched.book->active_count() == AlertBook::max_alerts);
  CHECK(watched.book->all().front().alert_id == 1);
}

TEST_CASE("Alerts: random inputs never leave two active alerts on one subject",
          "[alerts][property]") {
  const auto seed = GENERATE(1u, 2u, 3u);
  CAPTURE(seed);
  std::mt19937 random(seed);
  Watched watched;
  std::uint64_t refused = 0;
  for (int step = 0; step < 2000; ++step) {
    AlertInputs inputs;
    if (random() % 3 != 0) inputs.usage = UsageInput{random() % 110, 100};
    if (random() % 3 != 0) inputs.fragmentation = {{"heap", random() % 101, 100}};
    if (random() % 3 != 0) inputs.orphans = {{random() % 5, double(random() % 100), 60}};
    if (random() % 3 != 0) inputs.refusals = refusals_of(refused += random() % 2).refusals;
    watched.see(inputs);
    std::set<std::pair<std::string_view, std::string>> active;
    const auto alerts = watched.book->all();
    for (const Alert& alert : alerts) {
      if (alert.cleared_at_unix_ms) {
        REQUIRE(*alert.cleared_at_unix_ms > alert.raised_at_unix_ms);
      } else {
        REQUIRE(active.emplace(alert.rule->code, alert.subject).second);
      }
    }
    REQUIRE(active.size() == watched.book->active_count());
  }
}

TEST_CASE("Alerts: threads evaluate and read at once", "[alerts][threads]") {
  Watched watched;
  std::atomic<bool> was_too_many{false};  // Catch2 counts in one thread only.
  std::vector<std::thread> threads;
  for (int number = 0; number < 3; ++number) {
    threads.emplace_back([&, number] {
      for (int step = 0; step < 500; ++step) {
        watched.book->evaluate(usage_of(static_cast<std::uint64_t>(step * (number + 1)) % 100),
                               1000 + step);
        if (step % 50 == 0 && watched.book->all().size() > AlertBook::max_alerts)
          was_too_many = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(was_too_many);
  watched.see(usage_of(10));
  CHECK(watched.book->active_count() == 0);
}

TEST_CASE("Alerts: a child of fork begins with an empty book, whoever held its lock",
          "[alerts][no_tsan]") {
  alert_book().evaluate(usage_of(80), 1000);
  REQUIRE(alert_book().active_count() == 1);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_empty = alert_book().all().empty();
    alert_book().evaluate(usage_of(80), 2000);
    ::_exit(is_empty && alert_book().active_count() == 1 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(alert_book().all().at(0).raised_at_unix_ms == 1000);
}
