// Memory that runs out inside of transactions, and processes that fork in them.
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/faults.h"
#include "tests/support/surface.h"

using sqlitemem::tests::Faults;
using sqlitemem::tests::Surface;

namespace {

int execute(Surface& surface, const char* sql) {
  return sqlite3_exec(surface.db(), sql, nullptr, nullptr, nullptr);
}

}  // namespace

TEST_CASE("transactions: whichever request for memory fails, values and savepoints stay consistent",
          "[sql][transactions][faults]") {
  ::setenv("SQLITEMEM_ATTACH", "never", 1);  // The faults are in the host's allocator.
  Faults::install();
  const bool is_first_use = GENERATE(false, true);
  bool has_finished = false;
  for (long n = 0; !has_finished; ++n) {
    CAPTURE(n);
    REQUIRE(n < 2000);
    Surface surface;
    if (!is_first_use) REQUIRE(execute(surface, "BEGIN; SELECT txn_set('x', 0); COMMIT") == 0);
    REQUIRE(execute(surface, "BEGIN; SAVEPOINT a") == SQLITE_OK);
    Faults::left = n;
    const int rc = execute(surface,
                           "SELECT txn_set('x', randomblob(5000)); SAVEPOINT b;"
                           "SELECT txn_set('x', 2), txn_set('y', 3)");
    has_finished = Faults::left >= 0;
    Faults::left = -1;
    CHECK((rc == SQLITE_OK || rc == SQLITE_NOMEM));
    if (sqlite3_get_autocommit(surface.db()) != 0) continue;  // SQLite rolled back.
    if (rc == SQLITE_OK) CHECK(surface.value("SELECT txn_get('x')") == "2");
    REQUIRE(execute(surface, "SELECT txn_set('x', 4)") == SQLITE_OK);
    CHECK(surface.value("SELECT txn_get('x')") == "4");
    REQUIRE(execute(surface, "ROLLBACK TO a") == SQLITE_OK);
    CHECK(surface.value("SELECT txn_get('x')") == "NULL");
    REQUIRE(execute(surface, "SELECT txn_set('x', 5); ROLLBACK") == SQLITE_OK);
    CHECK(surface.value("SELECT txn_get('x')") == "NULL");
    CHECK(surface.number("SELECT sum(used_bytes) FROM transaction_arena_stats") == 0);
  }
}

TEST_CASE("transactions: a child of fork has the variables of its parent's transaction",
          "[sql][transactions][fork]") {
  Surface surface;
  REQUIRE(execute(surface, "BEGIN; SELECT txn_set('x', 'inherited')") == SQLITE_OK);
  const pid_t child = ::fork();
  if (child == 0) {
    // In memory, so that no lock of a file is shared. No test assertions in the child.
    const bool is_there = surface.value("SELECT txn_get('x')") == "inherited";
    const bool is_set = execute(surface, "SELECT txn_set('x', 'own'); COMMIT") == SQLITE_OK;
    const bool is_gone = surface.value("SELECT txn_get('x')") == "NULL";
    ::_exit(is_there && is_set && is_gone ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(surface.value("SELECT txn_get('x')") == "inherited");
}
