// Tables are read and procedures run while other threads allocate, open and close.
#include <atomic>
#include <thread>

#include "allocators/stats/tables.h"
#include "tests/support/catch.h"
#include "tests/support/surface.h"

using namespace sqlitemem;
using sqlitemem::tests::Surface;

namespace {

/// Catch2's assertions are not for other threads: failures are counted and shown at the end.
int run(sqlite3* db, const std::string& sql) {
  char* error = nullptr;
  const int rc = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error);
  sqlite3_free(error);
  return rc == SQLITE_OK ? 0 : 1;
}

int work_on_a_connection(int rounds) {
  int failures = 0;
  for (int round = 0; round < rounds; ++round) {
    sqlite3* db = nullptr;
    failures += sqlite3_open(":memory:", &db) == SQLITE_OK ? 0 : 1;
    failures += run(db,
                    "CREATE TABLE t(a, b); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
                    "SELECT i + 1 FROM n WHERE i < 300) INSERT INTO t SELECT i, "
                    "randomblob(i * 10) FROM n; DELETE FROM t WHERE a % 3 = 0;");
    sqlite3_close(db);
  }
  return failures;
}

int read_everything(int rounds) {
  sqlite3* db = nullptr;
  int failures = sqlite3_open(":memory:", &db) == SQLITE_OK ? 0 : 1;
  for (int round = 0; round < rounds; ++round) {
    stats::for_each_table([&]<class Row>(std::type_identity<Row>) {
      const std::string name(stats::table<Row>.name);
      failures += run(db, "SELECT * FROM " + name + (name == "memory_diff" ? "(1, 1)" : ""));
    });
    failures += run(db,
                    "SELECT force_garbage_collection(), memory_heap_check(), coalesce_all(), "
                    "length(prometheus_metrics()), memory_snapshot('round'), memory_mode()");
    failures += run(db, "UPDATE memory_config SET setting = '1s' WHERE name = 'purge_delay'");
    failures += run(db,
                    "WITH m AS MATERIALIZED (SELECT * FROM memory_stats()) SELECT CASE WHEN "
                    "sum(memory_bytes) FILTER (WHERE category = 'rss') <> "
                    "sum(memory_bytes) FILTER (WHERE component = 'resident_set') "
                    "THEN abs(-9223372036854775808) END FROM m");
  }
  sqlite3_close(db);
  return failures;
}

}  // namespace

TEST_CASE("sql threads: reading everything disturbs nobody, and nobody disturbs it",
          "[sql][threads]") {
  Surface surface;
  REQUIRE_THAT(surface.value("SELECT memory_mode()"), Catch::StartsWith("attached"));
  REQUIRE(surface.value("SELECT memory_snapshot('first')") == "1");
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int worker = 0; worker < 2; ++worker) {
    threads.emplace_back([&] { failures += work_on_a_connection(40); });
    threads.emplace_back([&] { failures += read_everything(10); });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(surface.value("SELECT memory_heap_check()") == "ok");
  CHECK(surface.value("SELECT count(*) FROM connection_memory") == "1");
}
