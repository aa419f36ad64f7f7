// The metrics in both text formats, read back by a checker that is itself checked.
#include "allocators/stats/metrics.h"

#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "allocators/stats/tables.h"

#include "tests/support/catch.h"
#include "tests/support/known_heap.h"
#include "tests/support/metrics_check.h"

using namespace sqlitemem;
using namespace sqlitemem::stats;
using sqlitemem::tests::a_connection;
using sqlitemem::tests::Blocks;
using sqlitemem::tests::FakeSources;
using sqlitemem::tests::rows_of;
using sqlitemem::tests::sources_with_heap;

namespace {

constexpr auto air = std::to_array<std::string_view>({"cold", "warm", "hot"});

struct RoomRow {
  std::string room;
  std::optional<std::string> air;

  static constexpr auto describe() {
    using R = RoomRow;
    return describe_table<R>("rooms", "room", "Rooms.",
                             {{"room", &R::room, Role::label, "", "Which."},
                              {"air", &R::air, Role::state, "", "How it feels.", ::air}});
  }
};

}  // namespace

TEST_CASE("metrics: metrics are well-formed in both formats", "[stats][metrics]") {
  FakeSources sources = sources_with_heap();
  sources.the_connections = {a_connection(1), a_connection(2)};
  Blocks blocks;
  blocks.add_many(300, 64);
  const auto families = collect_metrics(sources);
  const tests::MetricsCheck plain(format_metrics(families, MetricFormat::prometheus), false);
  CHECK(plain.problem() == "");
  CHECK(plain.samples().at("sqlitemem_slab_live_objects{size_class=\"64\"}") == 300);
  CHECK(plain.samples().at("sqlitemem_slab_allocations_total{size_class=\"64\"}") == 300);
  CHECK(plain.samples().at("sqlitemem_connection_cache_used_bytes{connection_id=\"2\"}") == 2000);
  CHECK(plain.samples().count("sqlitemem_memory_bytes{component=\"live\",category=\"allocator\"}"));
  const tests::MetricsCheck open(format_metrics(families, MetricFormat::openmetrics), true);
  CHECK(open.problem() == "");
  CHECK(open.samples() == plain.samples());
  const auto rows = rows_of<MemoryMetricsRow>(sources);
  CHECK(rows.size() == plain.samples().size());
  FakeSources observing;
  const tests::MetricsCheck few(
      format_metrics(collect_metrics(observing), MetricFormat::prometheus), false);
  CHECK(few.problem() == "");
  CHECK(few.samples().count("sqlitemem_large_live_bytes") == 0);  // Unknown is not zero.
}

TEST_CASE("metrics: labels are escaped for their format", "[stats][metrics]") {
  const std::vector<MetricFamily> families{
      {"sqlitemem_x",
       false,
       "",
       "A \"help\" with \\ and\nmore.",
       {{{{"file", "a\"b\\c\nd"}}, "18446744073709551615", 1.8e19}}}};
  const std::string text = format_metrics(families, MetricFormat::prometheus);
  CHECK(text ==
        "# HELP sqlitemem_x A \"help\" with \\\\ and\\nmore.\n# TYPE sqlitemem_x gauge\n"
        "sqlitemem_x{file=\"a\\\"b\\\\c\\nd\"} 18446744073709551615\n");
  CHECK(tests::MetricsCheck(text, false).problem() == "");
  CHECK(labels_as_json(families[0].samples[0]) == "{\"file\":\"a\\\"b\\\\c\\u000ad\"}");
}

TEST_CASE("metrics: a state is one series for each of its words", "[stats][metrics]") {
  std::vector<MetricFamily> families;
  append_families(families, std::vector<RoomRow>{{"attic", "hot"}, {"cellar", std::nullopt}});
  const std::string series = "sqlitemem_room_air{room=\"attic\",sqlitemem_room_air=";
  const std::string samples =
      series + "\"cold\"} 0\n" + series + "\"warm\"} 0\n" + series + "\"hot\"} 1\n";
  CHECK(format_metrics(families, MetricFormat::prometheus) ==
        "# HELP sqlitemem_room_air How it feels.\n# TYPE sqlitemem_room_air gauge\n" + samples);
  CHECK(format_metrics(families, MetricFormat::openmetrics) ==
        "# HELP sqlitemem_room_air How it feels.\n# TYPE sqlitemem_room_air stateset\n" + samples +
            "# EOF\n");
  CHECK(tests::MetricsCheck(format_metrics(families, MetricFormat::prometheus), false).problem() ==
        "");
  CHECK(tests::MetricsCheck(format_metrics(families, MetricFormat::openmetrics), true).problem() ==
        "");
  families.clear();
  append_families(families, std::vector<RoomRow>{{"cellar", std::nullopt}});
  CHECK(families.empty());  // Not known is no state.
}

TEST_CASE("metrics: help says nothing of NULL, for a metric is there or not", "[stats][metrics]") {
  CHECK(metric_help("Bytes now; NULL if unknown, with a note. More.") == "Bytes now. More.");
  CHECK(metric_help("Frames. NULL: not a WAL database, or not known.") == "Frames.");
  CHECK(metric_help("One; NULL: no.") == "One.");
  CHECK(metric_help("About 1.5 of it. Two sentences.") == "About 1.5 of it. Two sentences.");
  for_each_table([]<class Row>(std::type_identity<Row>) {
    if (table<Row>.metric_prefix.empty()) return;
    for (const Column<Row>& column : table<Row>.columns) {
      if (!is_metric(column.role)) continue;
      CAPTURE(table<Row>.name, column.name);
      const std::string help = metric_help(column.doc);
      CHECK_THAT(help, !Catch::Contains("NULL") && Catch::EndsWith(".") && !Catch::Contains(".."));
    }
  });
}

TEST_CASE("metrics: names carry their unit, and say whether they only grow", "[stats][metrics]") {
  for_each_table([]<class Row>(std::type_identity<Row>) {
    if (table<Row>.metric_prefix.empty()) return;
    for (const Column<Row>& column : table<Row>.columns) {
      if (!is_metric(column.role)) continue;
      CAPTURE(table<Row>.name, column.name);
      if (column.unit == "bytes" || column.unit == "seconds") {
        CHECK(column.name.ends_with(column.unit));
      } else {
        CHECK((column.unit.empty() || column.unit == "ratio"));
      }
      CHECK_FALSE(column.name.ends_with("_total"));
      CHECK((column.role == Role::state) == !column.states.empty());
    }
  });
}

TEST_CASE("metrics: every number of a table with metrics is one, or is known not to be",
          "[stats][metrics]") {
  // Derived from others, an identity, a setting of the row, or of one moment only.
  const std::set<std::string> left_out{"memory_stats.memory_mb",
                                       "memory_stats.percentage",
                                       "connection_memory.is_stale",
                                       "slab_allocator_stats.object_bytes",
                                       "slab_allocator_stats.objects_per_slab",
                                       "slab_allocator_stats.magazine_hit_ratio",
                                       "slab_allocator_stats.is_learned",
                                       "slab_allocator_stats.is_page_run",
                                       "buffer_pool_stats.utilization_percent",
                                       "buffer_pool_advice.is_current",
                                       "transaction_arena_stats.arena_id",
                                       "transaction_arena_stats.last_reset_ns",
                                       "open_transactions.is_start_exact",
                                       "open_transactions.thread_id",
                                       "open_transactions.open_statements",
                                       "open_transactions.busy_statements",
                                       "open_transactions.blocks_checkpoint",
                                       "open_transactions.is_in_use",
                                       "open_transactions.is_killable",
                                       "wal_stats.page_bytes",
                                       "wal_stats.reader_frame",
                                       "wal_stats.oldest_reader_frame",
                                       "wal_stats.oldest_reader_connection_id",
                                       "wal_stats.is_oldest_elsewhere",
                                       "memory_pressure.usage_percent",
                                       "memory_pressure.last_freed_bytes",
                                       "memory_forecast.current_ratio",
                                       "memory_forecast.slope_bytes_per_second",
                                       "memory_forecast.allocation_rate",
                                       "memory_forecast.deallocation_rate",
                                       "memory_forecast.r_squared",
                                       "memory_forecast.is_stale",
                                       "memory_forecast.samples"};
  std::set<std::string> details;
  for_each_table([&]<class Row>(std::type_identity<Row>) {
    if (table<Row>.metric_prefix.empty()) return;
    for (const Column<Row>& column : table<Row>.columns) {
      const SqlType type = type_of(column);
      if (column.role == Role::detail && (type == SqlType::integer || type == SqlType::real))
        details.insert(std::string(table<Row>.name) + "." + std::string(column.name));
    }
  });
  CHECK(details == left_out);
}

TEST_CASE("metrics: dashboard and alert rules name only metrics that there are",
          "[stats][metrics]") {
  std::set<std::string> known, prefixes;
  for_each_table([&]<class Row>(std::type_identity<Row>) {
    prefixes.emplace(table<Row>.metric_prefix);
    for (const Column<Row>& column : table<Row>.columns) {
      if (table<Row>.metric_prefix.empty() || !is_metric(column.role)) continue;
      known.insert(metric_name(table<Row>.metric_prefix, column.name) +
                   (column.role == Role::counter ? "_total" : ""));
    }
  });
  for (const char* file : {"/sqlitemem.json", "/alerts.yml"}) {
    std::ifstream stream(std::string(SQLITEMEM_SOURCE_DIR "/examples/grafana") + file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const std::regex name_in_text("sqlitemem_([a-z]+)_[a-z0-9_]+");
    std::set<std::string> names;
    for (auto found = std::sregex_iterator(text.begin(), text.end(), name_in_text);
         found != std::sregex_iterator(); ++found) {
      // A build without that table, as one without a watcher of pressure, has none of its metrics.
      const std::string part = found->str(1);
      const bool is_optional_part = part == "pressure" || part == "forecast";
      if (!is_optional_part || prefixes.contains(part)) names.insert(found->str());
    }
    CAPTURE(file);
    CHECK(names.size() >= 8);
    for (const std::string& name : names) {
      CAPTURE(name);
      CHECK(known.contains(name));
    }
  }
}

TEST_CASE("metrics: what responses gave is summed by action", "[stats][metrics]") {
  ResponseLog log;
  const auto step = [](const char* action, std::optional<std::uint64_t> freed, double seconds) {
    MemoryResponsesRow row;
    row.action = action;
    row.freed_bytes = freed;
    row.duration_seconds = seconds;
    return row;
  };
  CHECK(log.totals().empty());
  log.add({step("heap", 100, 0.25), step("buffer_pool", std::nullopt, 0.5)}, "now");
  for (std::size_t i = 0; i < ResponseLog::max_steps; ++i) log.add({step("heap", 1, 0)}, "then");
  const auto totals = log.totals();
  REQUIRE(totals.size() == 2);
  CHECK(totals[0].action == "buffer_pool");
  CHECK(totals[0].steps == 1);
  CHECK_FALSE(totals[0].freed_bytes.has_value());  // Nobody counted.
  CHECK(totals[0].duration_seconds == 0.5);
  CHECK(totals[1].steps == 1 + ResponseLog::max_steps);  // Also those that are not kept.
  CHECK(totals[1].freed_bytes == 100 + ResponseLog::max_steps);
  CHECK_FALSE(totals[1].returned_bytes.has_value());
  std::vector<MetricFamily> families;
  append_families(families, totals);
  const tests::MetricsCheck check(format_metrics(families, MetricFormat::prometheus), false);
  CHECK(check.problem() == "");
  CHECK(check.samples().at("sqlitemem_response_steps_total{action=\"heap\"}") == 257);
  CHECK(check.samples().count("sqlitemem_response_freed_bytes_total{action=\"buffer_pool\"}") == 0);
}

TEST_CASE("metrics: the checker of metrics finds what is wrong", "[stats][metrics]") {
  const auto problem = [](const std::string& text) {
    return tests::MetricsCheck("# HELP sqlitemem_a Words.\n# TYPE sqlitemem_a gauge\n" + text,
                               false)
        .problem();
  };
  CHECK(problem("sqlitemem_a 1\n") == "");
  CHECK(problem("sqlitemem_a 1\nsqlitemem_a 2\n") != "");
  CHECK(problem("sqlitemem_b 1\n") != "");
  CHECK(problem("sqlitemem_a one\n") != "");
  CHECK(problem("sqlitemem_a{x=\"1} 1\n") != "");
  CHECK(problem("# HELP sqlitemem_a Again.\n") != "");
  const auto problem_of_state = [](const std::string& text) {
    return tests::MetricsCheck(
               "# HELP sqlitemem_s Words.\n# TYPE sqlitemem_s stateset\n" + text + "# EOF\n", true)
        .problem();
  };
  CHECK(problem_of_state("sqlitemem_s{sqlitemem_s=\"a\"} 1\n") == "");
  CHECK(problem_of_state("sqlitemem_s{sqlitemem_s=\"a\"} 2\n") != "");
  CHECK(problem_of_state("sqlitemem_s{state=\"a\"} 1\n") != "");
  CHECK(problem("# HELP sqlitemem_c_total Words.\n# TYPE sqlitemem_d counter\n") != "");
}
