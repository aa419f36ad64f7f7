// Every connection of the process: who is open, on which file, and what SQLite says of its memory.
#pragma once

#include <sqlite3ext.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ext/host/cache_identity.h"

namespace sqlitemem::ext {

/// What one connection was seen to use. Values of a busy connection are those of the last reading
/// (`is_stale`).
struct ConnectionSnapshot {
  std::uint64_t connection_id = 0;  ///< Small integer, in order of registration; never an address.
  std::optional<std::string> database_file;  ///< nullopt: in memory or temporary.
  std::string opened_at;  ///< ISO 8601 UTC; when this library first saw the connection.
  std::optional<std::string>
      txn_state;  ///< "none", "read", "write"; nullopt before SQLite 3.34 or never read.
  std::optional<std::uint64_t> cache_used_bytes, schema_used_bytes, stmt_used_bytes,
      lookaside_used_bytes;
  std::optional<std::uint64_t> lookaside_hits, lookaside_misses;  ///< nullopt: there is none.
  /// Of cache_used_bytes, its part of what several connections share (SQLite's shared-cache mode).
  std::optional<std::uint64_t> cache_share_bytes;
  std::optional<std::uint64_t> cache_hits, cache_misses, cache_writes, cache_spills;
  std::optional<std::uint64_t> open_statements, busy_statements;
  std::vector<CacheIdentity> caches;  ///< Those that are the pool's.
  bool is_stale = false;  ///< Could not be read in full just now; the rest is the last reading's.
};

/// Remembers `db` until it closes, and reads it later. Called once for each connection, by its own
/// thread. SQLITE_OK, or the code that registering the close callback gave.
int register_connection(sqlite3* db);
bool is_registered(sqlite3* db) noexcept;
/// Its ConnectionSnapshot::connection_id; nullopt if it is not registered.
std::optional<std::uint64_t> connection_id_of(sqlite3* db);
/// Undoes register_connection(). Needs no memory.
void forget_connection(sqlite3* db) noexcept;

/// All open connections, by id. `caller`: the connection that is asking (read without a lock: we
/// are inside it), or nullptr. Never blocks on another connection.
std::vector<ConnectionSnapshot> snapshot_connections(sqlite3* caller);

/// Whether connections of the process may be missing: those that were open before this library
/// came into it. SQLite has no list of them; one that loads the extension as well is no longer
/// missing.
bool may_miss_connections() noexcept;
/// Called when the extension is loaded into a running SQLite.
void note_late_arrival() noexcept;

/// Calls `visit` with every connection that is at rest: no other thread inside, no transaction, no
/// statement between two rows. The same holds for `caller` (may be nullptr), whose own running
/// statement does not count. Returns how many were busy. A connection cannot close while it is
/// visited, and `visit` must not close one.
std::uint64_t visit_connections_at_rest(sqlite3* caller,
                                        const std::function<void(sqlite3*)>& visit);

/// Calls `use(connection id, db)` for each connection that nobody else is using, and for the
/// caller's; returns how many were passed over.
std::uint64_t for_each_idle_connection(sqlite3* caller,
                                       const std::function<void(std::uint64_t, sqlite3*)>& use);

struct ReleaseSummary {
  std::uint64_t connections_released = 0;  ///< sqlite3_db_release_memory() was called on these.
  std::uint64_t connections_busy = 0;      ///< Skipped.
};
/// sqlite3_db_release_memory() on every connection that is at rest.
ReleaseSummary release_connection_memory(sqlite3* caller);

}  // namespace sqlitemem::ext
