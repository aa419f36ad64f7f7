// Which statement a connection is in the middle of, as SQLite's public functions tell.
#pragma once

#include <sqlite3ext.h>

#include <utility>
#include <vector>

namespace sqlitemem::ext {

/// One run of one statement: the statements inside sqlite3_step() on a connection, each with the
/// number of its run. There is more than one if a statement runs another from within (a function
/// that queries): then both are part of the name, so inner and outer differ. Empty: none is inside.
///
/// A program may reset the number of runs (sqlite3_stmt_status), so the name is only good for as
/// long as something of that run lives: a cursor, a transaction.
using RunningStatement = std::vector<std::pair<sqlite3_stmt*, int>>;

/// For callbacks of SQLite on `db`.
RunningStatement running_statement(sqlite3* db);

}  // namespace sqlitemem::ext
