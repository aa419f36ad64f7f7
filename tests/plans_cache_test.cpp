// The plan cache as a program uses it that knows of it, and what SQL shows of it.
#include <dlfcn.h>
#include <sqlite3.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

namespace {

/// The built library, installed; one connection with a table, or more.
class Library {
 public:
  Library() : handle_(::dlopen(SQLITEMEM_BUILD_DIR "/libsqlitemem.so", RTLD_NOW | RTLD_LOCAL)) {
    REQUIRE(handle_ != nullptr);
    find(prepare_cached, "sqlitemem_prepare_cached");
    find(release, "sqlitemem_release");
    find(drop_cached, "sqlitemem_drop_cached");
    find(set, "sqlitemem_set");
    int (*install)() = nullptr;
    find(install, "sqlitemem_install");
    REQUIRE(install() == SQLITE_OK);
  }
  template <class Function>
  void find(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(::dlsym(handle_, name));
    REQUIRE(function != nullptr);
  }
  int (*prepare_cached)(sqlite3*, const char*, int, sqlite3_stmt**, const char**) = nullptr;
  int (*release)(sqlite3_stmt*) = nullptr;
  int (*drop_cached)(sqlite3*) = nullptr;
  int (*set)(const char*, const char*) = nullptr;

 private:
  void* handle_;
};

class PlanConnection {
 public:
  explicit PlanConnection(const Library& library, int flags = SQLITE_OPEN_FULLMUTEX)
      : library_(library) {
    REQUIRE(sqlite3_open_v2(":memory:", &db, flags | SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK);
    run("CREATE TABLE t(x INTEGER PRIMARY KEY, y UNIQUE); INSERT INTO t VALUES(1, 2), (3, 4)");
  }
  ~PlanConnection() {
    if (db != nullptr) CHECK(sqlite3_close(db) == SQLITE_OK);
  }
  PlanConnection(const PlanConnection&) = delete;
  PlanConnection& operator=(const PlanConnection&) = delete;

  void run(const char* sql) const {
    CAPTURE(sql);
    REQUIRE(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  [[nodiscard]] std::string value(const char* sql) const {
    sqlite3_stmt* statement = nullptr;
    CAPTURE(sql);
    REQUIRE(sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) == SQLITE_OK);
    std::string text = "no row";
    if (sqlite3_step(statement) == SQLITE_ROW) {
      const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
      text = bytes == nullptr ? "NULL" : bytes;
    }
    sqlite3_finalize(statement);
    return text;
  }
  [[nodiscard]] sqlite3_stmt* prepare(const char* sql) const {
    sqlite3_stmt* statement = nullptr;
    REQUIRE(library_.prepare_cached(db, sql, -1, &statement, nullptr) == SQLITE_OK);
    return statement;
  }
  /// Prepares, steps to the end, and releases.
  int use(const char* sql) const {
    sqlite3_stmt* statement = prepare(sql);
    while (sqlite3_step(statement) == SQLITE_ROW) continue;
    return library_.release(statement);
  }

  sqlite3* db = nullptr;

 private:
  const Library& library_;
};

constexpr const char* point_select = "SELECT y FROM t WHERE x = ?";

/// The clock that tells which was parked first moves every few milliseconds.
void await_coarse_tick() {
  const auto now = [] {
    std::timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return time.tv_nsec;
  };
  for (const long begin = now(); now() == begin;) continue;
}

}  // namespace

TEST_CASE("Plan cache: a released statement comes back as new", "[plans]") {
  const Library library;
  const PlanConnection connection(library);
  sqlite3_stmt* first = connection.prepare(point_select);
  sqlite3_bind_int(first, 1, 3);
  REQUIRE(sqlite3_step(first) == SQLITE_ROW);
  CHECK(library.release(first) == SQLITE_OK);
  CHECK(sqlite3_get_autocommit(connection.db) == 1);
  sqlite3_stmt* second = connection.prepare(point_select);
  CHECK(second == first);
  CHECK(sqlite3_stmt_busy(second) == 0);
  CHECK(sqlite3_stmt_status(second, SQLITE_STMTSTATUS_RUN, 0) == 0);
  CHECK(sqlite3_step(second) == SQLITE_DONE);  // Nothing is bound.
  sqlite3_stmt* third = connection.prepare(point_select);
  CHECK(third != second);  // In use.
  CHECK(library.release(third) == SQLITE_OK);
  CHECK(library.release(second) == SQLITE_OK);
  CHECK(connection.value("SELECT plans || ' ' || hits || ' ' || misses || ' ' || hit_ratio "
                         "FROM plan_cache_summary") == "1 1 2 0.333333333333333");
}

TEST_CASE("Plan cache: the tail points into the caller's own text, of any length", "[plans]") {
  const Library library;
  const PlanConnection connection(library);
  const std::string text = "SELECT 1; SELECT 2 -- and more that is not for us";
  for (int round = 0; round < 2; ++round) {
    const std::string copy = text;
    sqlite3_stmt* statement = nullptr;
    const char* tail = nullptr;
    REQUIRE(library.prepare_cached(connection.db, copy.c_str(), 18, &statement, &tail) ==
            SQLITE_OK);
    CHECK(tail == copy.c_str() + 9);
    CHECK(library.release(statement) == SQLITE_OK);
    REQUIRE(library.prepare_cached(connection.db, copy.c_str(), 8, &statement, &tail) == SQLITE_OK);
    CHECK(tail == copy.c_str() + 8);
    CHECK(library.release(statement) == SQLITE_OK);
  }
  CHECK(connection.value("SELECT plans || ' ' || hits FROM plan_cache_summary") == "2 2");
}

TEST_CASE("Plan cache: errors come as they do without it", "[plans]") {
  const Library library;
  const PlanConnection connection(library);
  CHECK(connection.use("INSERT INTO t VALUES(9, 2)") == SQLITE_CONSTRAINT);
  CHECK_THAT(sqlite3_errmsg(connection.db), Catch::Contains("UNIQUE constraint failed: t.y"));
  sqlite3_stmt* statement = nullptr;
  CHECK(library.prepare_cached(connection.db, "nonsense", -1, &statement, nullptr) == SQLITE_ERROR);
  CHECK(statement == nullptr);
  CHECK(connection.use(point_select) == SQLITE_OK);
  CHECK(library.prepare_cached(connection.db, "SELECT", -1, &statement, nullptr) == SQLITE_ERROR);
  CHECK(sqlite3_errcode(connection.db) == SQLITE_ERROR);
  CHECK(connection.use(point_select) == SQLITE_OK);
  CHECK(sqlite3_errcode(connection.db) == SQLITE_OK);
  CHECK(library.release(nullptr) == SQLITE_OK);
  CHECK(library.prepare_cached(nullptr, point_select, -1, &statement, nullptr) == SQLITE_MISUSE);
}

TEST_CASE("Plan cache: a statement released twice was linked twice", "[plans]") {
  const Library library;
  const PlanConnection connection(library);
  sqlite3_stmt* statement = connection.prepare(point_select);
  CHECK(library.release(statement) == SQLITE_OK);
  CHECK(library.release(statement) == SQLITE_MISUSE);
  CHECK(connection.value("SELECT plans FROM plan_cache_summary") == "1");
}

TEST_CASE("Plan cache: after a change of the schema a kept statement is compiled again",
          "[plans]") {
  const Library library;
  const PlanConnection connection(library);
  CHECK(connection.use("SELECT * FROM t") == SQLITE_OK);
  connection.run("ALTER TABLE t ADD COLUMN z DEFAULT 7");
  sqlite3_stmt* statement = connection.prepare("SELECT * FROM t");
  REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
  CHECK(sqlite3_column_count(statement) == 3);
  CHECK(sqlite3_column_int(statement, 2) == 7);
  CHECK(library.release(statement) == SQLITE_OK);
  connection.run("DROP TABLE t");
  CHECK(connection.use("SELECT * FROM t") == SQLITE_ERROR);
}

TEST_CASE("Plan cache: kept statements do not keep a connection open", "[plans]") {
  const Library library;
  PlanConnection connection(library);
  for (int round = 0; round < 3; ++round) {
    CHECK(connection.use(point_select) == SQLITE_OK);
    CHECK(connection.use("SELECT count(*) FROM t") == SQLITE_OK);
    sqlite3_stmt* open = connection.prepare("SELECT 1");
    CHECK(sqlite3_close(connection.db) == SQLITE_BUSY);  // Because of this one only.
    CHECK(sqlite3_next_stmt(connection.db, nullptr) == open);
    CHECK(sqlite3_next_stmt(connection.db, open) == nullptr);
    CHECK(library.release(open) == SQLITE_OK);
  }
}

TEST_CASE("Plan cache: a connection closed with a statement out goes when that is released",
          "[plans]") {
  const Library library;
  PlanConnection connection(library);
  CHECK(connection.use(point_select) == SQLITE_OK);
  sqlite3_stmt* open = connection.prepare("SELECT 1");
  const PlanConnection witness(library);
  CHECK(sqlite3_close_v2(connection.db) == SQLITE_OK);
  connection.db = nullptr;
  CHECK(witness.value("SELECT count(*) FROM connection_memory") == "2");
  CHECK(library.release(open) == SQLITE_OK);
  CHECK(witness.value("SELECT count(*) FROM connection_memory") == "1");
}

TEST_CASE("Plan cache: limits evict the least recently used, and act when they are lowered",
          "[plans]") {
  const Library library;
  const PlanConnection connection(library);
  REQUIRE(library.set("plan_cache_max_plans", "3") == SQLITE_OK);
  for (const char* sql : {"SELECT 1", "SELECT 2", "SELECT 3", "SELECT 1", "SELECT 4"})
    CHECK(connection.use(sql) == SQLITE_OK);
  const char* kept =
      "SELECT group_concat(sql) FROM (SELECT sql FROM plan_cache_stats WHERE "
      "owner = 'cache' ORDER BY sql)";
  CHECK(connection.value(kept) == "SELECT 1,SELECT 3,SELECT 4");
  CHECK(connection.value("SELECT evictions FROM plan_cache_summary") == "1");
  connection.run("UPDATE memory_config SET setting = 2 WHERE name = 'plan_cache_max_plans'");
  CHECK(connection.value(kept) == "SELECT 1,SELECT 4");
  REQUIRE(library.set("plan_cache_max_plan_bytes", "1") == SQLITE_OK);
  CHECK(connection.use("SELECT 5") == SQLITE_OK);
  CHECK(connection.value(kept) == "SELECT 1,SELECT 4");
  REQUIRE(library.set("plan_cache_max_plan_bytes", "1MB") == SQLITE_OK);
  const std::string bytes =
      connection.value("SELECT max(memory_bytes) + 500 FROM plan_cache_stats WHERE owner='cache'");
  REQUIRE(library.set("plan_cache_max_bytes", bytes.c_str()) == SQLITE_OK);
  CHECK(connection.value(kept) == "SELECT 4");
  REQUIRE(library.set("plan_cache_max_plans", "0") == SQLITE_OK);
  CHECK(connection.use("SELECT 6") == SQLITE_OK);
  CHECK(connection.value(kept) == "NULL");
  CHECK(connection.value("SELECT plans || ' ' || memory_bytes FROM plan_cache_summary") == "0 0");
}

TEST_CASE("Plan cache: a connection's room comes from those that have parked longest", "[plans]") {
  const Library library;
  const PlanConnection old(library), fresh(library);
  REQUIRE(library.set("plan_cache_max_plans", "4") == SQLITE_OK);
  for (const char* sql : {"SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4"}) old.use(sql);
  await_coarse_tick();
  for (const char* sql : {"SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4"}) fresh.use(sql);
  CHECK(fresh.value("SELECT group_concat(DISTINCT connection_id) || ' ' || count(*) FROM "
                    "plan_cache_stats WHERE owner = 'cache'") == "2 4");
  CHECK(fresh.value("SELECT evictions FROM plan_cache_summary") == "4");
  // What another one has taken out is not in its way for ever.
  std::vector<sqlite3_stmt*> out;
  for (const char* sql : {"SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4"})
    out.push_back(fresh.prepare(sql));
  old.use("SELECT 9");
  CHECK(fresh.value("SELECT count(*) FROM plan_cache_stats WHERE owner = 'cache'") == "1");
  for (sqlite3_stmt* statement : out) library.release(statement);
}

TEST_CASE("Plan cache: clear_plan_cache drops a share, the oldest first", "[plans]") {
  const Library library;
  const PlanConnection connection(library);
  for (const char* sql : {"SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4"}) connection.use(sql);
  CHECK(connection.value("SELECT clear_plan_cache(26)") == "2");
  CHECK(connection.value("SELECT group_concat(sql) FROM plan_cache_stats WHERE owner = 'cache'") ==
        "SELECT 4,SELECT 3");
  CHECK(connection.value("SELECT clear_plan_cache(0)") == "0");
  CHECK(connection.value("SELECT clear_plan_cache()") == "2");
  CHECK(connection.value("SELECT cleared FROM plan_cache_summary") == "4");
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(connection.db, "SELECT clear_plan_cache(101)", -1, &statement, nullptr);
  CHECK(sqlite3_step(statement) == SQLITE_ERROR);
  CHECK_THAT(sqlite3_errmsg(connection.db), Catch::Contains("percent must be 0 to 100"));
  sqlite3_finalize(statement);
  connection.use(point_select);
  CHECK(library.drop_cached(connection.db) == 1);
  CHECK(library.drop_cached(connection.db) == 0);
}

TEST_CASE("Plan cache: the table says whose each statement is", "[plans]") {
  const Library library;
  const PlanConnection connection(library);
  connection.run("CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES('a')");
  connection.use(point_select);
  connection.use(point_select);
  sqlite3_stmt* own = nullptr;
  sqlite3_prepare_v2(connection.db, "SELECT 42", -1, &own, nullptr);
  const auto of = [&](const std::string& columns, const std::string& where) {
    return connection.value(
        ("SELECT " + columns + " FROM plan_cache_stats WHERE " + where).c_str());
  };
  CHECK(of("owner || ' ' || hits || ' ' || runs || ' ' || reprepares || ' ' || is_busy || ' ' || "
           "(idle_seconds BETWEEN 0 AND 60) || ' ' || (plan_id > 0) || ' ' || fingerprint",
           "sql LIKE 'SELECT y%'") == "cache 1 2 0 0 1 1 select y from t where x = ?");
  CHECK(of("owner || ' ' || (plan_id IS NULL) || (hits IS NULL) || (idle_seconds IS NULL)",
           "sql = 'SELECT 42'") == "app 111");
  CHECK(of("is_busy || ' ' || owner", "sql LIKE '%plan_cache_stats%'") == "1 app");
  CHECK(of("count(*) > 0", "owner = 'vtab'") == "1");
  CHECK(of("count(*)", "owner = 'vtab' AND sql NOT LIKE '%notes%'") == "0");
  CHECK(of("sum(memory_bytes) > 1000", "owner = 'cache'") == "1");
  sqlite3_finalize(own);
}

TEST_CASE("Plan cache: the reports find leaks and missing parameters, and nothing else",
          "[plans][sql]") {
  const Library library;
  const PlanConnection connection(library), other(library);
  const auto report = [&](const std::string& name) {
    std::ifstream file(SQLITEMEM_SOURCE_DIR "/sql/reports/" + name + ".sql");
    const std::string sql{std::istreambuf_iterator<char>(file), {}};
    std::string text;
    const auto add_row = [](void* rows, int columns, char** values, char**) {
      for (int i = 0; i < columns; ++i)
        *static_cast<std::string*>(rows) += std::string(values[i]) + "|";
      return 0;
    };
    REQUIRE(sqlite3_exec(connection.db, sql.c_str(), add_row, &text, nullptr) == SQLITE_OK);
    return text;
  };
  CHECK((report("statement_leaks") + report("missing_parameters")).empty());
  std::vector<sqlite3_stmt*> leaked(12);
  for (sqlite3_stmt*& statement : leaked)
    sqlite3_prepare_v2(other.db, "SELECT y FROM t WHERE x > ?", -1, &statement, nullptr);
  sqlite3_bind_int(leaked[0], 1, 0);
  sqlite3_step(leaked[0]);
  CHECK_THAT(report("statement_leaks"),
             Catch::StartsWith("2|12|") && Catch::EndsWith("kB|1|select y from t where x > ?|"));
  CHECK(report("missing_parameters").empty());
  for (int i = 0; i < 6; ++i)
    connection.use(("SELECT y FROM t WHERE x = " + std::to_string(i)).c_str());
  CHECK_THAT(report("missing_parameters"), Catch::StartsWith("6|6|"));
  CHECK_THAT(report("missing_parameters"), Catch::Contains("select y from t where x = ?|SELECT y"));
  for (sqlite3_stmt* statement : leaked) sqlite3_finalize(statement);
}

TEST_CASE("Plan cache: a connection that another thread is using is skipped and counted",
          "[plans]") {
  const Library library;
  const PlanConnection busy(library), asking(library);
  busy.use(point_select);
  sqlite3_mutex_enter(sqlite3_db_mutex(busy.db));
  std::string rows, skipped, plans, cleared;
  std::thread([&] {
    rows = asking.value("SELECT count(*) FROM plan_cache_stats WHERE connection_id = 1");
    skipped = asking.value("SELECT connections_skipped FROM plan_cache_summary");
    plans = asking.value("SELECT plans FROM plan_cache_summary");
    cleared = asking.value("SELECT clear_plan_cache()");
  }).join();
  sqlite3_mutex_leave(sqlite3_db_mutex(busy.db));
  CHECK(rows == "0");
  CHECK(skipped == "1");
  CHECK(plans == "1");
  CHECK(cleared == "0");
  CHECK(asking.value("SELECT clear_plan_cache()") == "1");
}

TEST_CASE("Plan cache: a connection without a mutex is its thread's alone", "[plans]") {
  const Library library;
  const PlanConnection bare(library, SQLITE_OPEN_NOMUTEX), other(library);
  CHECK(bare.use(point_select) == SQLITE_OK);
  CHECK(bare.use(point_select) == SQLITE_OK);
  CHECK(bare.value("SELECT hits FROM plan_cache_summary") == "1");
  CHECK(other.value("SELECT clear_plan_cache()") == "0");
}

TEST_CASE("Plan cache: threads with connections of their own and one that they share",
          "[plans][threads]") {
  const Library library;
  const PlanConnection shared(library);
  REQUIRE(library.set("plan_cache_max_plans", "10") == SQLITE_OK);
  std::vector<std::thread> threads;
  std::vector<int> failures(4);
  for (std::size_t worker = 0; worker < failures.size(); ++worker) {
    threads.emplace_back([&, worker] {
      sqlite3* own = nullptr;
      sqlite3_open(":memory:", &own);
      for (int step = 0; step < 300; ++step) {
        sqlite3* db = step % 2 == 0 ? own : shared.db;
        const std::string sql = "SELECT " + std::to_string(step % 5) + " + ?";
        sqlite3_stmt* statement = nullptr;
        if (library.prepare_cached(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK ||
            sqlite3_step(statement) != SQLITE_ROW || library.release(statement) != SQLITE_OK)
          ++failures[worker];
        if (step % 50 == 49) {
          sqlite3_exec(own,
                       "SELECT clear_plan_cache(50); SELECT sum(length(sql)) FROM "
                       "plan_cache_stats; SELECT * FROM plan_cache_summary",
                       nullptr, nullptr, nullptr);
          if (sqlite3_close(own) != SQLITE_OK) ++failures[worker];
          sqlite3_open(":memory:", &own);
        }
      }
      if (sqlite3_close(own) != SQLITE_OK) ++failures[worker];
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == std::vector<int>(4));
  CHECK(shared.value("SELECT plans <= 10 AND hits > 0 FROM plan_cache_summary") == "1");
}
