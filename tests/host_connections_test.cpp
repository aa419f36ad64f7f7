// The registry of connections: what it shows, and that reading never waits for, or outlives, a
// connection.
// The tests call SQLite directly, as a program does, and not through an extension's table.
#define SQLITE_CORE 1
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "ext/host/connections.h"
#include "ext/host/core.h"
#include "tests/support/linked_sqlite.h"
#include "tests/support/transactions.h"

namespace sqlitemem::ext {
namespace {

using tests::BusyConnection;

constexpr int default_flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

sqlite3* open_registered(const char* file = ":memory:", int flags = SQLITE_OPEN_FULLMUTEX) {
  REQUIRE(sqlite3_auto_extension(new_connection_hook()) == SQLITE_OK);
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open_v2(file, &db, default_flags | flags, nullptr) == SQLITE_OK);
  return db;
}

void run(sqlite3* db, const char* sql) {
  CAPTURE(sql);
  REQUIRE(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
}

}  // namespace

TEST_CASE("Connections: each is listed from open to close, with small ids", "[connections]") {
  sqlite3* first = open_registered();
  sqlite3* second = open_registered();
  auto shown = snapshot_connections(nullptr);
  REQUIRE(shown.size() == 2);
  CHECK(shown[0].connection_id == 1);
  CHECK(shown[1].connection_id == 2);
  CHECK_FALSE(shown[0].database_file.has_value());
  CHECK(shown[0].opened_at.size() == std::string("2000-01-01T00:00:00Z").size());
  CHECK(is_registered(first));
  sqlite3_close(first);
  shown = snapshot_connections(nullptr);
  REQUIRE(shown.size() == 1);
  CHECK(shown[0].connection_id == 2);
  sqlite3_close(second);
  CHECK(snapshot_connections(nullptr).empty());
}

TEST_CASE("Connections: the numbers are those that SQLite gives for each", "[connections]") {
  sqlite3* db = open_registered();
  run(db, "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(100000)); BEGIN; SELECT * FROM t;");
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(db, "SELECT x FROM t", -1, &statement, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
  const auto shown = snapshot_connections(nullptr).at(0);
  const auto own = [db](int what) {
    int now = 0, highest = 0;
    sqlite3_db_status(db, what, &now, &highest, 0);
    return static_cast<std::uint64_t>(now);
  };
  CHECK(shown.txn_state == std::string("read"));
  CHECK(shown.open_statements == 1U);
  CHECK(shown.busy_statements == 1U);
  CHECK(shown.cache_used_bytes == own(SQLITE_DBSTATUS_CACHE_USED));
  CHECK(shown.cache_used_bytes > 100000U);
  CHECK(shown.schema_used_bytes == own(SQLITE_DBSTATUS_SCHEMA_USED));
  CHECK(shown.stmt_used_bytes == own(SQLITE_DBSTATUS_STMT_USED));
  CHECK(shown.cache_hits == own(SQLITE_DBSTATUS_CACHE_HIT));
  CHECK_FALSE(shown.is_stale);
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

TEST_CASE("Connections: a busy one shows its last values and says so", "[connections]") {
  sqlite3* db = open_registered();
  run(db, "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(100000));");
  const auto before = snapshot_connections(nullptr).at(0);
  {
    const BusyConnection busy(db);
    const auto during = snapshot_connections(nullptr).at(0);
    CHECK(during.is_stale);
    CHECK(during.cache_used_bytes == before.cache_used_bytes);
    CHECK(release_connection_memory(nullptr).connections_busy == 1);
  }
  CHECK_FALSE(snapshot_connections(nullptr).at(0).is_stale);
  CHECK(release_connection_memory(nullptr).connections_released == 1);
  sqlite3_close(db);
}

TEST_CASE("Connections: one without a mutex is read only by itself, or in a lone thread",
          "[connections]") {
  sqlite3* db = open_registered(":memory:", SQLITE_OPEN_NOMUTEX);
  REQUIRE(sqlite3_db_mutex(db) == nullptr);
  CHECK(snapshot_connections(nullptr).at(0).is_stale == (count_threads() != 1));
  std::thread other([db] {
    CHECK(snapshot_connections(nullptr).at(0).is_stale);
    CHECK_FALSE(snapshot_connections(db).at(0).is_stale);
  });
  other.join();
  sqlite3_close(db);
}

TEST_CASE("Connections: a closed one with open statements stays until the last is gone",
          "[connections]") {
  sqlite3* db = open_registered();
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(db, "SELECT 1", -1, &statement, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_close_v2(db) == SQLITE_OK);
  CHECK(snapshot_connections(nullptr).size() == 1);
  sqlite3_finalize(statement);
  CHECK(snapshot_connections(nullptr).empty());
}

TEST_CASE("Connections: threads may open, use and close while others look",
          "[connections][threads]") {
  sqlite3_close(open_registered());
  constexpr int users = 3, rounds = 40, looks = 40;
  std::atomic<int> looked{0};
  std::atomic<int> left{users};
  std::atomic<std::uint64_t> seen{0};  // The highest number that a look found.
  std::vector<std::thread> threads;
  for (int i = 0; i < users; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < rounds || looked < looks || seen == 0; ++round) {
        sqlite3* db = nullptr;
        sqlite3_open_v2(":memory:", &db, default_flags | SQLITE_OPEN_FULLMUTEX, nullptr);
        sqlite3_exec(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1); SELECT * FROM t;", nullptr,
                     nullptr, nullptr);
        sqlite3_close(db);
      }
      --left;
    });
  }
  while (left > 0) {
    for (const auto& shown : snapshot_connections(nullptr))
      seen = std::max<std::uint64_t>(seen, shown.connection_id);
    release_connection_memory(nullptr);
    ++looked;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(seen > 0);
  CHECK(snapshot_connections(nullptr).empty());
}

TEST_CASE("Connections: the child of a fork can look, and use connections of its own",
          "[connections][fork]") {
  sqlite3* db = open_registered();
  const BusyConnection busy(db);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto shown = snapshot_connections(nullptr);
    sqlite3* own = nullptr;
    const bool is_right = shown.size() == 1 && shown[0].is_stale &&
                          sqlite3_open_v2(":memory:", &own, default_flags, nullptr) == SQLITE_OK &&
                          snapshot_connections(own).size() == 2 && sqlite3_close(own) == SQLITE_OK;
    ::_exit(is_right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace sqlitemem::ext
