// Memory pressure as SQL shows it, against independent counts; and many threads that cause it.
#include <array>
#include <atomic>
#include <fstream>
#include <thread>

#include "tests/support/surface.h"

namespace sqlitemem::tests {
namespace {

std::uint64_t resident_by_statm() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * 4096;
}

}  // namespace

TEST_CASE("sql: memory_pressure compares what is held with memory_limit", "[sql][pressure]") {
  Surface surface;
  surface.value("SELECT memory_config('memory_limit', '1GB')");
  surface.value("SELECT memory_config('sample_interval', '100ms')");
  const std::int64_t held = surface.number("SELECT held_bytes FROM heap_stats");
  CHECK(surface.value("SELECT limit_source FROM memory_pressure") == "config");
  CHECK(surface.number("SELECT limit_bytes FROM memory_pressure") == std::int64_t{1} << 30);
  const std::int64_t used = surface.number("SELECT used_bytes FROM memory_pressure");
  CHECK(used >= held);
  CHECK(used < held + 8 * 1024 * 1024);
  CHECK(surface.value("SELECT usage_percent = 100.0 * used_bytes / limit_bytes FROM "
                      "memory_pressure") == "1");
  CHECK(surface.value("SELECT level || response_stage || response_mode FROM memory_pressure") ==
        "normalnonereclaim");
}

TEST_CASE("sql: memory_pressure without an option shows what the process has of the machine",
          "[sql][pressure][no_tsan]") {
  Surface surface;
  const std::string source = surface.value("SELECT limit_source FROM memory_pressure");
  if (source == "host") {  // Where this runs, a control group may have less room.
    const auto before = static_cast<std::int64_t>(resident_by_statm());
    const std::int64_t used = surface.number("SELECT used_bytes FROM memory_pressure");
    CHECK(std::abs(used - before) < 4 * 1024 * 1024);
  } else {
    CHECK((source == "cgroup" || source == "rlimit"));
  }
  CHECK(surface.value("SELECT resident_bytes IS NOT NULL FROM memory_history LIMIT 1") == "1");
}

TEST_CASE("sql: reading the tables of pressure often adds no more samples than are due",
          "[sql][pressure]") {
  Surface surface;
  surface.value("SELECT memory_config('sample_interval', '1h')");
  for (int i = 0; i < 50; ++i) surface.value("SELECT level FROM memory_pressure");
  CHECK(surface.number("SELECT count(*) FROM memory_history") == 1);
  CHECK(surface.value("SELECT count(*) = 3 AND sum(predicted_ratio IS NULL) = 3 AND "
                      "min(note) LIKE '%needs samples%' FROM memory_forecast") == "1");
  CHECK_THAT(surface.error("SELECT * FROM memory_history(-1)"),
             Catch::Contains("seconds must not be negative"));
}

TEST_CASE("sql: a priority belongs to its connection", "[sql][pressure]") {
  Surface surface;
  Surface other;
  CHECK(surface.value("SELECT connection_priority()") == "normal");
  CHECK(surface.value("SELECT connection_priority('low')") == "low");
  CHECK(other.value("SELECT connection_priority()") == "normal");
  CHECK(surface.value("SELECT connection_priority('normal')") == "normal");
  CHECK_THAT(surface.error("SELECT connection_priority('high')"),
             Catch::Contains("'low' or 'normal'"));
}

TEST_CASE("sql: threads that work under constant pressure get the right answers",
          "[sql][pressure][threads]") {
  Surface surface;
  surface.value("SELECT memory_config('sample_interval', '100ms')");
  surface.value("SELECT memory_config('monitor', 'thread')");
  const std::int64_t held = surface.number("SELECT held_bytes FROM heap_stats");
  surface.value("SELECT memory_config('memory_limit', '" + std::to_string(held + (24 << 20)) +
                "')");
  std::atomic<int> wrong{0}, done{0};
  const auto work = [&](int seed) {
    sqlite3* db = nullptr;
    sqlite3_open(":memory:", &db);
    sqlite3_exec(db, "CREATE TABLE t(x)", nullptr, nullptr, nullptr);
    for (int round = 0; round < 12; ++round) {
      // Up to what all may have: a refusal is allowed, a wrong answer is not.
      const std::string sql =
          "DELETE FROM t; INSERT INTO t SELECT zeroblob(10000) FROM (WITH n(i) "
          "AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
          std::to_string(200 + seed * 50 + round * 20) + ") SELECT i FROM n)";
      if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) ++done;
      sqlite3_stmt* statement = nullptr;
      if (sqlite3_prepare_v2(db, "SELECT count(*), sum(length(x)) FROM t", -1, &statement,
                             nullptr) == SQLITE_OK &&
          sqlite3_step(statement) == SQLITE_ROW &&
          sqlite3_column_int64(statement, 0) * 10000 != sqlite3_column_int64(statement, 1)) {
        ++wrong;
      }
      sqlite3_finalize(statement);
    }
    sqlite3_close(db);
  };
  std::array<std::thread, 3> threads;
  for (int i = 0; i < 3; ++i) threads[static_cast<std::size_t>(i)] = std::thread(work, i);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(done > 0);
  surface.value("SELECT memory_config('monitor', 'off')");
  CHECK(surface.value("SELECT memory_heap_check()") == "ok");
}

}  // namespace sqlitemem::tests
