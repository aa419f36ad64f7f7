// Makes SQLite tell an arena of its transaction's course: a virtual table in the schema temp.
#pragma once

#include <sqlite3ext.h>

#include <string>

#include "allocators/arena/transaction_arenas.h"

namespace sqlitemem::ext {

/// The module's name, and the table's.
inline constexpr const char* enlistment_name = "sqlitemem_transaction";
const sqlite3_module& enlistment_module() noexcept;

/// A connection's part in its transactions. SQLite calls xCommit, xRollback and the savepoint
/// callbacks of virtual tables that were written to in the transaction, so one is written to. It
/// has no rows: the write is refused as a constraint would be, and ignored.
///
/// In temp, because a write to an eponymous table takes the write lock on main: readers would be
/// writers. A table in temp is created by the first transaction that needs it, and goes with it if
/// that is rolled back. After ROLLBACK TO a savepoint before the creation the table is gone from
/// the schema, but SQLite still calls it until the transaction ends.
class Enlistment {
 public:
  Enlistment(sqlite3* db, TransactionArenaManager& memory) noexcept : db_(db), memory_(memory) {}

  /// Begins the arena. Requires: a transaction is open, the arena is not. SQLITE_OK, or a code and
  /// the reason in words.
  int enlist(std::string& reason);

  // For the callbacks.
  struct Callbacks;

 private:
  int run(const char* sql, std::string& reason);
  bool is_name_taken();
  int word_failure(int rc, std::string& reason) const;

  sqlite3* const db_;
  TransactionArenaManager& memory_;
  bool is_enlisting_ = false;  // Our own statement is running.
  bool is_enlisted_ = false;   // It has reached the table.
  int tables_ = 0;             // That SQLite has connected.
};

}  // namespace sqlitemem::ext
