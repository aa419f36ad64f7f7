// sqlitemem_prepare_cached() and its companions, for the SQLite that this copy serves.
#pragma once

#include "ext/plans/sqlite_calls.h"

namespace sqlitemem::ext::plans {

/// The functions of the served SQLite, once use_sqlite() has found them; nullptr before.
const SqliteCalls* served_calls() noexcept;
/// Finds them, once. nullptr: `host` lacks one that is needed, or cannot be asked.
const SqliteCalls* use_sqlite(const HostSqlite& host) noexcept;

/// sqlite3_prepare_v3(…, SQLITE_PREPARE_PERSISTENT, …), or a statement of the same text that was
/// released. `calls` may not be null.
int prepare_cached(const SqliteCalls& calls, sqlite3* db, const char* sql, int bytes,
                   sqlite3_stmt** statement, const char** tail) noexcept;
/// sqlite3_finalize(), or keeps it for the next one who prepares that text.
int release(const SqliteCalls& calls, sqlite3_stmt* statement) noexcept;
/// Finalizes the parked statements of one connection; how many.
int drop_cached(const SqliteCalls& calls, sqlite3* db) noexcept;

}  // namespace sqlitemem::ext::plans
