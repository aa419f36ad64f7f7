// The open transactions of all connections: how old, how idle, whose, and what they block.
#pragma once

#include <sqlite3ext.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ext/host/connection_entry.h"

namespace sqlitemem::ext {

/// One connection with an open transaction, or closed and not gone. nullopt: not known.
struct OpenTransaction {
  std::uint64_t connection_id = 0;
  std::optional<std::string> database_file;
  /// "read", "write", "begun" (BEGIN, and nothing read yet), "aborted" (killed; its owner has not
  /// rolled back), "none" (of a zombie).
  std::optional<std::string> state;
  std::optional<std::uint64_t> began_at_ns;  ///< coarse_clock_ns(); at the latest, unless exact.
  bool is_start_exact = false;
  std::optional<double> idle_seconds;  ///< At least so long.
  std::optional<std::uint64_t> thread_id;
  std::optional<bool> is_owner_alive;
  std::optional<std::uint64_t> open_statements, busy_statements;
  std::optional<std::string> last_sql;
  /// In a WAL: the last frame that it lets a checkpoint copy, and how many come after it.
  std::optional<std::uint64_t> wal_frame, wal_frames_pinned;
  std::optional<bool> is_zombie;
  bool is_in_use = false;  ///< Another thread is inside, or nothing would keep one out.
  std::optional<std::string> why_not_killable;  ///< Without force.
  bool needs_force = false;                     ///< And with force it is killable.
};

/// For a connection that nobody else is inside; also notes what was seen for the next reading.
/// nullopt: no transaction is open, or none but that of the caller's running statement. `db` is
/// `entry.db`.
std::optional<OpenTransaction> read_transaction(ConnectionEntry& entry, const Visitor& visitor,
                                                sqlite3* db);
/// For one that is in use. nullopt: it is closed, or was never seen with a transaction.
std::optional<OpenTransaction> remembered_transaction(ConnectionEntry& entry);

/// What earlier readings have shown is over.
void forget_open_transaction(ConnectionEntry& entry);

/// By connection id. `caller` as in snapshot_connections(). Never waits for a connection.
std::vector<OpenTransaction> open_transactions(sqlite3* caller);

/// Open and not used for at least so long, or its thread is gone, or closed and not gone. Not one
/// that was killed already.
bool is_orphaned(const OpenTransaction& transaction, double min_idle_seconds);

}  // namespace sqlitemem::ext
