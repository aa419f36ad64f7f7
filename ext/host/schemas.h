// The databases of a connection, listed without running SQL on it.
#pragma once

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {

/// The place of the schema temp in the list.
inline constexpr int temp_schema = 1;

/// SQLite can list its schemas since 3.39; before, only main is known to be there.
inline bool can_list_schemas() noexcept { return sqlite3_libversion_number() >= 3039000; }

/// Calls `use(index, name)` for main, temp and what is attached; for main alone where they cannot
/// be listed. Requires: nobody else is inside `db`, or we are.
template <class Use>
void for_each_schema(sqlite3* db, Use use) {
  if (!can_list_schemas()) return use(0, "main");
  for (int index = 0; const char* name = sqlite3_db_name(db, index); ++index) use(index, name);
}

}  // namespace sqlitemem::ext
