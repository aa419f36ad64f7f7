// What a transaction of a connection holds of databases that others can see.
#pragma once

#include <sqlite3ext.h>

#include <algorithm>
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {

/// SQLITE_TXN_NONE, _READ or _WRITE: the most that is open on any database but temp, which nobody
/// else can see and which txn_set() writes to. Before SQLite 3.39, where schemas
/// cannot be listed, temp counts. Requires: nobody else is inside `db`, or we are.
inline int shared_txn_state(sqlite3* db) {
  constexpr int first_with_schema_names = 3'039'000;
  constexpr int temp = 1;
  const int all = sqlite3_txn_state(db, nullptr);
  if (all != SQLITE_TXN_WRITE || sqlite3_txn_state(db, "temp") != SQLITE_TXN_WRITE) return all;
  if (sqlite3_libversion_number() < first_with_schema_names) return all;
  int most = SQLITE_TXN_NONE;
  for (int index = 0; const char* schema = sqlite3_db_name(db, index); ++index) {
    if (index != temp) most = std::max(most, sqlite3_txn_state(db, schema));
  }
  return most;
}

}  // namespace sqlitemem::ext
