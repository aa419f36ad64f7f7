/* Probes: changes of the schema, own and foreign, of settings, transactions, and of statements. */
#include <stdlib.h>
#include <string.h>

#include "plan_probes.h"

static const char* const star = "SELECT * FROM s";

static void prepare_and_step(sqlite3* db, const char* sql, int* columns_between) {
  sqlite3_stmt* statement = 0;
  sqlite3_prepare_v2(db, sql, -1, &statement, 0);
  walk(db, star);
  sqlite3_step(statement);
  *columns_between = columns(db, star);
  sqlite3_finalize(statement);
}

static void probe_foreign(sqlite3* db, sqlite3* other) {
  sqlite3_stmt* kept = 0;
  sqlite3_blob* blob = 0;
  int rc;
  warm(db, star);
  run(other, "ALTER TABLE s ADD COLUMN f1");
  SAY("foreign, unseen %d", columns(db, star));
  walk(db, "SELECT 1 FROM w");
  SAY("foreign, seen by a statement %d", columns(db, star));
  warm(db, star);
  sqlite3_prepare_v2(db, "SELECT 1 FROM w", -1, &kept, 0);
  warm(db, star);
  run(other, "ALTER TABLE s ADD COLUMN f2");
  sqlite3_step(kept);
  sqlite3_reset(kept);
  SAY("foreign, seen by one that is kept %d", columns(db, star));
  sqlite3_finalize(kept);
  warm(db, star);
  run(other, "ALTER TABLE s ADD COLUMN f3; CREATE TABLE later(x)");
  SAY("a new table %d", columns(db, "SELECT * FROM later"));
  SAY("foreign, seen while preparing %d", columns(db, star));
  warm(db, star);
  run(other, "ALTER TABLE s ADD COLUMN f4");
  run(db, "SELECT 1 FROM w");
  SAY("foreign, seen by exec %d", columns(db, star));
  warm(db, star);
  run(other, "ALTER TABLE s ADD COLUMN f5; CREATE TABLE latest(x)");
  run(db, "BEGIN IMMEDIATE");
  SAY("in a transaction %d", columns(db, "SELECT * FROM latest"));
  SAY("foreign, after BEGIN IMMEDIATE %d", columns(db, star));
  run(db, "COMMIT");
  warm(db, star);
  sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &kept, 0);
  warm(db, star);
  run(other, "ALTER TABLE s ADD COLUMN f6; CREATE TABLE last(x)");
  sqlite3_step(kept);
  sqlite3_reset(kept);
  SAY("in a transaction %d", columns(db, "SELECT * FROM last"));
  SAY("foreign, after a kept BEGIN IMMEDIATE %d", columns(db, star));
  run(db, "COMMIT");
  sqlite3_finalize(kept);
  warm(db, star);
  run(other, "ALTER TABLE s ADD COLUMN f7");
  rc = sqlite3_blob_open(db, "main", "w", "x", 1, 0, &blob);
  sqlite3_blob_close(blob);
  SAY("foreign, seen by a blob %d %d", rc, columns(db, star));
  warm(db, "SELECT * FROM later");
  run(other, "DROP TABLE later");
  rc = walk(db, "SELECT * FROM later");
  SAY("dropped %d %s", rc, sqlite3_errmsg(db));
  SAY("again %d", walk(db, "SELECT * FROM later"));
}

static void probe_own(sqlite3* db) {
  int between = 0, rc;
  warm(db, star);
  run(db, "ALTER TABLE s ADD COLUMN o1");
  SAY("own, by exec %d", columns(db, star));
  warm(db, star);
  prepare_and_step(db, "ALTER TABLE s ADD COLUMN o2", &between);
  SAY("own, prepared before %d", between);
  warm(db, star);
  run(db, "BEGIN; ALTER TABLE s ADD COLUMN o3");
  SAY("in it %d", columns(db, star));
  warm(db, star);
  run(db, "ROLLBACK");
  SAY("rolled back %d", columns(db, star));
  warm(db, "SELECT * FROM later2");
  rc = walk(db, "CREATE TEMP TABLE later2(x)");
  SAY("temp %d %d", rc, columns(db, "SELECT * FROM later2"));
  run(db, "ATTACH ':memory:' AS aux; CREATE TABLE aux.q(z)");
  warm(db, "SELECT * FROM aux.q");
  SAY("detach %d", run(db, "DETACH aux"));
  SAY("gone %d", walk(db, "SELECT * FROM aux.q"));
  SAY("vacuum %d", run(db, "VACUUM"));
  warm(db, "SELECT * FROM w");
  SAY("drop %d", run(db, "CREATE TABLE gone(x); DROP TABLE gone"));
  SAY("wal %d", run(db, "PRAGMA journal_mode=WAL"));
}

static void says_minus_one(sqlite3_context* context, int count, sqlite3_value** values) {
  (void)count, (void)values;
  sqlite3_result_int(context, -1);
}
static void says_one(sqlite3_context* context, int count, sqlite3_value** values) {
  (void)count, (void)values;
  sqlite3_result_int(context, 1);
}

/* A kept statement that the program has just taken again. */
static sqlite3_stmt* taken(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = 0;
  warm(db, sql);
  sqlite3_prepare_v2(db, sql, -1, &statement, 0);
  return statement;
}

/* Compiled before a change and finalized after it: too old to be kept. */
static void probe_in_use_across_changes(sqlite3* db, sqlite3* other) {
  const char* const orphan = "INSERT INTO pupil VALUES(99)";
  const char* const sum = "SELECT 1+1+1+1+1+1+1+1";
  sqlite3_stmt *old = 0, *change = 0;
  int rc;
  run(db, "CREATE TABLE teacher(i PRIMARY KEY); CREATE TABLE pupil(r REFERENCES teacher(i))");
  old = taken(db, orphan);
  sqlite3_prepare_v2(db, "PRAGMA foreign_keys=ON", -1, &change, 0);
  sqlite3_finalize(change);
  sqlite3_finalize(old);
  SAY("in use across a pragma %d", walk(db, orphan));
  run(db, "PRAGMA foreign_keys=OFF");
  old = taken(db, star);
  run(db, "ALTER TABLE s ADD COLUMN u1");
  sqlite3_finalize(old);
  SAY("in use across an own change %d", columns(db, star));
  old = taken(db, star);
  run(other, "ALTER TABLE s ADD COLUMN u2");
  SAY("the new column %d", columns(db, "SELECT u2 FROM s"));
  sqlite3_finalize(old);
  SAY("in use across a foreign change %d", columns(db, star));
  sqlite3_next_stmt(db, 0); /* Nothing is kept any more. */
  sqlite3_prepare_v2(db, star, -1, &old, 0);
  run(other, "ALTER TABLE s ADD COLUMN u3");
  SAY("seen by a step %d", walk(db, "SELECT 1 FROM w"));
  sqlite3_finalize(old);
  SAY("in use across a change seen by a step %d", columns(db, star));
  sqlite3_create_function(db, "says", -1, SQLITE_UTF8, 0, says_minus_one, 0, 0);
  old = taken(db, "SELECT says(1)");
  sqlite3_create_function(db, "says", 1, SQLITE_UTF8, 0, says_one, 0, 0);
  sqlite3_finalize(old);
  SAY("in use across a new function %lld", number(db, "SELECT says(1)"));
  old = taken(db, sum);
  rc = sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 3);
  sqlite3_finalize(old);
  SAY("in use across a limit %d", walk(db, sum));
  sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, rc);
}

/* Attached by sqlite3_exec() before anything was kept. */
static void probe_attached_at_first(void) {
  sqlite3 *db = 0, *other = open_file();
  sqlite3_open(":memory:", &db);
  run(other, "CREATE TABLE far(a); INSERT INTO far VALUES(1)");
  run(db, "ATTACH 'plan_probes.db' AS aux");
  warm(db, "SELECT * FROM aux.far");
  run(other, "ALTER TABLE far ADD COLUMN b");
  SAY("the new column %d", columns(db, "SELECT b FROM aux.far"));
  SAY("attached at first %d", columns(db, "SELECT * FROM aux.far"));
  SAY("closed %d %d", sqlite3_close(db), sqlite3_close(other));
}

void probe_schema(void) {
  sqlite3 *db = open_file(), *other = open_file();
  run(db,
      "CREATE TABLE s(a); INSERT INTO s VALUES(1); CREATE TABLE w(x); INSERT INTO w VALUES('x')");
  probe_own(db);
  probe_foreign(db, other);
  probe_in_use_across_changes(db, other);
  probe_attached_at_first();
  SAY("closed %d %d", sqlite3_close(db), sqlite3_close(other));
}

static void probe_pragmas(sqlite3* db) {
  sqlite3_stmt* statement = 0;
  const char* const orphan = "INSERT INTO child VALUES(99)";
  run(db, "CREATE TABLE parent(i PRIMARY KEY); CREATE TABLE child(r REFERENCES parent(i))");
  warm(db, orphan);
  run(db, "PRAGMA foreign_keys=ON");
  SAY("foreign keys, by exec %d", walk(db, orphan));
  run(db, "PRAGMA foreign_keys=OFF");
  warm(db, orphan);
  sqlite3_prepare_v2(db, "PRAGMA foreign_keys=ON", -1, &statement, 0);
  SAY("foreign keys, prepared and not stepped %d", walk(db, orphan));
  sqlite3_finalize(statement);
  SAY("foreign keys, afterwards %d", walk(db, orphan));
  run(db, "PRAGMA foreign_keys=OFF");
  warm(db, orphan);
  sqlite3_prepare_v2(db, "EXPLAIN PRAGMA foreign_keys=ON", -1, &statement, 0);
  SAY("foreign keys, explained %d", walk(db, orphan));
  sqlite3_finalize(statement);
  run(db, "PRAGMA foreign_keys=OFF");
}

static void probe_versions(sqlite3* db) {
  static const unsigned short wide[] = {'S', 'E', 'L', 'E', 'C', 'T', ' ', '7', 0};
  sqlite3_stmt* statement = 0;
  int i, first, second;
  for (i = 0; i < 3; i++) {
    sqlite3_prepare16_v2(db, wide, -1, &statement, 0);
    first = sqlite3_step(statement);
    second = sqlite3_column_int(statement, 0);
    SAY("utf-16 %d %d %d", first, second, sqlite3_finalize(statement));
  }
  for (i = 0; i < 3; i++) {
    sqlite3_prepare(db, "SELECT a FROM v", -1, &statement, 0);
    first = sqlite3_step(statement);
    second = sqlite3_finalize(statement);
    SAY("first version %d %d", first, second);
  }
  sqlite3_prepare(db, "SELECT a FROM v", -1, &statement, 0);
  run(db, "ALTER TABLE v ADD COLUMN z");
  first = sqlite3_step(statement);
  second = sqlite3_finalize(statement);
  SAY("first version, other schema %d %d", first, second);
  for (i = 0; i < 3; i++) {
    sqlite3_prepare_v3(db, "SELECT a FROM v", -1, SQLITE_PREPARE_PERSISTENT, &statement, 0);
    SAY("third version %d", sqlite3_step(statement));
    sqlite3_finalize(statement);
  }
  SAY("no tables %d", sqlite3_prepare_v3(db, "SELECT * FROM sqlite_stmt", -1,
                                         SQLITE_PREPARE_NO_VTAB, &statement, 0));
  for (i = 0; (statement = sqlite3_next_stmt(db, 0)) != 0 && i < 50; i++)
    sqlite3_finalize(statement);
  SAY("finalized all %d", i);
}

static void probe_interrupts(sqlite3* db) {
  sqlite3_stmt *open = 0, *late = 0;
  int prepared, stepped;
  warm(db, "SELECT count(*) FROM v");
  sqlite3_interrupt(db);
  SAY("interrupted at rest %d", walk(db, "SELECT count(*) FROM v"));
  warm(db, "SELECT count(*) FROM v");
  sqlite3_prepare_v2(db, "SELECT a FROM v", -1, &open, 0);
  sqlite3_step(open);
  sqlite3_interrupt(db);
  prepared = sqlite3_prepare_v2(db, "SELECT count(*) FROM v", -1, &late, 0);
  stepped = late == 0 ? -1 : sqlite3_step(late);
  SAY("interrupted at work %d %d", prepared, stepped);
  sqlite3_finalize(late);
  SAY("finalize %d", sqlite3_finalize(open));
  SAY("afterwards %d", walk(db, "SELECT count(*) FROM v"));
}

static void probe_backup(sqlite3* source) {
  sqlite3* target = 0;
  sqlite3_backup* backup;
  int first, second;
  sqlite3_open(":memory:", &target);
  run(target, "CREATE TABLE v(a, b, c)");
  warm(target, "SELECT * FROM v");
  backup = sqlite3_backup_init(target, "main", source, "main");
  walk(target, "SELECT 1");
  first = sqlite3_backup_step(backup, -1);
  second = sqlite3_backup_finish(backup);
  SAY("backup %d %d %d", first, second, columns(target, "SELECT * FROM v"));
  SAY("closed %d", sqlite3_close(target));
}

static void probe_tables_of_modules(sqlite3* db) {
  int i;
  SAY("fts %d", run(db, "CREATE VIRTUAL TABLE f USING fts5(body)"));
  for (i = 0; i < 4; i++) {
    walk(db, "INSERT INTO f VALUES('hello world')");
    walk(db, "SELECT count(*) FROM f WHERE f MATCH 'hello'");
  }
  SAY("found %lld", number(db, "SELECT count(*) FROM f WHERE f MATCH 'hello'"));
  SAY("drop %d", run(db, "DROP TABLE f"));
  SAY("gone %d", walk(db, "INSERT INTO f VALUES('hello world')"));
}

static void probe_transactions(sqlite3* db) {
  sqlite3_stmt* statement = 0;
  int first, second;
  warm(db, "SELECT a FROM v");
  sqlite3_prepare_v2(db, "SELECT a FROM v", -1, &statement, 0);
  sqlite3_step(statement);
  first = sqlite3_finalize(statement);
  SAY("left between rows %d %d", first, run(db, "BEGIN IMMEDIATE; COMMIT"));
  run(db, "BEGIN");
  warm(db, "INSERT INTO v(a) VALUES(5)");
  SAY("changes %d %d", sqlite3_changes(db), sqlite3_get_autocommit(db));
  first = run(db, "ROLLBACK");
  SAY("rolled back %d %lld", first, number(db, "SELECT count(*) FROM v"));
  warm(db, "INSERT INTO v(a) VALUES(7) RETURNING a");
  sqlite3_prepare_v2(db, "INSERT INTO v(a) VALUES(7) RETURNING a", -1, &statement, 0);
  first = sqlite3_step(statement);
  second = sqlite3_finalize(statement);
  SAY("returning %d %d %lld", first, second, number(db, "SELECT count(*) FROM v"));
  SAY("savepoint %d", run(db, "SAVEPOINT x; INSERT INTO v(a) VALUES(1); ROLLBACK TO x; RELEASE x"));
}

void probe_states(void) {
  sqlite3* db = open_file();
  run(db, "CREATE TABLE v(a); INSERT INTO v VALUES(1), (2), (3)");
  probe_pragmas(db);
  probe_transactions(db);
  probe_interrupts(db);
  probe_backup(db);
  probe_tables_of_modules(db);
  probe_versions(db);
  SAY("closed %d", sqlite3_close(db));
}
