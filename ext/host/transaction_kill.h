// Rolls back orphaned transactions so that their owners cannot go on with half of one.
#pragma once

#include <sqlite3ext.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sqlitemem::ext {

enum class KillMode : std::uint8_t { dry_run, kill, force };

/// What became of one orphaned transaction.
struct TransactionKill {
  std::uint64_t kill_id = 0;  ///< In order, from 1.
  std::string decided_at;     ///< ISO 8601 UTC.
  std::uint64_t connection_id = 0;
  std::optional<std::string> database_file;
  KillMode mode = KillMode::kill;
  bool is_killed = false;
  std::optional<std::string> state, last_sql;
  std::optional<double> age_seconds, idle_seconds;
  std::string reason;  ///< Why it was called orphaned and killed; or why it was left alone.
};

/// Rolls back the orphaned transactions (see is_orphaned) of all connections but the caller's, and
/// refuses everything on those connections but ROLLBACK until their owners say it. How many; with
/// dry_run, how many it would be. Connections in use, without a mutex, or with a statement between
/// two rows are left alone; one whose authorizer may be the program's needs `force`.
///
/// Per connection and under its mutex: our authorizer, ROLLBACK, and BEGIN, which takes no lock and
/// makes COMMIT of the owner an error instead of a success that stored nothing.
std::uint64_t kill_orphaned_transactions(sqlite3* caller, double min_idle_seconds, KillMode mode);

/// The last hundred decisions, oldest first.
std::vector<TransactionKill> transaction_kills();

/// What SQLite's "not authorized" means then.
inline constexpr const char* killed_message =
    "this transaction was rolled back by kill_orphaned_transactions(): nothing but ROLLBACK is "
    "allowed until then";
/// Ever in this process. Any thread.
bool any_transaction_was_killed() noexcept;

}  // namespace sqlitemem::ext
