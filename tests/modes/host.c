/* A host of SQLite: host [EXTENSION]. Prints memory_mode(), then what a fixed workload answers. */
#include <sqlite3.h>
#include <stdio.h>

static int print(void* unused, int columns, char** values, char** names) {
  int i;
  (void)unused, (void)names;
  for (i = 0; i < columns; i++) printf("%s%s", i ? "|" : "", values[i] ? values[i] : "");
  printf("\n");
  return 0;
}

static void run(sqlite3* db, const char* sql) {
  char* error = 0;
  if (sqlite3_exec(db, sql, print, 0, &error) != SQLITE_OK) printf("error: %s\n", error);
  sqlite3_free(error);
}

int main(int count, char** arguments) {
  sqlite3* db = 0;
  sqlite3_stmt* open = 0;
  char* error = 0;
  int rows = 0;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  run(db,
      "CREATE TABLE t(i INTEGER PRIMARY KEY, word TEXT, number INTEGER);"
      "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
      "INSERT INTO t SELECT i, printf('word %05d', (i * 7919) % 5003), i % 97 FROM n;"
      "BEGIN; UPDATE t SET word = word || '!' WHERE number = 3;");
  sqlite3_prepare_v2(db, "SELECT word FROM t ORDER BY word", -1, &open, 0);
  sqlite3_step(open);
  if (count > 1) {
    sqlite3_enable_load_extension(db, 1);
    if (sqlite3_load_extension(db, arguments[1], 0, &error) != SQLITE_OK) {
      printf("error: %s\n", error);
      sqlite3_free(error);
    }
  }
  run(db, "SELECT 'mode', memory_mode()");
  while (sqlite3_step(open) == SQLITE_ROW) rows++;
  sqlite3_finalize(open);
  printf("%d rows\n", rows);
  run(db,
      "ROLLBACK; CREATE INDEX i ON t(word); DELETE FROM t WHERE number = 5;"
      "SELECT count(*), sum(i), min(word), max(word) FROM t;"
      "SELECT number, count(*), group_concat(i % 10, '') FROM t WHERE number < 9 GROUP BY number;"
      "VACUUM; PRAGMA integrity_check;");
  if (count > 1) run(db, "SELECT 'heap check', coalesce(memory_heap_check(), 'none of ours')");
  run(db,
      "SELECT 'lookaside', count(*) FROM pragma_compile_options"
      " WHERE compile_options = 'OMIT_LOOKASIDE'");
  sqlite3_close(db);
  printf("left: %lld\n", sqlite3_memory_used());
  return 0;
}
