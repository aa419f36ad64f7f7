// Puts every table and function on a connection.
#pragma once

#include <sqlite3ext.h>

namespace sqlitemem::ext {

/// Registers all of AllTables and all `functions` on `db`; again is harmless. SQLITE_OK, or the
/// code of the first registration that failed: then all that were made before it are taken back.
int register_sql(sqlite3* db);

}  // namespace sqlitemem::ext
