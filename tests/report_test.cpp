// memory_report(): whole pages against expected ones, and what must hold of every page.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "allocators/stats/report/memory_report.h"
#include "allocators/stats/report/report_text.h"
#include "allocators/stats/tables.h"
#include "tests/support/catch.h"
#include "tests/support/known_heap.h"
#include "tests/support/model.h"
#include "tests/support/report_figures.h"

using namespace sqlitemem;
using namespace sqlitemem::stats;
using namespace sqlitemem::stats::report;
using namespace sqlitemem::tests;

namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Compares with tests/report/<name>.txt. What came instead is put beside the build.
void check_page(const std::string& name, const std::string& page) {
  CAPTURE(name);
  const std::string expected =
      read_text(std::filesystem::path(SQLITEMEM_SOURCE_DIR "/tests/report") / (name + ".txt"));
  if (page == expected) return;
  const auto directory = std::filesystem::path(SQLITEMEM_BUILD_DIR) / "report";
  std::filesystem::create_directories(directory);
  std::ofstream(directory / (name + ".txt"), std::ios::binary) << page;
  FAIL_CHECK("this is not the page in tests/report; it was written to "
             << (directory / (name + ".txt")).string() << ":\n"
             << page);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// The first rule of pages that is broken; empty if none is.
std::string broken_rule(const std::string& page, const ReportStyle& style) {
  if (!page.ends_with('\n')) return "ends with a line feed";
  for (const std::string& line : lines_of(page)) {
    if (columns_of(line) > style.width) return "no line is too wide: " + line;
    if (line.ends_with(' ')) return "no blank at the end: " + line;
    if (std::ranges::any_of(line, [](unsigned char byte) { return byte < 0x20 || byte == 0x7F; }))
      return "no control character: " + line;
    if (presentable(line, Charset::ascii) != line && style.charset == Charset::ascii)
      return "ASCII is ASCII: " + line;
  }
  return {};
}

struct WatchedSources : FakeSources {
  std::optional<PressureReading> the_pressure;
  std::optional<PressureReading> pressure() override { return the_pressure; }
};

const ReportHeader a_header{"1.2.3", "managed", "", "shop", 4242};

}  // namespace

TEST_CASE("Report: a busy process is shown as expected", "[stats][report]") {
  const ReportFigures figures = some_figures();
  check_page("busy_unicode_80", format_report(figures, {Charset::unicode, 80}));
  check_page("busy_unicode_132", format_report(figures, {Charset::unicode, 132}));
  check_page("busy_ascii_60", format_report(figures, {Charset::ascii, 60}));
}

TEST_CASE("Report: where nothing can be measured it says so", "[stats][report]") {
  FakeSources sources;
  sources.the_root = "/nowhere";
  const ReportHeader header{"1.2.3", "observing", "The option attach is set to never.", "shop", {}};
  const ReportFigures figures = gather(sources, header);
  check_page("nothing_unicode_80", format_report(figures, {Charset::unicode, 80}));
  check_page("nothing_ascii_60", format_report(figures, {Charset::ascii, 60}));
}

TEST_CASE("Report: without a limit usage is in bytes", "[stats][report]") {
  ReportFigures figures = some_figures();
  figures.alerts.clear();
  figures.findings.clear();
  figures.pressure->limit_bytes.reset();
  figures.pressure->limit_source = LimitSource::none;
  figures.pressure->level = PressureLevel::normal;
  figures.pressure->forecast.reset();
  for (PressureSample& sample : figures.pressure->history) sample.limit_bytes = 0;
  check_page("no_limit_unicode_80", format_report(figures, {Charset::unicode, 80}));
  figures.pressure.reset();  // And nobody watches.
  const std::string page = format_report(figures, {Charset::ascii, 80});
  CHECK_THAT(page, Catch::Contains("358 MiB held for SQLite, 401 MiB resident; no limit is set"));
  CHECK_THAT(page, !Catch::Contains("FORECAST") && !Catch::Contains("ALERTS"));
}

TEST_CASE("Report: unwatched, the limits of memory_stats are shown", "[stats][report]") {
  ReportFigures figures = some_figures();
  figures.pressure.reset();
  figures.memory.push_back(a_memory_row("group_usage", "cgroup", 600 * mib));
  figures.memory.push_back(a_memory_row("group_limit", "cgroup", 1024 * mib));
  CHECK_THAT(format_report(figures, {Charset::ascii, 80}),
             Catch::Contains("  ############........  600 MiB of 1.0 GiB, 58.6 % (control group)"));
  figures.memory.push_back(a_memory_row("limit", "allocator", 512 * mib));
  CHECK_THAT(format_report(figures, {Charset::ascii, 80}),
             Catch::Contains("  ##############......  358 MiB of 512 MiB, 69.9 % (memory_limit)"));
}

TEST_CASE("Report: without a pool or a heap it says why", "[stats][report]") {
  ReportFigures figures = some_figures();
  figures.pool = {};
  figures.pool.note = "The option buffer_pool is off.";
  figures.pool_advice.clear();
  figures.pool_advice.emplace_back().note = figures.pool.note;
  figures.classes.clear();
  figures.areas.clear();
  figures.heap_note = "Not our heap.";
  check_page("no_pool_unicode_80", format_report(figures, {Charset::unicode, 80}));
}

TEST_CASE("Report: extreme numbers and hostile texts keep to the page", "[stats][report]") {
  const ReportFigures figures = extreme_figures();
  CHECK_THAT(format_report(figures, {}),
             Catch::Contains("16 EiB of 1 B, >999 %") && Catch::Contains("18.4E responses") &&
                 Catch::Contains("ALERTS  5 of 9; memory_alerts has all"));
  for (std::size_t width = least_width; width <= greatest_width; ++width) {
    for (const Charset charset : {Charset::unicode, Charset::ascii}) {
      CAPTURE(width);
      const ReportStyle style{charset, width};
      CHECK(broken_rule(format_report(figures, style), style) == "");
      CHECK(broken_rule(format_report(some_figures(), style), style) == "");
    }
  }
}

TEST_CASE("Report: no figures break a page", "[stats][report][property]") {
  const auto seed = GENERATE(range(1, 9));
  CAPTURE(seed);
  Random random(static_cast<std::uint64_t>(seed));
  const auto any_text = [&] {
    std::string text;
    for (std::uint64_t left = random.next() % 120; left > 0; --left)
      text += static_cast<char>(random.next() % 3 == 0 ? random.next() % 256 : 'a' + left % 26);
    return text;
  };
  const auto any_number = [&] { return random.next() >> random.next() % 64; };
  const auto perhaps = [&](std::optional<std::uint64_t>& number) {
    number = random.next() % 4 == 0 ? std::nullopt : std::optional(any_number());
  };
  for (int round = 0; round < 60; ++round) {
    ReportFigures figures = some_figures();
    figures.header = {any_text(), any_text(), any_text(), any_text(), any_number()};
    if (random.next() % 4 == 0) figures.pressure.reset();
    if (figures.pressure) {
      perhaps(figures.pressure->limit_bytes);
      figures.pressure->used_bytes = any_number();
      figures.pressure->limit_note = any_text();
      figures.pressure->history.resize(random.next() % 700);
      for (PressureSample& sample : figures.pressure->history)
        sample.used_bytes = any_number(), sample.limit_bytes = any_number(),
        sample.at_ns = any_number();
    }
    for (MemoryStatsRow& row : figures.memory)
      perhaps(row.memory_bytes), row.component += any_text();
    for (SlabAllocatorStatsRow& row : figures.classes)
      row.reserved_bytes = any_number(), row.live_objects = any_number(), row.purpose = any_text();
    for (ConnectionMemoryRow& row : figures.connections)
      perhaps(row.total_bytes), perhaps(row.cache_hits), row.database_file = any_text();
    perhaps(figures.pool.budget_bytes);
    figures.pool.policy = any_text();
    for (BufferPoolAdviceRow& row : figures.pool_advice) perhaps(row.size_bytes);
    figures.alerts.resize(random.next() % 8, {any_text(), any_text(), any_text(), "", any_text()});
    const ReportStyle style{random.next() % 2 == 0 ? Charset::unicode : Charset::ascii,
                            least_width + random.next() % (greatest_width - least_width + 1)};
    CAPTURE(round, style.width);
    const std::string page = format_report(figures, style);
    REQUIRE(broken_rule(page, style) == "");
    REQUIRE(format_report(figures, style) == page);
  }
}

TEST_CASE("Report: it shows what the tables show", "[stats][report]") {
  WatchedSources sources;
  static_cast<FakeSources&>(sources) = sources_with_heap();
  sources.the_root = "/nowhere";
  sources.the_connections = {a_connection(1), a_connection(2)};
  sources.the_pressure = some_pressure();
  Blocks blocks;
  blocks.add_many(5000, 64);
  blocks.add(3 * mib);
  const ReportFigures figures = gather(sources, a_header);
  const auto classes = rows_of<SlabAllocatorStatsRow>(sources);
  const auto& row = row_where(classes, [](const auto& each) { return each.size_class == 64; });
  const std::string page = format_report(figures, {});
  CHECK_THAT(page, Catch::Contains(human_count(row.live_objects)) &&
                       Catch::Contains(human_bytes(row.reserved_bytes)) &&
                       Catch::Contains(human_percent(row.utilization_ratio)));
  CHECK_THAT(page, Catch::Contains("358 MiB of 512 MiB, 70.0 % (memory_limit)") &&
                       Catch::Contains("increasing, 874 KiB/s, critical (90 %) in 2 min"));
  REQUIRE(figures.areas.size() == 3);
  CHECK(figures.areas[2].map.sum().used_bytes == 3 * mib);
  CHECK(figures.connections.size() == 2);
}

TEST_CASE("Report: parts of it are left out when there is no room, and said when there is",
          "[stats][report]") {
  const std::string narrow = format_report(some_figures(), {Charset::ascii, 60});
  const std::string wide = format_report(some_figures(), {Charset::ascii, 132});
  CHECK_THAT(narrow, !Catch::Contains("schema"));
  CHECK_THAT(wide, Catch::Contains("schema"));
  CHECK_THAT(wide, Catch::Contains("6 of 7 by memory held; magazines serve 99.0 % of the calls"));
  CHECK_THAT(wide, Catch::Contains("5 of 7 by memory; * in use: figures of the last reading"));
  ReportFigures figures = some_figures();
  figures.findings.resize(7, figures.findings.front());
  CHECK_THAT(format_report(figures, {}), Catch::Contains("ADVICE  5 of 7; memory_doctor has all"));
}
