// A program that embeds sqlitemem: one call before SQLite starts, and SQL shows where the memory
// is.
#include <sqlitemem.h>

#include <cstdio>

namespace {

int print_row(void*, int columns, char** values, char**) {
  for (int i = 0; i < columns; ++i)
    std::printf("%s%s", i == 0 ? "" : " | ", values[i] ? values[i] : "-");
  std::printf("\n");
  return 0;
}

bool run(sqlite3* db, const char* sql) {
  char* error = nullptr;
  if (sqlite3_exec(db, sql, print_row, nullptr, &error) == SQLITE_OK) return true;
  std::fprintf(stderr, "%s: %s\n", sql, error);
  sqlite3_free(error);
  return false;
}

}  // namespace

int main() {
  // Options that are read at the start come before, and so do your own calls of sqlite3_config().
  if (sqlitemem_set("memory_limit", "256MB") != SQLITE_OK || sqlitemem_install() != SQLITE_OK) {
    std::fprintf(stderr, "sqlitemem: %s\n", sqlitemem_errmsg());
    return 1;
  }
  std::printf("sqlitemem %s\n", sqlitemem_libversion());

  sqlite3* db = nullptr;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  const bool is_done = run(db,
                           "CREATE TABLE words(word TEXT PRIMARY KEY, uses INTEGER);"
                           "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
                           "INSERT INTO words SELECT printf('word %d', i), i % 100 FROM n;"
                           "SELECT count(*), sum(uses) FROM words;") &&
                       run(db, "SELECT memory_mode();") &&
                       run(db,
                           "SELECT component, memory_mb, percentage FROM memory_stats()"
                           "ORDER BY memory_mb DESC LIMIT 5;") &&
                       run(db, "SELECT memory_heap_check();");
  sqlite3_close(db);
  return is_done ? 0 : 1;
}
