/* Prints what a program can see of prepared statements; one line per observation. */
#include "plan_probes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

sqlite3* open_file(void) {
  sqlite3* db = 0;
  if (sqlite3_open("plan_probes.db", &db) != SQLITE_OK) exit(1);
  return db;
}
int run(sqlite3* db, const char* sql) { return sqlite3_exec(db, sql, 0, 0, 0); }
int walk(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = 0;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, 0);
  if (rc != SQLITE_OK) return -rc;
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW) continue;
  return 1000 * rc + sqlite3_finalize(statement);
}
void warm(sqlite3* db, const char* sql) {
  int i;
  for (i = 0; i < 4; i++) walk(db, sql);
}
int columns(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = 0;
  int count;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, 0) != SQLITE_OK) return -1;
  count = sqlite3_column_count(statement);
  sqlite3_finalize(statement);
  return count;
}
long long number(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = 0;
  long long value = -999;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, 0) != SQLITE_OK) return -998;
  if (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return value;
}

static const char* const select_all = "SELECT * FROM t ORDER BY a";
static int calls;
static int count_authorizer(void* deny, int what, const char* a, const char* b, const char* c,
                            const char* d) {
  (void)what, (void)a, (void)b, (void)c, (void)d;
  calls++;
  return deny ? SQLITE_DENY : SQLITE_OK;
}
static int count_progress(void* unused) {
  (void)unused;
  calls++;
  return 0;
}
static int count_trace(unsigned what, void* unused, void* p, void* x) {
  (void)what, (void)unused, (void)p, (void)x;
  calls++;
  return 0;
}
static void count_free(void* unused) {
  (void)unused;
  calls++;
}
static void answer_one(sqlite3_context* context, int count, sqlite3_value** values) {
  (void)count, (void)values;
  sqlite3_result_int(context, 1);
}
static void answer_two(sqlite3_context* context, int count, sqlite3_value** values) {
  (void)count, (void)values;
  sqlite3_result_int(context, 2);
}
static int backwards(void* unused, int left_bytes, const void* left, int right_bytes,
                     const void* right) {
  (void)unused;
  return -memcmp(left, right, (size_t)(left_bytes < right_bytes ? left_bytes : right_bytes));
}

static void probe_errors(sqlite3* db) {
  sqlite3_stmt* statement = 0;
  const char* tail = 0;
  int i, rc;
  for (i = 0; i < 4; i++) {
    rc = walk(db, "INSERT INTO t VALUES(1, 1)");
    SAY("constraint %d %d %s", rc, sqlite3_errcode(db), sqlite3_errmsg(db));
  }
  warm(db, select_all);
  SAY("refused %d", sqlite3_prepare_v2(db, "nonsense", -1, &statement, 0));
  sqlite3_prepare_v2(db, select_all, -1, &statement, &tail);
  SAY("after a good prepare %d %s %d", sqlite3_errcode(db), sqlite3_errmsg(db), *tail);
  sqlite3_finalize(statement);
  warm(db, "SELECT 1; SELECT 2");
  sqlite3_prepare_v2(db, "SELECT 1; SELECT 2", -1, &statement, &tail);
  SAY("tail '%s' sql '%s'", tail, sqlite3_sql(statement));
  sqlite3_finalize(statement);
  sqlite3_prepare_v2(db, "SELECT 1; SELECT 2", 12, &statement, &tail);
  SAY("cut tail '%s' sql '%s'", tail, sqlite3_sql(statement));
  sqlite3_finalize(statement);
  SAY("finalize null %d", sqlite3_finalize(0));
  SAY("prepare null %d", sqlite3_prepare_v2(db, "", -1, &statement, &tail));
  SAY("empty %d", statement != 0);
}

static void probe_bindings(sqlite3* db) {
  sqlite3_stmt* statement = 0;
  const char* const sql = "SELECT ?, typeof(?)";
  warm(db, sql);
  calls = 0;
  sqlite3_prepare_v2(db, sql, -1, &statement, 0);
  sqlite3_bind_text(statement, 1, "abc", 3, count_free);
  sqlite3_step(statement);
  sqlite3_finalize(statement);
  SAY("freed bindings %d", calls);
  sqlite3_prepare_v2(db, sql, -1, &statement, 0);
  SAY("parameters %d step %d null %d", sqlite3_bind_parameter_count(statement),
      sqlite3_step(statement), sqlite3_column_type(statement, 0) == SQLITE_NULL);
  sqlite3_finalize(statement);
  warm(db, select_all);
  sqlite3_prepare_v2(db, select_all, -1, &statement, 0);
  sqlite3_step(statement);
  SAY("counters %d %d %d %d %d", sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_RUN, 0),
      sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0),
      sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_SORT, 0),
      sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0),
      sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_REPREPARE, 0));
  sqlite3_finalize(statement);
  warm(db, "SELECT b FROM t WHERE b LIKE ?1");
  sqlite3_prepare_v2(db, "SELECT b FROM t WHERE b LIKE ?1", -1, &statement, 0);
  sqlite3_bind_text(statement, 1, "2%", -1, SQLITE_STATIC);
  SAY("like %d", sqlite3_step(statement));
  sqlite3_finalize(statement);
  SAY("again %d", walk(db, "SELECT b FROM t WHERE b LIKE ?1"));
}

static void probe_callbacks(sqlite3* db) {
  int before;
  warm(db, select_all);
  sqlite3_set_authorizer(db, count_authorizer, 0);
  calls = 0;
  warm(db, select_all);
  SAY("authorizer asked %d", calls);
  sqlite3_set_authorizer(db, count_authorizer, db);
  before = walk(db, select_all);
  SAY("authorizer denies %d %s", before, sqlite3_errmsg(db));
  sqlite3_set_authorizer(db, 0, 0);
  warm(db, select_all);
  sqlite3_progress_handler(db, 1, count_progress, 0);
  calls = 0;
  warm(db, select_all);
  before = calls;
  calls = 0;
  warm(db, select_all);
  SAY("progress alike %d", before == calls && calls > 0);
  sqlite3_progress_handler(db, 0, 0, 0);
  warm(db, select_all);
  sqlite3_trace_v2(db, SQLITE_TRACE_STMT | SQLITE_TRACE_PROFILE | SQLITE_TRACE_ROW, count_trace, 0);
  calls = 0;
  warm(db, select_all);
  SAY("traced %d", calls);
  sqlite3_trace_v2(db, 0, 0, 0);
  sqlite3_create_function(db, "f", -1, SQLITE_UTF8, 0, answer_one, 0, 0);
  warm(db, "SELECT f(1)");
  before = (int)number(db, "SELECT f(1)");
  sqlite3_create_function(db, "f", 1, SQLITE_UTF8, 0, answer_two, 0, 0);
  SAY("overloaded %d %d", before, (int)number(db, "SELECT f(1)"));
  sqlite3_create_collation(db, "k", SQLITE_UTF8, 0, backwards);
  warm(db, "SELECT a FROM t ORDER BY a || '' COLLATE k");
  before = (int)number(db, "SELECT a FROM t ORDER BY a || '' COLLATE k");
  sqlite3_create_collation(db, "k", SQLITE_UTF8, 0, 0);
  SAY("collation %d gone %d", before, walk(db, "SELECT a FROM t ORDER BY a || '' COLLATE k"));
}

static void probe_limits(sqlite3* db) {
  int before, now = 0, highest = 0;
  warm(db, "SELECT max(1, 2, 3)");
  before = sqlite3_limit(db, SQLITE_LIMIT_FUNCTION_ARG, 2);
  SAY("limit %d", walk(db, "SELECT max(1, 2, 3)"));
  sqlite3_limit(db, SQLITE_LIMIT_FUNCTION_ARG, before);
  warm(db, select_all);
  SAY("lookaside %d", sqlite3_db_config(db, SQLITE_DBCONFIG_LOOKASIDE, 0, 128, 50));
  warm(db, select_all);
  sqlite3_db_status(db, SQLITE_DBSTATUS_STMT_USED, &now, &highest, 0);
  SAY("statement memory %d", now);
  SAY("listed %d", sqlite3_next_stmt(db, 0) != 0);
  SAY("sqlite_stmt %lld", number(db, "SELECT count(*) FROM sqlite_stmt"));
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, (int*)0);
  warm(db, select_all);
  sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 10);
  SAY("short texts %d", walk(db, select_all));
  sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 1000000);
  SAY("long texts %d", walk(db, select_all));
}

static void probe_closing(void) {
  sqlite3 *db = open_file(), *other = open_file();
  sqlite3_stmt* statement = 0;
  int rc, status = 0;
  warm(db, select_all);
  sqlite3_prepare_v2(db, select_all, -1, &statement, 0);
  sqlite3_step(statement);
  SAY("close busy %d", sqlite3_close(db));
  sqlite3_finalize(statement);
  warm(db, select_all);
  SAY("close %d", sqlite3_close(db));
  db = open_file();
  warm(db, select_all);
  sqlite3_prepare_v2(db, select_all, -1, &statement, 0);
  sqlite3_step(statement);
  rc = sqlite3_close_v2(db);
  SAY("zombie %d %d", rc, sqlite3_finalize(statement));
  warm(other, select_all);
  if (fork() == 0) _exit(sqlite3_close(other));
  wait(&status);
  SAY("child %d parent %d", status, walk(other, select_all));
  SAY("close %d %d", sqlite3_close(other), sqlite3_close(0));
}

int main(void) {
  sqlite3* db;
  unlink("plan_probes.db");
  db = open_file();
  run(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES(1, 2), (3, 4), (5, 6)");
  probe_errors(db);
  probe_bindings(db);
  probe_callbacks(db);
  probe_limits(db);
  SAY("closed %d", sqlite3_close(db));
  probe_closing();
  probe_schema();
  probe_states();
  return 0;
}
