// The extension as SQL sees it: every table and function, in attached and in observing mode.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "allocators/stats/tables.h"
#include "ext/sql/functions.h"
#include "tests/support/catch.h"
#include "tests/support/metrics_check.h"
#include "tests/support/resident_bytes.h"
#include "tests/support/surface.h"

using namespace sqlitemem;
using sqlitemem::tests::resident_bytes_of_process;
using sqlitemem::tests::Surface;

namespace {

/// Call before the first Surface: the mode is decided once per process.
void observe_only() { ::setenv("SQLITEMEM_ATTACH", "never", 1); }

template <class Row>
std::string select_from(std::string_view columns) {
  std::string sql = "SELECT " + std::string(columns) + " FROM " + std::string(Row::describe().name);
  if constexpr (stats::table<Row>.arguments.size() > 0) {
    if (stats::table<Row>.arguments[0].is_required) sql += "(1, 2)";
  }
  return sql;
}

template <class Row>
void check_columns_and_values(Surface& surface) {
  const auto& description = stats::table<Row>;
  const std::string table(description.name);
  std::vector<std::string> names, types;
  for (const auto& column : description.columns) {
    names.emplace_back(column.name);
    types.emplace_back(stats::type_name(stats::type_of(column)));
  }
  const std::string info = " FROM pragma_table_info('" + table + "') ORDER BY cid";
  CHECK(surface.column("SELECT name" + info) == names);
  CHECK(surface.column("SELECT type" + info) == types);
  std::vector<std::string> hidden;
  for (const auto& argument : description.arguments) hidden.emplace_back(argument.name);
  CHECK(surface.column("SELECT name FROM pragma_table_xinfo('" + table +
                       "') WHERE hidden = 1 ORDER BY cid") == hidden);
  for (const auto& column : description.columns) {
    CAPTURE(column.name);
    const auto type = stats::type_of(column);
    const std::string expected = type == stats::SqlType::integer ? "integer"
                                 : type == stats::SqlType::real  ? "real"
                                                                 : "text";
    for (const std::string& seen :
         surface.column(select_from<Row>("DISTINCT typeof(" + std::string(column.name) + ")"))) {
      if (seen != "null" || !stats::is_nullable(column)) CHECK(seen == expected);
    }
  }
  const std::string all = select_from<Row>("count(*)");
  CHECK(surface.error(all) == "");
  if (all.ends_with(table)) CHECK(surface.error(all + "()") == "");
}

void fill_and_snapshot(Surface& surface) {
  REQUIRE(surface.error("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)") == "");
  REQUIRE(surface.error("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                        "WHERE i < 2000) INSERT INTO t SELECT i, hex(randomblob(100)) FROM n") ==
          "");
  REQUIRE(surface.value("SELECT memory_snapshot('first')") == "1");
  REQUIRE(surface.value("SELECT memory_snapshot('second')") == "2");
}

void check_tiling(Surface& surface) {
  fill_and_snapshot(surface);
  CHECK(surface.value("WITH m AS MATERIALIZED (SELECT * FROM memory_stats()) SELECT "
                      "(SELECT sum(memory_bytes) FROM m WHERE category = 'rss') = "
                      "(SELECT memory_bytes FROM m WHERE component = 'resident_set')") == "1");
  CHECK(surface.value("SELECT round(sum(percentage), 6) FROM memory_stats('rss')") == "100.0");
}

void check_metrics(Surface& surface) {
  fill_and_snapshot(surface);
  CHECK(tests::MetricsCheck(surface.value("SELECT prometheus_metrics()"), false).problem() == "");
  CHECK(tests::MetricsCheck(surface.value("SELECT prometheus_metrics('openmetrics')"), true)
            .problem() == "");
  CHECK_THAT(surface.error("SELECT prometheus_metrics('json')"), Catch::Contains("openmetrics"));
  // What a metric means is said without words that only a table's reader understands.
  CHECK(surface
            .column("SELECT name, help FROM memory_metrics WHERE help GLOB '*NULL*' "
                    "OR help GLOB '* note*' OR help NOT GLOB '*.'")
            .empty());
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("sql: every described column is what SQL sees, attached", "[sql][vtab]",
                        stats::AllTables) {
  Surface surface;
  REQUIRE_THAT(surface.value("SELECT memory_mode()"), Catch::StartsWith("attached: "));
  fill_and_snapshot(surface);
  check_columns_and_values<TestType>(surface);
}

TEMPLATE_LIST_TEST_CASE("sql: every described column is what SQL sees, observing", "[sql][vtab]",
                        stats::AllTables) {
  observe_only();
  Surface surface;
  REQUIRE_THAT(surface.value("SELECT memory_mode()"), Catch::StartsWith("observing: "));
  fill_and_snapshot(surface);
  check_columns_and_values<TestType>(surface);
}

TEST_CASE("sql: every listed function exists with its numbers of arguments", "[sql]") {
  Surface surface;
  for (const ext::Function& function : ext::functions) {
    CAPTURE(function.name);
    CHECK(function.doc.ends_with('.'));
    for (int count = function.min_arguments; count <= function.max_arguments; ++count) {
      CHECK(surface.value("SELECT count(*) FROM pragma_function_list WHERE name = '" +
                          std::string(function.name) + "' AND narg = " + std::to_string(count)) ==
            "1");
    }
  }
}

TEST_CASE("sql: rss rows add up to the resident set, attached", "[sql]") {
  Surface surface;
  check_tiling(surface);
}

TEST_CASE("sql: rss rows add up to the resident set, observing", "[sql]") {
  observe_only();
  Surface surface;
  check_tiling(surface);
}

TEST_CASE("sql: slab_allocator_stats counts SQLite's own allocations", "[sql]") {
  Surface surface;
  const std::string live =
      "SELECT live_objects FROM slab_allocator_stats WHERE object_bytes = 3584";
  const auto before = surface.column(live);
  const std::int64_t at_first = before.empty() ? 0 : std::stoll(before[0]);
  std::vector<void*> blocks;
  for (int count = 0; count < 1000; ++count) blocks.push_back(sqlite3_malloc(3584));
  CHECK(surface.number(live) - at_first == 1000);
  for (void* block : blocks) sqlite3_free(block);
  CHECK(surface.number(live) == at_first);
}

TEST_CASE("sql: what the heap calls live is what SQLite calls used", "[sql]") {
  Surface surface;
  sqlite3_int64 current = 0, peak = 0;
  sqlite3_status64(SQLITE_STATUS_MEMORY_USED, &current, &peak, 0);
  const std::int64_t live_before = surface.number("SELECT live_bytes FROM heap_stats");
  std::vector<void*> blocks;
  for (int bytes = 1; bytes < 3'000'000; bytes = bytes * 5 / 4 + 1) {
    blocks.push_back(sqlite3_malloc(bytes));
  }
  sqlite3_int64 now = 0;
  sqlite3_status64(SQLITE_STATUS_MEMORY_USED, &now, &peak, 0);
  const std::int64_t growth = surface.number("SELECT live_bytes FROM heap_stats") - live_before;
  CHECK(static_cast<double>(growth) == Approx(static_cast<double>(now - current)).margin(20'000));
  for (void* block : blocks) sqlite3_free(block);
}

TEST_CASE("sql: reading does not change what is measured", "[sql]") {
  Surface surface;
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(surface.db(), "SELECT sum(live_bytes) FROM slab_allocator_stats", -1,
                             &statement, nullptr) == SQLITE_OK);
  std::vector<std::int64_t> readings;
  for (int run = 0; run < 20; ++run) {
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
    readings.push_back(sqlite3_column_int64(statement, 0));
    sqlite3_reset(statement);
  }
  sqlite3_finalize(statement);
  CHECK(readings[1] == readings.back());
}

TEST_CASE("sql: arguments that cannot be used are refused in words", "[sql][vtab]") {
  Surface surface;
  CHECK(surface.error("SELECT * FROM memory_diff") ==
        "memory_diff: argument 'a' is missing: The earlier snapshot_id.");
  CHECK(surface.error("SELECT * FROM memory_diff(1)") ==
        "memory_diff: argument 'b' is missing: The later snapshot_id.");
  CHECK_THAT(surface.error("SELECT * FROM memory_diff(NULL, 1)"),
             Catch::Contains("'a' is missing"));
  CHECK_THAT(surface.error("SELECT * FROM memory_diff(8, 9)"), Catch::Contains("no snapshot 8"));
  CHECK_THAT(surface.error("SELECT * FROM memory_diff('x', 9)"),
             Catch::Contains("'a' must be an integer"));
  CHECK_THAT(surface.error("SELECT * FROM allocation_patterns(1.5)"),
             Catch::Contains("'max_rows' must be an integer"));
  CHECK_THAT(surface.error("SELECT * FROM allocation_patterns(-1)"),
             Catch::Contains("0 or more, not -1"));
  CHECK_THAT(surface.error("SELECT * FROM memory_stats(x'00')"),
             Catch::Contains("'only' must be text"));
  CHECK_THAT(surface.error("SELECT * FROM memory_stats(1, 2)"), Catch::Contains("too many"));
  CHECK(surface.error("SELECT * FROM allocation_patterns(NULL)") == "");
  CHECK(surface.error("SELECT * FROM allocation_patterns('3')") == "");
}

TEST_CASE("sql: arguments may come from another table of the join", "[sql][vtab]") {
  Surface surface;
  fill_and_snapshot(surface);
  CHECK(surface.number("SELECT count(*) FROM memory_diff(f.snapshot_id, l.snapshot_id) AS d, "
                       "memory_snapshots AS f, memory_snapshots AS l "
                       "WHERE f.label = 'first' AND l.label = 'second'") > 0);
  CHECK(surface.value("SELECT d.a || d.b FROM memory_diff(1, 2) AS d LIMIT 1") == "12");
  CHECK(surface.value("SELECT count(*) FROM (SELECT 'rss' AS c UNION ALL SELECT 'process') AS w, "
                      "memory_stats(w.c)") == "19");
}

TEST_CASE("sql: memory_config is changed by UPDATE and by the function", "[sql][config]") {
  Surface surface;
  const std::string limit =
      "SELECT setting || ' ' || source FROM memory_config "
      "WHERE name = 'memory_limit'";
  CHECK(surface.value(limit) == "0 default");
  CHECK(surface.error("UPDATE memory_config SET setting = '64MB' WHERE name = 'memory_limit'") ==
        "");
  CHECK(surface.value(limit) == "64MB sql");
  CHECK(surface.value("SELECT limit_bytes FROM heap_stats") == "67108864");
  CHECK(surface.error("UPDATE memory_config SET setting = 33554432 WHERE name = 'memory_limit'") ==
        "");
  CHECK(surface.value(limit) == "32MB sql");
  CHECK(surface.value("SELECT memory_config('memory_limit', '48MB')") == "48MB");
  CHECK(surface.value("SELECT memory_config('memory_limit')") == "48MB");
  CHECK(surface.error("UPDATE memory_config SET setting = boot_val") == "");
  CHECK(surface.value(limit) == "0 sql");
}

TEST_CASE("sql: memory_config refuses in words what cannot be", "[sql][config]") {
  Surface surface;
  CHECK_THAT(surface.error("UPDATE memory_config SET setting = '1' "
                           "WHERE name = 'small_row_magazine'"),
             Catch::Contains("2 to 1024"));
  CHECK(surface.rc() == SQLITE_CONSTRAINT);
  CHECK_THAT(surface.error("UPDATE memory_config SET setting = 'x' WHERE name = 'memory_limit'"),
             Catch::Contains("expected bytes"));
  CHECK(surface.rc() == SQLITE_CONSTRAINT);
  CHECK_THAT(surface.error("UPDATE memory_config SET setting = '1' WHERE name = 'memory_limt'"),
             Catch::Contains("unknown option 'memory_limt'; the nearest: 'memory_limit'"));
  CHECK(surface.rc() == SQLITE_ERROR);
  CHECK(surface.error("UPDATE memory_config SET setting = '0' "
                      "WHERE name = 'MEMORY_LIMIT' COLLATE NOCASE") == "");
  CHECK(surface.column("SELECT setting FROM memory_config WHERE name = 'memory_limt'").empty());
  CHECK(surface.error("UPDATE memory_config SET category = 'x' WHERE name = 'memory_limit'") ==
        "memory_config: only the column setting can be changed, not category");
  CHECK_THAT(surface.error("UPDATE memory_config SET setting = NULL WHERE name = 'memory_limit'"),
             Catch::Contains("must not be NULL"));
  CHECK(surface.error("DELETE FROM memory_config") == "memory_config: rows cannot be deleted");
  CHECK(surface.error("INSERT INTO memory_config(name, setting) VALUES('a', '1')") ==
        "memory_config: rows cannot be inserted");
  CHECK_THAT(surface.error("SELECT memory_config('memory_limt')"), Catch::Contains("nearest"));
  CHECK_THAT(surface.error("SELECT memory_config('memory_limit', NULL)"), Catch::Contains("NULL"));
  CHECK_THAT(surface.error("UPDATE memory_stats SET note = ''"), Catch::Contains("may not be"));
}

TEST_CASE("sql: a start-up option waits for the next start, and no rollback undoes an option",
          "[sql][config]") {
  Surface surface;
  CHECK(surface.error("UPDATE memory_config SET setting = '1GB' WHERE name = 'region_size'") == "");
  CHECK(surface.value("SELECT pending_restart || pending_setting FROM memory_config "
                      "WHERE name = 'region_size'") == "11GB");
  CHECK_THAT(surface.value("SELECT memory_config('region_size', '2GB')"),
             Catch::Contains("next start"));
  REQUIRE(surface.error("BEGIN") == "");
  REQUIRE(surface.error("UPDATE memory_config SET setting = '1s' WHERE name = 'purge_delay'") ==
          "");
  REQUIRE(surface.error("ROLLBACK") == "");
  CHECK(surface.value("SELECT memory_config('purge_delay')") == "1s");
}

TEST_CASE("sql: on a read-only database the function sets what UPDATE cannot", "[sql][config]") {
  Surface surface;
  REQUIRE(surface.error("PRAGMA query_only = 1") == "");
  CHECK(surface.value("SELECT memory_config('purge_delay', '3s')") == "3s");
}

TEST_CASE("sql: views and triggers of a database cannot run procedures", "[sql][security]") {
  Surface surface;
  REQUIRE(surface.error("CREATE TABLE t(a)") == "");
  REQUIRE(surface.error("CREATE VIEW v AS SELECT force_garbage_collection()") == "");
  CHECK_THAT(surface.error("SELECT * FROM v"),
             Catch::Contains("unsafe use of force_garbage_collection"));
  REQUIRE(surface.error("CREATE TRIGGER r AFTER INSERT ON t BEGIN "
                        "UPDATE memory_config SET setting = '1MB' WHERE name = 'memory_limit'; "
                        "END") == "");
  CHECK_THAT(surface.error("INSERT INTO t VALUES(1)"),
             Catch::Contains("unsafe use of virtual table \"memory_config\""));
  CHECK(surface.error("CREATE VIEW w AS SELECT * FROM memory_stats") == "");
  CHECK(surface.error("SELECT * FROM w") == "");
  REQUIRE(surface.error("PRAGMA trusted_schema = 0") == "");
  CHECK_THAT(surface.error("SELECT * FROM w"), Catch::Contains("unsafe use of virtual table"));
}

TEST_CASE("sql: procedures do what they say", "[sql]") {
  Surface surface;
  fill_and_snapshot(surface);
  CHECK(surface.value("SELECT memory_heap_check()") == "ok");
  CHECK(surface.number("SELECT force_garbage_collection()") >= 0);
  CHECK(surface.number("SELECT force_garbage_collection(1)") >= 0);
  CHECK_THAT(surface.error("SELECT force_garbage_collection(9)"), Catch::Contains("level must be"));
  CHECK(surface.number("SELECT coalesce_all()") >= 0);
  CHECK(surface.value("SELECT sqlitemem_version()") == SQLITEMEM_VERSION);
  CHECK(surface.value("SELECT stats_reset FROM heap_stats") == "NULL");
  CHECK(surface.value("SELECT reset_memory_stats()") == "1");
  CHECK(surface.number("SELECT allocations FROM heap_stats") < 10'000);
  CHECK_THAT(surface.value("SELECT stats_reset FROM heap_stats"), Catch::EndsWith("Z"));
  CHECK(surface.value("SELECT coalesce(NULL, 5)") == "5");
}

TEST_CASE("sql: a memory limit that could not be taken back is refused", "[sql][config]") {
  Surface surface;
  REQUIRE(surface.error("CREATE TABLE t AS SELECT zeroblob(3000000) AS x") == "");
  for (const char* limit : {"1", "64kB", "2MB"}) {
    CHECK_THAT(surface.error(std::string("UPDATE memory_config SET setting = '") + limit +
                             "' WHERE name = 'memory_limit'"),
               Catch::Contains("leaves no room"));
    CHECK(surface.value("SELECT setting FROM memory_config WHERE name = 'memory_limit'") == "0");
  }
  CHECK(surface.error("UPDATE memory_config SET setting = '64MB' WHERE name = 'memory_limit'") ==
        "");
}

TEST_CASE("sql: force_garbage_collection gives back what was freed", "[sql]") {
  Surface surface;
  std::vector<void*> blocks;
  for (int count = 0; count < 30000; ++count) {
    blocks.push_back(sqlite3_malloc(1000));
    std::memset(blocks.back(), 1, 1000);
  }
  for (void* block : blocks) sqlite3_free(block);
  const std::int64_t before = resident_bytes_of_process();
  const std::int64_t released = surface.number("SELECT force_garbage_collection()");
  const std::int64_t fell = before - resident_bytes_of_process();
  CHECK(fell > 20'000'000);  // And rose by what the collection took, most under a sanitizer.
  CHECK(static_cast<double>(released) == Approx(static_cast<double>(fell)).margin(4 << 20));
}

TEST_CASE("sql: observing mode says what it cannot do, and does the rest", "[sql]") {
  observe_only();
  const std::filesystem::path file = std::filesystem::temp_directory_path() /
                                     ("sqlitemem_observing_" + std::to_string(::getpid()));
  Surface surface(file.c_str());
  fill_and_snapshot(surface);
  for (const char* call : {"coalesce_all()", "memory_heap_check()", "reset_memory_stats()"}) {
    CHECK_THAT(surface.error("SELECT " + std::string(call)),
               Catch::Contains("needs our heap; start the program with LD_PRELOAD"));
    CHECK(surface.rc() == SQLITE_ERROR);
  }
  CHECK(surface.number("SELECT force_garbage_collection()") > 0);
  CHECK(surface.value("SELECT count(*) FROM slab_allocator_stats") == "0");
  CHECK(surface.value("SELECT coalesce(live_bytes, 'unknown') FROM large_object_stats") ==
        "unknown");
  CHECK(surface.value("SELECT note LIKE 'Not our heap.%' FROM memory_stats('slab_live')") == "1");
  CHECK(surface.number("SELECT memory_bytes FROM memory_stats('memory_used')") > 0);
  CHECK(surface.value("SELECT count(*) FROM connection_memory WHERE cache_used_bytes > 0") == "1");
  std::filesystem::remove(file);
}

TEST_CASE("sql: the metrics texts are well-formed, attached", "[sql][metrics]") {
  Surface surface;
  check_metrics(surface);
}

TEST_CASE("sql: the metrics texts are well-formed, observing", "[sql][metrics]") {
  observe_only();
  Surface surface;
  check_metrics(surface);
}

TEST_CASE("sql: a connection that cannot be served stays without any of it", "[sql]") {
  Surface surface;
  sqlite3* db = surface.db();
  // A function that is running cannot be replaced: registering again fails half-way.
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(db, "SELECT memory_mode() FROM memory_stats", -1, &statement,
                             nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
  char* error = nullptr;
  const int rc = sqlite3_load_extension(db, SQLITEMEM_BUILD_DIR "/sqlitemem", nullptr, &error);
  sqlite3_free(error);
  while (sqlite3_step(statement) == SQLITE_ROW) {
  }
  CHECK(sqlite3_finalize(statement) == SQLITE_OK);
  CHECK((rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_ERROR));
  CHECK(surface.error("SELECT memory_mode() FROM memory_stats") == "");
}
