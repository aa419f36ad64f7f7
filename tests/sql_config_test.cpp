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
    REQUIRE(surface.value("SELECT count(*) FROM memory_config WHERE setting IN ('6', '6%') "
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

TEST_CASE("sql: settings of every SQL type are read, or refused in words", "[sql][config]") {
  Surface surface;
  const auto update = [&](const std::string& value, const std::string& name) {
    return surface.error("UPDATE memory_config SET setting = " + value + " WHERE name = '" + name +
                         "'");
  };
  const auto setting = [&](const std::string& name) {
    return surface.value("SELECT setting FROM memory_config WHERE name = '" + name + "'");
  };
  CHECK(update("25", "large_object_retain") == "");
  CHECK(setting("large_object_retain") == "25%");
  CHECK(update("0.5 * 60", "large_object_retain") == "");  // A REAL, and a whole one.
  CHECK(setting("large_object_retain") == "30%");
  CHECK(update("'2 minutes'", "purge_delay") == "");
  CHECK(setting("purge_delay") == "2min");
  CHECK(update("' 1.5GB '", "memory_limit") == "");
  CHECK(setting("memory_limit") == "1536MB");
  CHECK(update("x'3634204D42'", "memory_limit") == "");  // A BLOB is the text that it holds.
  CHECK(setting("memory_limit") == "64MB");

  struct Refused {
    const char *value, *name, *words;
  };
  for (const Refused& refused : {
           Refused{"NULL", "large_object_retain", "setting must not be NULL; the column boot_val"},
           Refused{"''", "purge_delay", "'' is not a value for purge_delay: expected milliseconds"},
           Refused{"'  '", "memory_limit", "'  ' is not a value for memory_limit: expected bytes"},
           Refused{"0.7", "large_object_retain", "expected a whole percentage such as 70% or 70"},
           Refused{"1e300", "memory_limit", "'1.0e+300' is not a value for memory_limit"},
           Refused{"9e999", "memory_limit", "'Inf' is not a value for memory_limit"},
           Refused{"-5", "purge_delay", "'-5' is outside the range of purge_delay: 0 to 1h"},
           Refused{"'500%'", "large_object_retain", "'500%' is outside the range of large_object_"},
           Refused{"9223372036854775807", "memory_limit", "outside the range of memory_limit: 0"},
       }) {
    CAPTURE(refused.value, refused.name);
    const std::string before = surface.value(all_settings);
    CHECK_THAT(update(refused.value, refused.name), Catch::Contains(refused.words));
    CHECK(surface.rc() == SQLITE_CONSTRAINT);
    CHECK(surface.value(all_settings) == before);
  }
}

TEST_CASE("sql: rows of memory_config come and go for nobody", "[sql][config]") {
  Surface surface;
  const std::string before = surface.value(all_settings);
  for (const char* statement :
       {"INSERT INTO memory_config(name, setting) VALUES('mine', '1')",
        "INSERT OR REPLACE INTO memory_config(name, setting) VALUES('memory_limit', '1GB')",
        "INSERT INTO memory_config SELECT * FROM memory_config",
        "REPLACE INTO memory_config(name) VALUES('memory_limit')"}) {
    CAPTURE(statement);
    CHECK_THAT(surface.error(statement), Catch::EndsWith("rows cannot be inserted"));
  }
  for (const char* statement :
       {"DELETE FROM memory_config", "DELETE FROM memory_config WHERE name = 'memory_limit'"}) {
    CAPTURE(statement);
    CHECK_THAT(surface.error(statement), Catch::EndsWith("rows cannot be deleted"));
  }
  CHECK_THAT(surface.error("UPDATE memory_config SET name = 'mine' WHERE name = 'memory_limit'"),
             Catch::Contains("only the column setting can be changed, not name"));
  CHECK_THAT(surface.error("UPDATE memory_config SET unit = '%', setting = '1' WHERE unit = '%'"),
             Catch::Contains("only the column setting can be changed, not unit"));
  CHECK(surface.value(all_settings) == before);
}

TEST_CASE("sql: units tell how a plain number is read", "[sql][config]") {
  Surface surface;
  CHECK(surface.value("SELECT group_concat(DISTINCT vartype || ' ' || ifnull(unit, 'none')) FROM "
                      "(SELECT vartype, unit FROM memory_config ORDER BY vartype)") ==
        "bytes B,enum none,integer none,milliseconds ms,percent %,seconds s");
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
