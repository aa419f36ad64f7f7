// Real transactions drive the arenas: what SQLite undoes is undone, and nothing of the host's is
// touched.
#include <sqlite3.h>

#include "tests/support/catch.h"
#include "tests/support/surface.h"

using sqlitemem::tests::Surface;

TEST_CASE("transactions: a variable lives as long as its transaction", "[sql][transactions]") {
  Surface surface;
  CHECK(surface.value("SELECT txn_get('x')") == "NULL");
  CHECK(surface.error("SELECT txn_set('x', 1)") ==
        "txn_set: no transaction is open; BEGIN or SAVEPOINT first");
  surface.error("BEGIN");
  CHECK(surface.value("SELECT txn_set('x', 1)") == "1");
  CHECK(surface.value("SELECT txn_get('x')") == "1");
  surface.error("COMMIT");
  CHECK(surface.value("SELECT txn_get('x')") == "NULL");
}
