// Open and orphaned transactions: what is seen of them, and that a kill never stores half of one.
// The tests call SQLite directly, as a program does, and not through an extension's table.
#define SQLITE_CORE 1
#include "tests/support/transactions.h"

#include <sys/wait.h>
#include <unistd.h>

#include "ext/host/wal_readers.h"
#include "tests/support/faults.h"

namespace sqlitemem::ext {
namespace {

using namespace sqlitemem::tests;

TransactionKill last_kill() { return transaction_kills().back(); }

}  // namespace

TEST_CASE("Transactions: one row for each that is open, with its state", "[transactions]") {
  const DatabaseFile file;
  const Owned reader(file), writer(file), begun(file), idle(file);
  REQUIRE(reader.run("BEGIN; SELECT * FROM t") == SQLITE_OK);
  REQUIRE(writer.run("BEGIN IMMEDIATE; INSERT INTO t VALUES(2)") == SQLITE_OK);
  REQUIRE(begun.run("BEGIN") == SQLITE_OK);
  REQUIRE(idle.run("SELECT * FROM t") == SQLITE_OK);
  const auto open = open_transactions(nullptr);
  REQUIRE(open.size() == 3);
  CHECK(open[0].state == std::string("read"));
  CHECK(open[1].state == std::string("write"));
  CHECK(open[2].state == std::string("begun"));
  CHECK(open[1].database_file == file.path());
  CHECK_FALSE(open[1].why_not_killable);
  CHECK_FALSE(open[1].is_in_use);
  REQUIRE(writer.run("ROLLBACK") == SQLITE_OK);
  CHECK(open_transactions(nullptr).size() == 2);
}

TEST_CASE("Transactions: idle is since the last reading that found a movement", "[transactions]") {
  const DatabaseFile file;
  const Owned owner(file);
  REQUIRE(owner.run("BEGIN; SELECT * FROM t") == SQLITE_OK);
  CHECK(open_transactions(nullptr).at(0).idle_seconds == 0.0);
  wait_for_a_tick();
  const double idle = *open_transactions(nullptr).at(0).idle_seconds;
  CHECK(idle > 0);
  CHECK(*open_transactions(nullptr).at(0).idle_seconds >= idle);
  REQUIRE(owner.run("SELECT * FROM t") == SQLITE_OK);
  CHECK(open_transactions(nullptr).at(0).idle_seconds == 0.0);
}

TEST_CASE("Transactions: a statement that is gone again was a movement, though it read no page",
          "[transactions]") {
  const DatabaseFile file;
  const Owned owner(file);
  // Where SQLite was built without, what is compiled leaves no trace.
  if (sqlite3_compileoption_used("OMIT_LOOKASIDE") != 0) return;
  REQUIRE(sqlite3_db_config(owner.db(), SQLITE_DBCONFIG_LOOKASIDE, nullptr, 1200, 100) ==
          SQLITE_OK);
  REQUIRE(owner.run("BEGIN; SELECT * FROM t") == SQLITE_OK);
  CHECK(open_transactions(nullptr).at(0).idle_seconds == 0.0);
  wait_for_a_tick();
  CHECK(*open_transactions(nullptr).at(0).idle_seconds > 0);
  REQUIRE(owner.run("SELECT 2") == SQLITE_OK);
  CHECK(open_transactions(nullptr).at(0).idle_seconds == 0.0);
}

TEST_CASE("Transactions: a reader is not charged with the WAL frames of one that is in use",
          "[transactions]") {
  const DatabaseFile file;
  const Owned early(file), late(file), writer(file);
  REQUIRE(writer.run("PRAGMA journal_mode=WAL") == SQLITE_OK);
  REQUIRE(early.run("BEGIN; SELECT * FROM t") == SQLITE_OK);
  REQUIRE(writer.run("INSERT INTO t VALUES(2)") == SQLITE_OK);
  REQUIRE(late.run("BEGIN; SELECT * FROM t") == SQLITE_OK);
  const auto frame_of_late = [&file] {
    WalIndexes indexes;
    std::vector<OpenTransaction> open = open_transactions(nullptr);
    find_wal_frames(open, indexes);
    CHECK(open.size() == 2);
    const WalIndex* index = indexes.of(file.path());
    const bool is_known = index != nullptr && index->knows_locks;
    if (is_known && !open.back().is_in_use && !open.front().is_in_use)
      CHECK(open.back().wal_frames_pinned == 0U);
    return open.back().wal_frame;
  };
  frame_of_late();
  const BusyConnection busy(early.db());
  CHECK_FALSE(frame_of_late());
}

TEST_CASE("Transactions: the asking connection is listed for what it began, not for asking",
          "[transactions]") {
  const DatabaseFile file;
  const Owned owner(file);
  CHECK(owner.count("SELECT count(*) FROM t, open_transactions") == 0);
  REQUIRE(owner.run("BEGIN") == SQLITE_OK);
  CHECK(owner.count("SELECT count(*) FROM open_transactions WHERE is_killable = 0 AND "
                    "why_not LIKE '%connection that asks%'") == 1);
}

TEST_CASE("Kill: half a transaction is never stored", "[transactions][kill]") {
  const DatabaseFile file;
  const Owned owner(file), other(file);
  const Prepared insert(owner, "INSERT INTO t VALUES('cached')");
  const Prepared commit(owner, "COMMIT");
  REQUIRE(owner.run("BEGIN IMMEDIATE; INSERT INTO t VALUES('first half')") == SQLITE_OK);
  REQUIRE(other.run("INSERT INTO t VALUES('other')") == SQLITE_BUSY);
  REQUIRE(kill_orphaned_transactions(other.db(), 0, KillMode::kill) == 1);
  CHECK(last_kill().is_killed);

  CHECK(other.run("INSERT INTO t VALUES('other')") == SQLITE_OK);  // The lock is gone.
  CHECK(insert.step() == SQLITE_AUTH);
  CHECK(commit.step() == SQLITE_AUTH);
  for (const char* sql : {"INSERT INTO t VALUES('second half')", "COMMIT", "END", "SELECT 1",
                          "SAVEPOINT s", "PRAGMA user_version", "BEGIN", "DELETE FROM t",
                          "ROLLBACK TO s", "ATTACH ':memory:' AS m", "CREATE TEMP TABLE x(a)"}) {
    CAPTURE(sql);
    CHECK(owner.run(sql) == SQLITE_AUTH);
  }
  CHECK(owner.run("VACUUM") != SQLITE_OK);
  CHECK(open_transactions(nullptr).at(0).state == std::string("aborted"));
  CHECK(kill_orphaned_transactions(other.db(), 0, KillMode::force) == 0);  // Once is enough.

  CHECK(owner.run("ROLLBACK") == SQLITE_OK);
  CHECK(owner.run("COMMIT") == SQLITE_ERROR);  // As ever: no transaction is active.
  CHECK(owner.run("BEGIN; INSERT INTO t VALUES('new'); COMMIT") == SQLITE_OK);
  CHECK(insert.step() == SQLITE_DONE);
  CHECK(other.texts("SELECT group_concat(x) FROM t") == "1,other,new,cached");
  CHECK(open_transactions(nullptr).empty());
}

TEST_CASE("Kill: a cached ROLLBACK ends it too, and the next transaction can be killed again",
          "[transactions][kill]") {
  const DatabaseFile file;
  const Owned owner(file), other(file);
  const Prepared begin(owner, "BEGIN"), rollback(owner, "ROLLBACK");
  const Prepared insert(owner, "INSERT INTO t VALUES('x')");
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    REQUIRE(begin.step() == SQLITE_DONE);
    REQUIRE(insert.step() == SQLITE_DONE);
    REQUIRE(kill_orphaned_transactions(other.db(), 0, KillMode::kill) == 1);
    CHECK(insert.step() == SQLITE_AUTH);
    CHECK(rollback.step() == SQLITE_DONE);
  }
  CHECK(other.count("SELECT count(*) FROM t") == 1);
}

TEST_CASE("Kill: an idle reader lets go of the WAL, and gets no new snapshot silently",
          "[transactions][kill]") {
  const DatabaseFile file;
  const Owned reader(file), writer(file);
  REQUIRE(writer.run("PRAGMA journal_mode=WAL") == SQLITE_OK);
  REQUIRE(reader.run("BEGIN; SELECT * FROM t") == SQLITE_OK);
  REQUIRE(writer.run("INSERT INTO t VALUES(2)") == SQLITE_OK);
  REQUIRE(writer.texts("PRAGMA wal_checkpoint(TRUNCATE)") == "1");  // Busy.
  REQUIRE(kill_orphaned_transactions(writer.db(), 0, KillMode::kill) == 1);
  CHECK(writer.texts("PRAGMA wal_checkpoint(TRUNCATE)") == "0");
  CHECK(reader.run("SELECT * FROM t") == SQLITE_AUTH);
  CHECK(reader.run("ROLLBACK") == SQLITE_OK);
  CHECK(reader.count("SELECT count(*) FROM t") == 2);
}

TEST_CASE("Kill: a schema change is rolled back as well", "[transactions][kill]") {
  const DatabaseFile file;
  const Owned owner(file), other(file);
  REQUIRE(owner.run("BEGIN; CREATE TABLE u(a); INSERT INTO u VALUES(1)") == SQLITE_OK);
  REQUIRE(kill_orphaned_transactions(other.db(), 0, KillMode::kill) == 1);
  CHECK(owner.run("COMMIT") == SQLITE_AUTH);
  CHECK(owner.run("ROLLBACK") == SQLITE_OK);
  CHECK(other.count("SELECT count(*) FROM sqlite_schema WHERE name = 'u'") == 0);
}

TEST_CASE("Kill: a dry run counts and changes nothing", "[transactions][kill]") {
  const DatabaseFile file;
  const Owned owner(file), other(file);
  REQUIRE(owner.run("BEGIN; INSERT INTO t VALUES(2)") == SQLITE_OK);
  CHECK(kill_orphaned_transactions(other.db(), 0, KillMode::dry_run) == 1);
  CHECK_THAT(last_kill().reason, Catch::Contains("would be rolled back"));
  CHECK(owner.run("COMMIT") == SQLITE_OK);
  CHECK(other.count("SELECT count(*) FROM t") == 2);
}

TEST_CASE("Kill: the asking connection is left alone, inside its own call",
          "[transactions][kill]") {
  const DatabaseFile file;
  const Owned owner(file);
  REQUIRE(owner.run("BEGIN; INSERT INTO t VALUES(2)") == SQLITE_OK);
  CHECK(owner.count("SELECT kill_orphaned_transactions(0, 'force')") == 0);
  CHECK_THAT(last_kill().reason, Catch::Contains("connection that asks"));
  CHECK(owner.run("COMMIT") == SQLITE_OK);
}

TEST_CASE("Kill: a statement between two rows keeps its transaction", "[transactions][kill]") {
  const DatabaseFile file;
  const Owned owner(file), other(file);
  const Prepared rows(owner, "SELECT x FROM t UNION ALL SELECT 2");
  const bool in_transaction = GENERATE(false, true);
  if (in_transaction) REQUIRE(owner.run("BEGIN") == SQLITE_OK);
  REQUIRE(sqlite3_step(rows.statement()) == SQLITE_ROW);
  CHECK(open_transactions(nullptr).at(0).last_sql ==
        std::string("SELECT x FROM t UNION ALL SELECT 2"));
  CHECK(kill_orphaned_transactions(other.db(), 0, KillMode::force) == 0);
  CHECK_THAT(last_kill().reason, Catch::Contains("neither finished nor reset"));
  CHECK(sqlite3_step(rows.statement()) == SQLITE_ROW);
  CHECK(sqlite3_column_int(rows.statement(), 0) == 2);  // It goes on where it was.
}

TEST_CASE("Kill: a running query in another thread is left alone, and shown as in use",
          "[transactions][kill][threads]") {
  const DatabaseFile file;
  const Owned owner(file), other(file);
  REQUIRE(owner.run("BEGIN; INSERT INTO t VALUES(2)") == SQLITE_OK);
  {
    const BusyConnection busy(owner.db());
    const auto shown = open_transactions(nullptr);
    REQUIRE(shown.size() == 1);
    CHECK(shown[0].is_in_use);
    CHECK_FALSE(shown[0].state);
    CHECK(kill_orphaned_transactions(other.db(), 0, KillMode::force) == 0);
    CHECK_THAT(last_kill().reason, Catch::Contains("another thread is using it"));
  }
  CHECK(owner.run("COMMIT") == SQLITE_OK);
}

TEST_CASE("Kill: a connection without a mutex is left alone", "[transactions][kill]") {
  const DatabaseFile file;
  const Owned owner(file, SQLITE_OPEN_NOMUTEX), other(file);
  REQUIRE(sqlite3_db_mutex(owner.db()) == nullptr);
  REQUIRE(owner.run("BEGIN; INSERT INTO t VALUES(2)") == SQLITE_OK);
  CHECK(kill_orphaned_transactions(other.db(), 0, KillMode::force) == 0);
  CHECK_THAT(last_kill().reason, Catch::Contains("mutex"));
  std::thread([&] {
    CHECK(kill_orphaned_transactions(other.db(), 0, KillMode::force) == 0);
  }).join();
  CHECK(owner.run("COMMIT") == SQLITE_OK);
}

TEST_CASE("Kill: an authorizer that may be the program's needs force", "[transactions][kill]") {
  const DatabaseFile file;
  const Owned owner(file, SQLITE_OPEN_FULLMUTEX, OpenedBy::the_program), other(file);
  REQUIRE(owner.run("BEGIN; INSERT INTO t VALUES(2)") == SQLITE_OK);
  CHECK(kill_orphaned_transactions(other.db(), 0, KillMode::kill) == 0);
  CHECK_THAT(last_kill().reason, Catch::Contains("authorizer") && Catch::Contains("force"));
  CHECK(open_transactions(nullptr).at(0).needs_force);
  CHECK(kill_orphaned_transactions(other.db(), 0, KillMode::force) == 1);
  CHECK(owner.run("COMMIT") == SQLITE_AUTH);
  CHECK(owner.run("ROLLBACK") == SQLITE_OK);
}

TEST_CASE("Kill: a closed connection that is not gone is left to its leaking statement",
          "[transactions][kill]") {
  const DatabaseFile file;
  const Owned other(file);
  Owned owner(file);
  const Prepared rows(owner, "SELECT x FROM t UNION ALL SELECT 2");
  REQUIRE(sqlite3_step(rows.statement()) == SQLITE_ROW);
  REQUIRE(sqlite3_close_v2(owner.release()) == SQLITE_OK);
  CHECK(open_transactions(nullptr).size() == 1);
  CHECK(kill_orphaned_transactions(other.db(), 0, KillMode::force) == 0);
}

TEST_CASE("Kill: the child of a fork leaves its parent's transactions alone",
          "[transactions][kill][fork]") {
  const DatabaseFile file;
  const Owned owner(file);
  REQUIRE(owner.run("BEGIN; INSERT INTO t VALUES(2)") == SQLITE_OK);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_right = kill_orphaned_transactions(nullptr, 0, KillMode::force) == 0 &&
                          last_kill().reason.find("fork") != std::string::npos;
    ::_exit(is_right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(owner.run("COMMIT") == SQLITE_OK);
}

TEST_CASE("Kill: whichever request for memory fails, no half of a transaction is stored",
          "[transactions][kill][faults]") {
  Faults::install();
  const DatabaseFile file;
  bool has_finished = false;
  int kills = 0;
  for (long n = 0; !has_finished; ++n) {
    CAPTURE(n);
    REQUIRE(n < 500);
    const Owned owner(file), other(file);
    REQUIRE(owner.run("DROP TABLE IF EXISTS u; DELETE FROM t") == SQLITE_OK);
    // Its schema change makes what the kill has prepared be prepared again.
    REQUIRE(owner.run("BEGIN; CREATE TABLE u(x); INSERT INTO t VALUES('first')") == SQLITE_OK);
    Faults::left = n;
    kill_orphaned_transactions(other.db(), 0, KillMode::kill);
    has_finished = Faults::left >= 0;
    Faults::left = -1;
    const int rc = owner.run("INSERT INTO t VALUES('second')");
    if (rc == SQLITE_OK) {  // Left alone.
      REQUIRE(sqlite3_get_autocommit(owner.db()) == 0);
      CHECK(owner.run("COMMIT") == SQLITE_OK);
      CHECK(other.count("SELECT count(*) FROM t") == 2);
      continue;
    }
    ++kills;
    CHECK(rc == SQLITE_AUTH);
    CHECK(owner.run("COMMIT") == SQLITE_AUTH);
    owner.run("ROLLBACK");
    CHECK(other.count("SELECT count(*) FROM t") == 0);
    CHECK(owner.run("INSERT INTO t VALUES('new')") == SQLITE_OK);
  }
  CHECK(kills > 1);  // One at least without a request to spare.
}

TEST_CASE("Kill: threads may open, use and close while another kills",
          "[transactions][kill][threads]") {
  const DatabaseFile file;
  const Owned killer(file);
  REQUIRE(killer.run("PRAGMA journal_mode=WAL") == SQLITE_OK);
  std::atomic<int> left{3};
  std::atomic<std::uint64_t> killed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 2000 && (round < 30 || killed < 3); ++round) {
        Owned own(file);
        own.run("BEGIN; SELECT * FROM t");
        std::this_thread::yield();
        if (own.run("SELECT * FROM t") == SQLITE_AUTH) own.run("ROLLBACK");
        own.run("COMMIT");
      }
      --left;
    });
  }
  while (left > 0) killed += kill_orphaned_transactions(killer.db(), 0, KillMode::kill);
  for (std::thread& thread : threads) thread.join();
  CHECK(killed > 0);
  CHECK(open_transactions(nullptr).empty());
}

}  // namespace sqlitemem::ext
