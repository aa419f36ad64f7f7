/* A plugin with a SQLite of its own: prints its version, mode and memory in use. */
#include <sqlite3.h>
#include <stdio.h>

void use_sqlite(void);

static int print(void* unused, int columns, char** values, char** names) {
  (void)unused, (void)names;
  if (columns > 0) printf("%s: ", values[0]);
  return 0;
}

void use_sqlite(void) {
  sqlite3* db = 0;
  sqlite3_open(":memory:", &db);
  sqlite3_exec(db, "SELECT sqlite_version()", print, 0, 0);
  if (sqlite3_exec(db, "SELECT substr(memory_mode(), 1, 7)", print, 0, 0) != SQLITE_OK) {
    printf("stock: ");
  }
  printf("%s\n", sqlite3_memory_used() > 0 ? "counted" : "not counted");
  sqlite3_close(db);
}
