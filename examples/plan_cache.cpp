// A program that lets the plan cache keep its statements: the same functions everywhere, and each
// text is compiled once.
#include <sqlitemem.hpp>

#include <cstdio>
#include <string>

namespace {

bool add_word(sqlite3* db, const std::string& word) {
  const sqlitemem::CachedStatement insert(db,
                                          "INSERT INTO words VALUES(?1, 1)"
                                          " ON CONFLICT(word) DO UPDATE SET uses = uses + 1");
  sqlite3_bind_text(insert.get(), 1, word.c_str(), -1, SQLITE_TRANSIENT);
  return sqlite3_step(insert.get()) == SQLITE_DONE;
}

int uses_of(sqlite3* db, const std::string& word) {
  const sqlitemem::CachedStatement select(db, "SELECT uses FROM words WHERE word = ?1");
  sqlite3_bind_text(select.get(), 1, word.c_str(), -1, SQLITE_TRANSIENT);
  return sqlite3_step(select.get()) == SQLITE_ROW ? sqlite3_column_int(select.get(), 0) : 0;
}

int print_row(void*, int columns, char** values, char**) {
  for (int i = 0; i < columns; ++i)
    std::printf("%s%s", i == 0 ? "" : " | ", values[i] ? values[i] : "-");
  std::printf("\n");
  return 0;
}

}  // namespace

int main() {
  sqlite3* db = nullptr;
  if (sqlitemem_install() != SQLITE_OK || sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  sqlite3_exec(db, "CREATE TABLE words(word TEXT PRIMARY KEY, uses INTEGER)", nullptr, nullptr,
               nullptr);
  bool is_done = true;
  for (int i = 0; i < 10000; ++i) is_done &= add_word(db, "word " + std::to_string(i % 100));
  std::printf("word 42: %d uses\n", uses_of(db, "word 42"));
  sqlite3_exec(db,
               "SELECT 'cache', hits, misses, plans FROM plan_cache_summary;"
               "SELECT hits, runs, sql FROM plan_cache_stats WHERE owner = 'cache'",
               print_row, nullptr, nullptr);
  return is_done && sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}
