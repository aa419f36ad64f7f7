// Finds the statements inside sqlite3_step(): begun, not finished, and without a row to show.
#include "ext/sql/running_statement.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {

RunningStatement running_statement(sqlite3* db) {
  RunningStatement running;
  for (sqlite3_stmt* statement = sqlite3_next_stmt(db, nullptr); statement != nullptr;
       statement = sqlite3_next_stmt(db, statement)) {
    // One that waits for its next sqlite3_step() has a row to show; one that is inside has not.
    // (Nor has one that gave up with SQLITE_BUSY and was not reset: it makes the name longer, and
    // does no harm.)
    if (sqlite3_stmt_busy(statement) == 0 || sqlite3_data_count(statement) != 0) continue;
    running.emplace_back(statement, sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_RUN, 0));
  }
  return running;
}

}  // namespace sqlitemem::ext
