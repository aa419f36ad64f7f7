// Real transactions drive the arenas: what SQLite undoes is undone, and nothing of the host's is
// touched.
#include <sqlite3.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/surface.h"

using Catch::Matchers::Contains;
using sqlitemem::tests::Surface;

namespace {

void run(Surface& surface, const std::string& sql) {
  char* error = nullptr;
  const int rc = sqlite3_exec(surface.db(), sql.c_str(), nullptr, nullptr, &error);
  INFO(sql << ": " << (error != nullptr ? error : ""));
  sqlite3_free(error);
  REQUIRE(rc == SQLITE_OK);
}

std::string get(Surface& surface, const std::string& name) {
  return surface.value("SELECT txn_get('" + name + "')");
}

std::int64_t open_arenas(Surface& surface) {
  return surface.number("SELECT count(*) FROM transaction_arena_stats WHERE state <> 'profile'");
}

/// An empty database file of its own.
struct File {
  File() : path(std::filesystem::temp_directory_path() / ("txn_" + std::to_string(::getpid()))) {
    std::filesystem::remove(path);
  }
  ~File() {
    for (const char* end : {"", "-wal", "-shm", "-journal"}) {
      std::filesystem::remove(path.string() + end);
    }
  }
  std::filesystem::path path;
};

}  // namespace

TEST_CASE("transactions: a variable lives as long as its transaction", "[sql][transactions]") {
  if (GENERATE(false, true)) ::setenv("SQLITEMEM_ATTACH", "never", 1);
  Surface surface;
  const std::string end = GENERATE("COMMIT", "ROLLBACK");
  CHECK(get(surface, "x") == "NULL");
  CHECK(surface.error("SELECT txn_set('x', 1)") ==
        "txn_set: no transaction is open; BEGIN or SAVEPOINT first");
  CHECK(open_arenas(surface) == 0);
  run(surface, "BEGIN");
  CHECK(surface.value("SELECT txn_set('x', 1)") == "1");
  CHECK(get(surface, "x") == "1");
  CHECK(open_arenas(surface) == 1);
  run(surface, end);
  CHECK(get(surface, "x") == "NULL");
  CHECK(open_arenas(surface) == 0);
  CHECK(surface.column("SELECT name FROM txn_variables").empty());
}

TEST_CASE("transactions: reading creates nothing", "[sql][transactions]") {
  Surface surface;
  run(surface,
      "BEGIN; SELECT txn_get('x'); SELECT * FROM txn_variables;"
      "SELECT * FROM transaction_arena_stats");
  CHECK(surface.column("SELECT name FROM sqlite_temp_master").empty());
  CHECK(open_arenas(surface) == 0);
  CHECK(sqlite3_txn_state(surface.db(), nullptr) != SQLITE_TXN_WRITE);
}

TEST_CASE("transactions: values keep their type, and may be changed in place",
          "[sql][transactions]") {
  Surface surface;
  run(surface, "BEGIN");
  for (const char* value : {"1", "-9223372036854775808", "1.5", "'text'", "x'00ff'", "NULL", "''",
                            "x''", "'longer than before, much longer'", "'short'"}) {
    CAPTURE(value);
    const std::string text = value;
    CHECK(surface.value("SELECT quote(txn_set('v', " + text + "))") ==
          surface.value("SELECT quote(" + text + ")"));
    CHECK(surface.value("SELECT quote(txn_get('v'))") ==
          surface.value("SELECT quote(" + text + ")"));
    CHECK(surface.value("SELECT quote(value) FROM txn_variables WHERE name = 'v'") ==
          surface.value("SELECT quote(" + text + ")"));
  }
  // Its own value, which lies in the memory that is written to.
  run(surface, "SELECT txn_set('v', 'abcdef'); SELECT txn_set('v', substr(txn_get('v'), 2))");
  CHECK(get(surface, "v") == "bcdef");
  CHECK(surface.value("SELECT length(txn_set('z', zeroblob(100000)))") == "100000");
  CHECK(surface.number("SELECT sum(length(txn_set('n' || value, value))) FROM "
                       "(WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c "
                       "WHERE value < 2000) SELECT value FROM c)") == 6893);
  CHECK(surface.number("SELECT count(*) FROM txn_variables") == 2002);
  CHECK(get(surface, "n1234") == "1234");
  CHECK(surface.column("SELECT name FROM txn_variables WHERE txn_get(name) IS NOT value").empty());
  CHECK_THAT(surface.error("SELECT txn_set('', 1)"), Contains("name must be text"));
  CHECK_THAT(surface.error("SELECT txn_set(NULL, 1)"), Contains("name must be text"));
  CHECK_THAT(surface.error("SELECT txn_get(1)"), Contains("name must be text"));
}

TEST_CASE("transactions: savepoints 100 deep roll variables back one by one",
          "[sql][transactions]") {
  Surface surface;
  const bool is_set_before = GENERATE(false, true);
  run(surface, "BEGIN");
  if (is_set_before) run(surface, "SELECT txn_set('x', 0)");
  for (int depth = 1; depth <= 100; ++depth) {
    const std::string number = std::to_string(depth);
    run(surface, "SAVEPOINT s" + number);
    if (is_set_before || depth > 50) run(surface, "SELECT txn_set('x', " + number + ")");
  }
  CHECK(get(surface, "x") == "100");
  CHECK(open_arenas(surface) == 101);
  run(surface, "RELEASE s90");
  CHECK(get(surface, "x") == "100");
  CHECK(open_arenas(surface) == 90);
  for (int depth = 89; depth > 51; --depth) {
    run(surface, "ROLLBACK TO s" + std::to_string(depth));
    REQUIRE(get(surface, "x") == std::to_string(depth - 1));
    run(surface, "ROLLBACK TO s" + std::to_string(depth));  // Twice.
    REQUIRE(get(surface, "x") == std::to_string(depth - 1));
  }
  run(surface, "ROLLBACK TO s20");  // Older than the first use, in one of the two cases.
  CHECK(get(surface, "x") == (is_set_before ? "19" : "NULL"));
  run(surface, "SELECT txn_set('x', 'again'); SAVEPOINT t; SELECT txn_set('x', 'inner')");
  run(surface, "ROLLBACK TO t");
  CHECK(get(surface, "x") == "again");
  run(surface, "RELEASE s1; ROLLBACK");
  CHECK(get(surface, "x") == "NULL");
}

TEST_CASE(
    "transactions: the table's creation goes with a savepoint, and the next use makes it anew",
    "[sql][transactions]") {
  Surface surface;
  run(surface, "SAVEPOINT a; SELECT txn_set('x', 1); ROLLBACK TO a");
  CHECK(surface.column("SELECT name FROM sqlite_temp_master").empty());
  CHECK(get(surface, "x") == "NULL");
  run(surface, "SELECT txn_set('x', 2); SAVEPOINT b; SELECT txn_set('x', 3); ROLLBACK TO b");
  CHECK(get(surface, "x") == "2");
  run(surface, "RELEASE a");
  CHECK(get(surface, "x") == "NULL");
  run(surface, "BEGIN; SELECT txn_set('x', 4); ROLLBACK; BEGIN; SELECT txn_set('x', 5)");
  CHECK(get(surface, "x") == "5");
  CHECK(surface.error("DROP TABLE temp.sqlitemem_transaction") != "");
  CHECK(get(surface, "x") == "5");
  run(surface, "COMMIT; DROP TABLE temp.sqlitemem_transaction; BEGIN; SELECT txn_set('x', 6)");
  CHECK(get(surface, "x") == "6");
  run(surface, "COMMIT; PRAGMA temp_store = MEMORY; BEGIN; SELECT txn_set('x', 7)");
  CHECK(get(surface, "x") == "7");
  CHECK_THAT(surface.error("INSERT INTO temp.sqlitemem_transaction VALUES (1)"),
             Contains("written by sqlitemem itself"));
  CHECK(surface.number("SELECT count(*) FROM temp.sqlitemem_transaction") == 0);
  run(surface, "COMMIT");
  CHECK_THAT(surface.error("CREATE VIRTUAL TABLE other USING sqlitemem_transaction"),
             Contains("made by sqlitemem itself"));
  run(surface, "CREATE TABLE t(a); BEGIN; SELECT txn_set('x', 8); CREATE TABLE u(a)");
  CHECK(get(surface, "x") == "8");
}

TEST_CASE("transactions: a failing statement takes back what SQLite takes back",
          "[sql][transactions]") {
  struct Case {
    const char* mode;
    const char* after;  ///< What txn_get('n') then is.
  };
  // Rows 1, 2 and 3 are tried in turn; 2 is there already.
  const auto chosen = GENERATE(Case{"ABORT", "before"}, Case{"FAIL", "2"}, Case{"IGNORE", "3"},
                               Case{"REPLACE", "3"}, Case{"ROLLBACK", "NULL"});
  const bool is_first_use = GENERATE(false, true);
  CAPTURE(chosen.mode, is_first_use);
  Surface surface;
  run(surface,
      "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (2);"
      "CREATE TABLE s(a); INSERT INTO s VALUES (1), (2), (3); BEGIN");
  if (!is_first_use) run(surface, "SELECT txn_set('n', 'before')");
  surface.column(std::string("INSERT OR ") + chosen.mode + " INTO t SELECT txn_set('n', a) FROM s");
  const std::string after = chosen.after;
  CHECK(get(surface, "n") == (is_first_use && after == "before" ? "NULL" : after));
  CHECK((sqlite3_get_autocommit(surface.db()) != 0) == (after == "NULL"));
}

TEST_CASE("transactions: readers stay readers", "[sql][transactions]") {
  const File file;
  Surface surface(file.path.c_str());
  run(surface, "CREATE TABLE t(a)");
  run(surface, "BEGIN; SELECT txn_set('x', 1) FROM (SELECT 1); SELECT count(*) FROM t");
  CHECK(sqlite3_txn_state(surface.db(), "main") == SQLITE_TXN_READ);
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(file.path.c_str(), &other) == SQLITE_OK);
  CHECK(sqlite3_exec(other, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1)", nullptr, nullptr,
                     nullptr) == SQLITE_OK);
  CHECK(get(surface, "x") == "1");
  run(surface, "COMMIT");
  CHECK(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
}

TEST_CASE("transactions: counters and hooks of the host stay its own", "[sql][transactions]") {
  Surface surface;
  run(surface, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)");
  struct Calls {
    int commits = 0, rollbacks = 0, updates = 0;
  } calls;
  sqlite3_commit_hook(
      surface.db(), [](void* to) { return ++static_cast<Calls*>(to)->commits, 0; }, &calls);
  sqlite3_rollback_hook(
      surface.db(), [](void* to) { ++static_cast<Calls*>(to)->rollbacks; }, &calls);
  sqlite3_update_hook(
      surface.db(),
      [](void* to, int, const char*, const char*, sqlite3_int64) {
        ++static_cast<Calls*>(to)->updates;
      },
      &calls);
  const int total = sqlite3_total_changes(surface.db());
  const auto rowid = sqlite3_last_insert_rowid(surface.db());
  for (int turn = 0; turn < 2; ++turn) {
    run(surface, "BEGIN; SELECT txn_set('x', 1); ROLLBACK");
    run(surface,
        "BEGIN; SELECT txn_set('x', 1); SAVEPOINT a; SELECT txn_set('x', 2);"
        "ROLLBACK TO a; COMMIT");
  }
  CHECK(sqlite3_total_changes(surface.db()) == total);
  CHECK(sqlite3_last_insert_rowid(surface.db()) == rowid);
  CHECK(calls.commits == 2);
  CHECK(calls.rollbacks == 2);
  CHECK(calls.updates == 0);
  run(surface, "BEGIN; INSERT INTO t SELECT txn_set('x', a) FROM t");
  CHECK(sqlite3_changes(surface.db()) == 3);
  CHECK(calls.updates == 3);
  CHECK(sqlite3_commit_hook(surface.db(), nullptr, nullptr) == &calls);
  CHECK(sqlite3_rollback_hook(surface.db(), nullptr, nullptr) == &calls);
  CHECK(sqlite3_update_hook(surface.db(), nullptr, nullptr) == &calls);
}

TEST_CASE("transactions: a commit that the host refuses keeps the variables until the rollback",
          "[sql][transactions]") {
  Surface surface;
  sqlite3_commit_hook(
      surface.db(), [](void*) { return 1; }, nullptr);
  run(surface, "BEGIN; SELECT txn_set('x', 1)");
  CHECK(surface.error("COMMIT") != "");
  CHECK(sqlite3_get_autocommit(surface.db()) != 0);  // The hook's refusal is a rollback.
  CHECK(get(surface, "x") == "NULL");
  CHECK(open_arenas(surface) == 0);
}

TEST_CASE("transactions: what forbids the enlistment is named", "[sql][transactions]") {
  Surface surface;
  const int verdict = GENERATE(SQLITE_DENY, SQLITE_IGNORE);
  const bool is_known = GENERATE(false, true);
  if (is_known) run(surface, "BEGIN; SELECT txn_set('x', 1); COMMIT");
  run(surface, "BEGIN");
  static int given;
  given = verdict;
  sqlite3_set_authorizer(
      surface.db(),
      [](void*, int action, const char*, const char*, const char*, const char*) {
        return action == SQLITE_INSERT || action == SQLITE_CREATE_VTABLE ? given : SQLITE_OK;
      },
      nullptr);
  CHECK_THAT(surface.error("SELECT txn_set('x', 1)"), Contains("authorizer does not allow"));
  CHECK(surface.rc() == SQLITE_AUTH);
  CHECK(open_arenas(surface) == 0);
  sqlite3_set_authorizer(surface.db(), nullptr, nullptr);
  run(surface, "PRAGMA query_only = 1");
  CHECK_THAT(surface.error("SELECT txn_set('x', 1)"), Contains("PRAGMA query_only forbids"));
  CHECK(open_arenas(surface) == 0);
  run(surface, "PRAGMA query_only = 0; SELECT txn_set('x', 1)");
  CHECK(get(surface, "x") == "1");
}

TEST_CASE("transactions: a table of the program in the way is named, and gets no row",
          "[sql][transactions]") {
  const bool is_view = GENERATE(false, true);
  Surface surface;
  run(surface, is_view ? "CREATE TEMP VIEW sqlitemem_transaction AS SELECT 1"
                       : "CREATE TEMP TABLE sqlitemem_transaction(a)");
  run(surface, "BEGIN");
  CHECK_THAT(surface.error("SELECT txn_set('x', 1)"),
             Contains("another table or view has its name"));
  CHECK(surface.number("SELECT count(*) FROM temp.sqlitemem_transaction") == (is_view ? 1 : 0));
  CHECK(open_arenas(surface) == 0);
  run(surface, is_view ? "DROP VIEW sqlitemem_transaction" : "DROP TABLE sqlitemem_transaction");
  run(surface, "SELECT txn_set('x', 1)");
  CHECK(get(surface, "x") == "1");
}

TEST_CASE("transactions: a read-only database, an attached one that goes, and a schema change",
          "[sql][transactions]") {
  const File file;
  {
    Surface writer(file.path.c_str());
    run(writer, "CREATE TABLE t(a); INSERT INTO t VALUES (1)");
  }
  Surface surface(("file:" + file.path.string() + "?mode=ro").c_str());
  run(surface, "PRAGMA query_only = 0");
  run(surface, "ATTACH ':memory:' AS aux; BEGIN; SELECT txn_set('x', 1)");
  run(surface, "CREATE TABLE aux.u(a)");
  surface.column("DETACH aux");  // Refused or not, by SQLite's version.
  CHECK(get(surface, "x") == "1");
  run(surface, "COMMIT");
  surface.column("DETACH aux");
  CHECK(get(surface, "x") == "NULL");
}

TEST_CASE("transactions: a close with an open transaction frees everything",
          "[sql][transactions]") {
  Surface watch;
  {
    Surface surface;
    run(surface, "BEGIN; SELECT txn_set('x', zeroblob(300000)); SAVEPOINT a");
    CHECK(open_arenas(watch) == 2);
  }
  CHECK(open_arenas(watch) == 0);
  CHECK(watch.number("SELECT sum(reserved_bytes) FROM transaction_arena_stats") == 0);
  CHECK(watch.number("SELECT sum(rollbacks) FROM transaction_arena_stats") == 1);
}

TEST_CASE("transactions: the limit of a profile is named, and the option lifts it",
          "[sql][transactions]") {
  Surface surface;
  run(surface,
      "UPDATE memory_config SET setting = 'tiny' WHERE name = 'transaction_arena';"
      "UPDATE memory_config SET setting = 'off' WHERE name = 'transaction_arena_growth';"
      "BEGIN; SELECT txn_set('x', 1)");
  CHECK_THAT(surface.error("SELECT txn_set('big', zeroblob(70000))"),
             Contains("limit of the profile tiny (65536 bytes)"));
  CHECK(get(surface, "x") == "1");
  CHECK(get(surface, "big") == "NULL");
  CHECK(surface.number("SELECT limit_hits FROM transaction_arena_stats WHERE level = 0") == 1);
  run(surface,
      "ROLLBACK;"
      "UPDATE memory_config SET setting = 'on' WHERE name = 'transaction_arena_growth';"
      "BEGIN; SELECT txn_set('big', zeroblob(70000))");
  CHECK(surface.value("SELECT profile FROM transaction_arena_stats WHERE level = 0") == "small");
}

TEST_CASE("transactions: arenas are in memory_stats and memory_contexts, and the tiling holds",
          "[sql][transactions]") {
  if (GENERATE(false, true)) ::setenv("SQLITEMEM_ATTACH", "never", 1);
  Surface surface;
  run(surface,
      "BEGIN; SELECT txn_set('x', randomblob(3000000)); SAVEPOINT a;"
      "SELECT txn_set('y', randomblob(20000))");
  const auto used = surface.number(
      "SELECT sum(used_bytes) FROM transaction_arena_stats "
      "WHERE state <> 'profile'");
  CHECK(used > 3020000);
  CHECK(used < 3022000);
  CHECK(surface.number("SELECT memory_bytes FROM memory_stats WHERE component = 'arena_used'") ==
        used);
  const auto reserved = surface.number(
      "SELECT sum(reserved_bytes) FROM transaction_arena_stats "
      "WHERE state = 'profile'");
  CHECK(surface.number("SELECT memory_bytes FROM memory_stats "
                       "WHERE component = 'arena_reserved'") == reserved);
  CHECK(surface.value("WITH m AS MATERIALIZED (SELECT * FROM memory_stats()) SELECT "
                      "(SELECT sum(memory_bytes) FROM m WHERE category = 'rss') = "
                      "(SELECT memory_bytes FROM m WHERE component = 'resident_set')") == "1");
  CHECK(surface.number("SELECT memory_bytes FROM memory_stats WHERE component = 'arena_live'") ==
        used);
  CHECK(surface.column("SELECT name FROM memory_contexts WHERE context_id >= (SELECT context_id "
                       "FROM memory_contexts WHERE name = 'transaction arenas') LIMIT 4") ==
        std::vector<std::string>{"transaction arenas", "connection", "transaction", "savepoint"});
  CHECK(surface.number("SELECT used_bytes FROM memory_contexts WHERE name = 'transaction'") ==
        used);
  run(surface, "ROLLBACK");
  const auto kept = surface.number("SELECT sum(reserved_bytes) FROM transaction_arena_stats");
  CHECK(kept == reserved);
  run(surface, "SELECT force_garbage_collection(2)");
  CHECK(surface.number("SELECT sum(reserved_bytes) FROM transaction_arena_stats") == 0);
}

TEST_CASE("transactions: txn_get serves triggers, and txn_set does not", "[sql][transactions]") {
  Surface surface;
  run(surface,
      "CREATE TABLE t(a); CREATE TABLE log(who, a);"
      "CREATE TRIGGER r AFTER INSERT ON t BEGIN "
      "INSERT INTO log VALUES (txn_get('user'), new.a); END;"
      "PRAGMA trusted_schema = OFF; BEGIN; SELECT txn_set('user', 'ada');"
      "INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2)");
  CHECK(surface.column("SELECT quote(who) FROM log ORDER BY a") ==
        std::vector<std::string>{"'ada'", "NULL"});
  run(surface, "CREATE TRIGGER w AFTER DELETE ON t BEGIN SELECT txn_set('user', 1); END");
  CHECK_THAT(surface.error("DELETE FROM t"), Contains("unsafe use of txn_set"));
}
