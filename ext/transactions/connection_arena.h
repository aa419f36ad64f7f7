// The arena of one connection: memory that lives as long as its current transaction.
#pragma once

#include <sqlite3ext.h>

#include <string>

#include "allocators/arena/transaction_arenas.h"
#include "ext/transactions/enlistment.h"

namespace sqlitemem::ext {

/// One for each registered connection. For whoever is inside the connection, one at a time;
/// statistics read it through process_arenas().
class ConnectionArena {
 public:
  explicit ConnectionArena(sqlite3* db);
  ~ConnectionArena();
  ConnectionArena(const ConnectionArena&) = delete;
  ConnectionArena& operator=(const ConnectionArena&) = delete;

  [[nodiscard]] TransactionArenaManager& memory() noexcept { return memory_; }
  [[nodiscard]] Enlistment& enlistment() noexcept { return enlistment_; }

  [[nodiscard]] bool is_open() const noexcept { return memory_.is_open(); }

  /// Begins the arena of the current transaction, unless it has begun. SQLITE_OK, or a code and the
  /// reason in words. May run SQL, and roll the transaction back when that runs out of memory.
  int open(std::string& reason);
  /// Opens, and allocates. nullptr: `rc` and `reason` say why.
  void* allocate(std::size_t bytes, int& rc, std::string& reason);
  /// The code and the words for what memory() refused last.
  int refusal(std::string& reason) const;

 private:
  sqlite3* const db_;
  TransactionArenaManager memory_;
  Enlistment enlistment_{db_, memory_};
};

/// That of a registered connection, alive until it closes; nullptr if it is not registered. Any
/// thread; a few nanoseconds when the thread asked for the same connection last.
ConnectionArena* find_connection_arena(sqlite3* db) noexcept;

/// Registers what ties arenas to transactions on `db`; again is harmless. SQLite's code.
int register_transactions(sqlite3* db);
void unregister_transactions(sqlite3* db) noexcept;

}  // namespace sqlitemem::ext
