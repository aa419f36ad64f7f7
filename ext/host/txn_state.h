// What a transaction of a connection holds of databases that others can see.
#pragma once

#include <sqlite3ext.h>

#include <algorithm>

#include "ext/host/schemas.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {

/// SQLITE_TXN_NONE, _READ or _WRITE: the most that is open on any database but temp, which nobody
/// else can see and which txn_set() writes to. Where schemas cannot be listed, temp counts.
/// Requires: nobody else is inside `db`, or we are.
inline int shared_txn_state(sqlite3* db) {
  const int all = sqlite3_txn_state(db, nullptr);
  if (all != SQLITE_TXN_WRITE || sqlite3_txn_state(db, "temp") != SQLITE_TXN_WRITE) return all;
  if (!can_list_schemas()) return all;
  int most = SQLITE_TXN_NONE;
  for_each_schema(db, [&](int index, const char* schema) {
    if (index != temp_schema) most = std::max(most, sqlite3_txn_state(db, schema));
  });
  return most;
}

}  // namespace sqlitemem::ext
