// The metrics in both text formats, read back by a checker that is itself checked.
#include "allocators/stats/metrics.h"

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
  CHECK(problem("# HELP sqlitemem_c_total Words.\n# TYPE sqlitemem_d counter\n") != "");
}
