// Registration when memory runs out at any moment: a connection has everything, or nothing.
#include <cstdlib>

#include "tests/support/catch.h"
#include "tests/support/surface.h"

using sqlitemem::tests::Surface;

namespace {

// A program's own allocator that can be told to fail at the n-th request from now on.
int requests_left = -1;
sqlite3_mem_methods system_methods;

bool fails_now() {
  if (requests_left < 0) return false;
  if (requests_left == 0) return true;
  --requests_left;
  return false;
}

void install_failing_allocator() {
  REQUIRE(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_methods) == SQLITE_OK);
  sqlite3_mem_methods methods = system_methods;
  methods.xMalloc = [](int bytes) -> void* {
    return fails_now() ? nullptr : system_methods.xMalloc(bytes);
  };
  methods.xRealloc = [](void* block, int bytes) -> void* {
    return fails_now() ? nullptr : system_methods.xRealloc(block, bytes);
  };
  REQUIRE(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
}

/// How many of our functions and of our tables the connection has.
std::pair<std::int64_t, std::int64_t> what_is_there(sqlite3* db) {
  const auto number = [&](const char* sql) {
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
    const std::int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
  };
  return {number("SELECT count(*) FROM pragma_function_list WHERE name IN ('memory_mode', "
                 "'prometheus_metrics', 'coalesce_all', 'force_garbage_collection')"),
          number("SELECT count(*) FROM pragma_module_list WHERE name LIKE 'memory_%' "
                 "OR name LIKE '%_stats' OR name LIKE 'large_%'")};
}

int load(sqlite3* db) {
  char* error = nullptr;
  const int rc = sqlite3_load_extension(db, SQLITEMEM_BUILD_DIR "/sqlitemem", nullptr, &error);
  sqlite3_free(error);
  return rc;
}

}  // namespace

TEST_CASE("sql register: a failing allocator leaves a connection all of it or none",
          "[sql][exhaustion]") {
  ::setenv("SQLITEMEM_ATTACH", "never", 1);
  install_failing_allocator();
  Surface surface;
  const auto everything = what_is_there(surface.db());
  REQUIRE(everything.first == 6);
  REQUIRE(everything.second >= 10);
  int refused = 0, in_a_row = 0;
  for (int requests = 0; requests < 3000 && in_a_row < 20; ++requests) {
    sqlite3_reset_auto_extension();  // The connection shall not be registered as it opens.
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
    sqlite3_enable_load_extension(db, 1);
    requests_left = requests;
    const int rc = load(db);
    const bool ran_out = requests_left == 0;
    requests_left = -1;
    const auto there = what_is_there(db);
    CAPTURE(requests, rc, there.first, there.second);
    const bool has_nothing = there.first == 0 && there.second == 0;
    CHECK((rc == SQLITE_OK ? there == everything : has_nothing));
    refused += has_nothing ? 1 : 0;
    if (rc != SQLITE_OK) {  // What was refused for want of memory can be had when there is some.
      CHECK(load(db) == SQLITE_OK);
      CHECK(what_is_there(db) == everything);
    }
    sqlite3_close(db);
    in_a_row = ran_out ? 0 : in_a_row + 1;
  }
  CHECK(in_a_row == 20);  // The loop ended because nothing fails any more.
  CHECK(refused > 20);
}
