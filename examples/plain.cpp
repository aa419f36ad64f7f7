// A program that just uses SQLite. Run it under the preload library, or give it the extension's
// path to load.
#include <sqlite3.h>

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
  std::fprintf(stderr, "%s\n", error);
  sqlite3_free(error);
  return false;
}

}  // namespace

int main(int count, char** arguments) {
  sqlite3* db = nullptr;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  bool is_done = run(db,
                     "CREATE TABLE words(word TEXT PRIMARY KEY, uses INTEGER);"
                     "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
                     "INSERT INTO words SELECT printf('word %d', i), i % 100 FROM n;");
  if (count > 1) {
    // Only for the C function, which is the safe way: SQL may not load anything.
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
    char* error = nullptr;
    if (sqlite3_load_extension(db, arguments[1], nullptr, &error) != SQLITE_OK) {
      std::fprintf(stderr, "%s\n", error);
      sqlite3_free(error);
      is_done = false;
    }
  }
  is_done = is_done && run(db, "SELECT count(*), sum(uses) FROM words;") &&
            run(db, "SELECT count(*) FROM pragma_function_list WHERE name = 'memory_mode';");
  // Present if sqlitemem is here, by whichever way.
  if (sqlite3_exec(db, "SELECT memory_mode();", print_row, nullptr, nullptr) != SQLITE_OK) {
    std::printf("stock SQLite %s\n", sqlite3_libversion());
  }
  sqlite3_close(db);
  return is_done ? 0 : 1;
}
