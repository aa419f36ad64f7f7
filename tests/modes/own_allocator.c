/* A program that gives SQLite an allocator of its own, in one of several ways. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3_mem_methods next;
static long calls;

/* "instead": blocks with their size in front, nothing passed on. */
static void* own_malloc(int bytes) {
  long* block = malloc((size_t)bytes + 16);
  calls++;
  if (block == 0) return 0;
  *block = bytes;
  return block + 2;
}
static void own_free(void* block) { free((long*)block - 2); }
static int own_size(void* block) { return block ? (int)((long*)block)[-2] : 0; }
static int own_round_up(int bytes) { return (bytes + 15) & ~15; }
static int own_init(void* data) { return data == 0 ? SQLITE_OK : SQLITE_ERROR; }
static void own_shutdown(void* data) { (void)data; }
static void* own_realloc(void* block, int bytes) {
  long* moved = realloc((long*)block - 2, (size_t)bytes + 16);
  if (moved == 0) return 0;
  *moved = bytes;
  return moved + 2;
}
static const sqlite3_mem_methods own = {own_malloc,   own_free, own_realloc,  own_size,
                                        own_round_up, own_init, own_shutdown, 0};

/* "in_front": counts, and passes everything on to whatever was there. */
static void* counting_malloc(int bytes) {
  calls++;
  return next.xMalloc(bytes);
}

static int print(void* unused, int columns, char** values, char** names) {
  (void)unused, (void)names;
  if (columns > 0) printf("%s\n", values[0]);
  return 0;
}

int main(int count, char** arguments) {
  sqlite3* db = 0;
  char* error = 0;
  const char* way = count > 1 ? arguments[1] : "";
  int rc = SQLITE_OK;
  if (strcmp(way, "instead") == 0) rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &own);
  if (strcmp(way, "in_front") == 0) {
    sqlite3_mem_methods counting;
    rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &next);
    counting = next;
    counting.xMalloc = counting_malloc;
    if (rc == SQLITE_OK) rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &counting);
  }
  if (strcmp(way, "memstatus") == 0) rc = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 1);
  if (rc != SQLITE_OK || sqlite3_open(":memory:", &db) != SQLITE_OK) return 2;
  if (count > 2) {
    sqlite3_enable_load_extension(db, 1);
    if (sqlite3_load_extension(db, arguments[2], 0, &error) != SQLITE_OK) {
      printf("%s\n", error);
      sqlite3_free(error);
    }
  }
  rc = sqlite3_exec(db, "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(1000000));", 0, 0, 0);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, "SELECT memory_mode()", print, 0, &error);
  if (rc != SQLITE_OK) printf("%s\n", error != 0 ? error : "no table");
  if (sqlite3_memory_used() < 1000000) printf("memory_used: %lld\n", sqlite3_memory_used());
  if (*way != 0 && strcmp(way, "memstatus") != 0 && calls < 50) printf("calls: %ld\n", calls);
  sqlite3_free(error);
  sqlite3_close(db);
  return rc == SQLITE_OK ? 0 : 1;
}
