// Puts every table and function on a connection.
#pragma once

#include <sqlite3ext.h>

namespace sqlitemem::ext {

/// Registers all of AllTables and all `functions` on `db`; again is harmless, and SQLITE_BUSY while
/// statements run. SQLITE_OK, or the code of the first registration that failed: then the
/// connection has all of them from before, or none.
int register_sql(sqlite3* db);

}  // namespace sqlitemem::ext
