// One core per SQLite: what a second copy of sqlitemem in the same process binds to, and the way in
// for connections.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "ext/host/host_sqlite.h"

struct sqlite3_api_routines;

namespace sqlitemem::ext {

/// What the exported function sqlitemem_core_v1() gives. Only added to, never changed: copies of
/// different versions may meet in one process.
struct CoreInterface {
  std::size_t bytes;  ///< sizeof(CoreInterface) of the copy that fills it in.
  /// Start of the object that holds the SQLite being served; 0: none yet.
  std::uintptr_t (*served_sqlite)() noexcept;
  /// load_extension() into that copy.
  int (*load)(sqlite3* db, char** error, const sqlite3_api_routines* api);
  /// sqlitemem_set() there; the message is cut to `message_bytes`.
  int (*set)(const char* name, const char* value, char* message, std::size_t message_bytes);
  /// The plan cache of the SQLite being served, or that will be: `host_code` is in it.
  int (*prepare_cached)(const void* host_code, sqlite3* db, const char* sql, int bytes,
                        sqlite3_stmt** statement, const char** tail) noexcept;
  int (*release)(const void* host_code, sqlite3_stmt* statement) noexcept;
  int (*drop_cached)(const void* host_code, sqlite3* db) noexcept;
  /// sqlitemem_txn_alloc() and sqlitemem_txn_expect() there. `message` is written
  /// where there is no memory.
  void* (*transaction_allocate)(sqlite3* db, std::uint64_t bytes, char* message,
                                std::size_t message_bytes);
  int (*transaction_expect)(sqlite3* db, std::uint64_t bytes);
  /// sqlitemem_txn_pointer() and sqlitemem_txn_set_pointer() there.
  void* (*transaction_pointer)(sqlite3* db, const void* key);
  int (*set_transaction_pointer)(sqlite3* db, const void* key, void* pointer, char* message,
                                 std::size_t message_bytes);
  /// sqlitemem_on_pressure() and sqlitemem_relieve() there.
  void (*on_pressure)(void (*callback)(void*, int, double, sqlite3_uint64), void* context);
  void (*relieve)();
};

const CoreInterface& own_core() noexcept;

/// Another copy's core that serves the SQLite starting at `sqlite`, or none yet; nullptr if there
/// is none.
const CoreInterface* find_other_core(std::uintptr_t sqlite);

/// The body of sqlite3_sqlitemem_init(): binds to the process's core, attaches or observes,
/// registers everything.
int load_extension(sqlite3* db, char** error, const sqlite3_api_routines* api);

/// The body of sqlitemem_set().
int set_from_api(const char* name, const char* value, std::string& message);

/// Claims `host` for this copy. false: it serves another SQLite already.
bool claim_sqlite(const HostSqlite& host) noexcept;
bool is_served(const HostSqlite& host) noexcept;
/// The functions of the SQLite that is served, as it has them itself. Requires: a connection has
/// been registered.
const HostSqlite& served_functions();

/// For sqlite3_auto_extension(): registers tables and functions on a new connection. Fails an open
/// only where refuses_connections(); what goes wrong otherwise is logged. The first call also
/// supplies SQLite's functions to this copy.
int register_new_connection(sqlite3* db, char** error, const sqlite3_api_routines* api);
using AutoExtension = void (*)();
inline AutoExtension new_connection_hook() noexcept {
  return reinterpret_cast<AutoExtension>(register_new_connection);
}

}  // namespace sqlitemem::ext
