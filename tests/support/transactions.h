// Connections that end with their scope, on a file of their own, for the tests of transactions.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/base/clock.h"
#include "ext/host/core.h"
#include "ext/host/transaction_kill.h"
#include "ext/host/transactions.h"
#include "tests/support/catch.h"

namespace sqlitemem::tests {

/// A database with a table t(x) and one row, removed at the end.
class DatabaseFile {
 public:
  DatabaseFile() : path_("/tmp/sqlitemem_transactions_" + std::to_string(::getpid()) + ".db") {
    remove();
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(path_.c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)", nullptr, nullptr,
                         nullptr) == SQLITE_OK);
    sqlite3_close(db);
  }
  ~DatabaseFile() { remove(); }
  DatabaseFile(const DatabaseFile&) = delete;
  DatabaseFile& operator=(const DatabaseFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  void remove() const {
    for (const char* end : {"", "-journal", "-wal", "-shm"}) std::remove((path_ + end).c_str());
  }
  std::string path_;
};

/// Whether the preload library saw the connection being opened.
enum class OpenedBy { the_preload_library, the_program };

/// A registered connection.
class Owned {
 public:
  explicit Owned(const DatabaseFile& file, int flags = SQLITE_OPEN_FULLMUTEX,
                 OpenedBy by = OpenedBy::the_preload_library) {
    sqlite3_auto_extension(ext::new_connection_hook());
    const int all = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | flags;
    if (by == OpenedBy::the_preload_library) {
      const ext::OpeningThroughUs opening;
      sqlite3_open_v2(file.path().c_str(), &db_, all, nullptr);
    } else {
      sqlite3_open_v2(file.path().c_str(), &db_, all, nullptr);
    }
  }
  ~Owned() { sqlite3_close(db_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  [[nodiscard]] sqlite3* db() const { return db_; }
  sqlite3* release() { return std::exchange(db_, nullptr); }
  /// The result code.
  int run(const char* sql) const { return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr); }
  /// The first value as text.
  [[nodiscard]] std::string texts(const char* sql) const {
    std::string value;
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr);
    if (sqlite3_step(statement) == SQLITE_ROW)
      value = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    else
      value = sqlite3_errmsg(db_);
    sqlite3_finalize(statement);
    return value;
  }
  [[nodiscard]] int count(const char* sql) const { return std::stoi(texts(sql)); }

 private:
  sqlite3* db_ = nullptr;
};

/// A statement kept by its owner, as programs with a cache of them do.
class Prepared {
 public:
  Prepared(const Owned& owner, const char* sql) {
    REQUIRE(sqlite3_prepare_v2(owner.db(), sql, -1, &statement_, nullptr) == SQLITE_OK);
  }
  ~Prepared() { sqlite3_finalize(statement_); }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
  [[nodiscard]] sqlite3_stmt* statement() const { return statement_; }
  /// Once, to the end: SQLITE_DONE, or the code of the failure.
  [[nodiscard]] int step() const {
    const int rc = sqlite3_step(statement_);
    sqlite3_reset(statement_);
    return rc;
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

/// Makes `db` busy in another thread until told otherwise: a query that calls back and waits there.
class BusyConnection {
 public:
  explicit BusyConnection(sqlite3* db)
      : thread_([this, db] { sqlite3_exec(db, "SELECT 1", wait_inside, this, nullptr); }) {
    while (!is_inside_) std::this_thread::yield();
  }
  ~BusyConnection() {
    may_leave_ = true;
    thread_.join();
  }
  BusyConnection(const BusyConnection&) = delete;
  BusyConnection& operator=(const BusyConnection&) = delete;

 private:
  static int wait_inside(void* self, int, char**, char**) {
    auto& busy = *static_cast<BusyConnection*>(self);
    busy.is_inside_ = true;
    while (!busy.may_leave_) std::this_thread::yield();
    return 0;
  }
  std::atomic<bool> is_inside_{false}, may_leave_{false};
  std::thread thread_;  // Last: it uses the others.
};

/// Until the coarse clock has moved on.
inline void wait_for_a_tick() {
  const std::uint64_t before = coarse_clock_ns();
  while (coarse_clock_ns() == before) std::this_thread::yield();
}

}  // namespace sqlitemem::tests
