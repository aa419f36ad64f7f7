/* A C program against the installed header and library: its SQLite must come out managed. */
#include <sqlitemem.h>
#include <stdio.h>
#include <string.h>

static int is_managed(sqlite3* db) {
  sqlite3_stmt* statement = 0;
  int managed = 0;
  if (sqlite3_prepare_v2(db, "SELECT memory_mode()", -1, &statement, 0) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    const char* mode = (const char*)sqlite3_column_text(statement, 0);
    puts(mode);
    managed = strncmp(mode, "managed", strlen("managed")) == 0;
  } else {
    fprintf(stderr, "memory_mode(): %s\n", sqlite3_errmsg(db));
  }
  sqlite3_finalize(statement);
  return managed;
}

int main(void) {
  sqlite3* db = 0;
  int managed = 0;
  if (sqlitemem_install() != SQLITE_OK) {
    fprintf(stderr, "sqlitemem_install(): %s\n", sqlitemem_errmsg());
    return 1;
  }
  if (sqlite3_open(":memory:", &db) == SQLITE_OK) managed = is_managed(db);
  sqlite3_close(db);
  return managed ? 0 : 1;
}
