// memory_config, the environment and arguments, where something is wrong with what was asked for.
#include <cstdlib>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/surface.h"

using sqlitemem::tests::Surface;

namespace {

/// Three options of which the last cannot have the value.
const char* const bad_third_row =
    "UPDATE memory_config SET setting = CASE name WHEN 'purge_delay' THEN 'never' ELSE '5' END "
    "WHERE name IN ('learned_classes', 'large_object_retain', 'purge_delay')";
const char* const all_settings =
    "SELECT group_concat(name || '=' || setting || ' ' || source || ' ' || pending_restart) "
    "FROM memory_config";

}  // namespace

TEST_CASE("sql: an UPDATE that failed half-way left the first rows changed", "[sql][config]") {
  Surface surface;
  const std::string before = surface.value(all_settings);
  CHECK_THAT(surface.error(bad_third_row), Catch::Contains("'never' is not a value"));
  CHECK(surface.rc() == SQLITE_CONSTRAINT);
  CHECK(surface.value(all_settings) == before);

  // In a transaction: what other statements changed stays, whatever becomes of the transaction.
  REQUIRE(surface.error("BEGIN") == "");
  REQUIRE(surface.error("SAVEPOINT s") == "");
  REQUIRE(surface.error("UPDATE memory_config SET setting = '3' WHERE name = 'learned_classes'") ==
          "");
  const std::string changed = surface.value(all_settings);
  CHECK(changed != before);
  CHECK(surface.error(bad_third_row) != "");
  CHECK(surface.value(all_settings) == changed);
  REQUIRE(surface.error("ROLLBACK TO s") == "");
  REQUIRE(surface.error("ROLLBACK") == "");
  CHECK(surface.value(all_settings) == changed);

  // A start-up option that was noted before the bad row is not noted any more.
  CHECK(surface.error("UPDATE memory_config SET setting = CASE name WHEN 'region_size' THEN '1GB' "
                      "ELSE '-1' END WHERE name IN ('region_size', 'purge_delay')") != "");
  CHECK(surface.value(all_settings) == changed);
}

TEST_CASE("sql: an interrupted UPDATE leaves the options as they were", "[sql][config]") {
  Surface surface;
  std::string before = surface.value(all_settings);
  // Counts the steps of the whole statement, then stops it ever later.
  int steps_left = -1;
  const auto stop = [](void* left) { return --*static_cast<int*>(left) == 0 ? 1 : 0; };
  sqlite3_progress_handler(surface.db(), 1, stop, &steps_left);
  int interrupted = 0;
  for (int steps = 1; steps < 2000; ++steps) {
    steps_left = steps;
    surface.column(
        "UPDATE memory_config SET setting = '6' "
        "WHERE name IN ('learned_classes', 'large_object_retain')");
    if (surface.rc() == SQLITE_DONE) break;
    REQUIRE(surface.rc() == SQLITE_INTERRUPT);
    ++interrupted;
    steps_left = -1;
    // SQLite may stop a statement that has just committed: then all of it is done, never half.
    if (surface.value(all_settings) == before) continue;
    REQUIRE(surface.value("SELECT count(*) FROM memory_config WHERE setting = '6' "
                          "AND source = 'sql'") == "2");
    REQUIRE(surface.error("UPDATE memory_config SET setting = boot_val WHERE source = 'sql'") ==
            "");
    before = surface.value(all_settings);
  }
  CHECK(interrupted > 20);
  sqlite3_progress_handler(surface.db(), 0, nullptr, nullptr);
  CHECK(surface.value("SELECT memory_config('learned_classes')") == "6");
}

TEST_CASE("sql: observing mode took settings that cannot act", "[sql][config]") {
  ::setenv("SQLITEMEM_ATTACH", "never", 1);
  Surface surface;
  const std::string before = surface.value(all_settings);
  for (const char* statement :
       {"UPDATE memory_config SET setting = '64MB' WHERE name = 'memory_limit'",
        "UPDATE memory_config SET setting = '1GB' WHERE name = 'region_size'",
        "SELECT memory_config('memory_limit', '64MB')"}) {
    CHECK_THAT(surface.error(statement),
               Catch::Contains("cannot act in observing mode, only in managed or attached mode"));
    CHECK(surface.rc() == SQLITE_ERROR);
  }
  CHECK(surface.value(all_settings) == before);
  CHECK(surface.value("SELECT memory_config('memory_limit')") == "0");
}

TEST_CASE("sql: a refused memory_limit claimed to be set by SQL", "[sql][config]") {
  Surface surface;
  CHECK(surface.error("UPDATE memory_config SET setting = '1' WHERE name = 'memory_limit'") != "");
  CHECK(surface.value("SELECT source FROM memory_config WHERE name = 'memory_limit'") == "default");
}

TEST_CASE("sql: mistakes in the environment were not to be seen in SQL", "[sql][config]") {
  ::setenv("SQLITEMEM_PURGE_DELAY", "soon", 1);
  ::setenv("SQLITEMEM_LEARNED_CLASES", "3", 1);
  Surface surface;
  const std::string mode = surface.value("SELECT memory_mode()");
  CHECK_THAT(mode, Catch::StartsWith("attached: ") &&
                       Catch::Contains("Ignored: SQLITEMEM_PURGE_DELAY: 'soon' is not a value") &&
                       Catch::Contains("Ignored: SQLITEMEM_LEARNED_CLASES: unknown option "
                                       "'learned_clases'; the nearest: 'learned_classes'."));
}

TEST_CASE("sql: SQLITEMEM_ATTACH=bogus attached", "[sql][config]") {
  ::setenv("SQLITEMEM_ATTACH", "bogus", 1);
  Surface surface;
  CHECK_THAT(surface.value("SELECT memory_mode()"),
             Catch::StartsWith("observing: ") &&
                 Catch::Contains("SQLITEMEM_ATTACH: 'bogus' is not a value for attach: expected "
                                 "one of auto, never."));
}

TEST_CASE("sql: a misspelt argument gave no rows", "[sql][vtab]") {
  Surface surface;
  CHECK_THAT(
      surface.error("SELECT * FROM memory_stats('slab_life')"),
      Catch::Contains("'slab_life' is neither a category (rss, allocator, buffer_pool, arenas, "
                      "sqlite, connections, process, cgroup) nor a component (slab_live, ") &&
          Catch::Contains("; the nearest: 'slab_live'"));
  CHECK(surface.rc() == SQLITE_ERROR);
  CHECK_THAT(surface.error("SELECT * FROM memory_stats('')"),
             Catch::StartsWith("memory_stats: ''"));
}
