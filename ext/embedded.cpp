// The public C interface: what ext/sqlitemem.h promises, for programs that link the library.
#include "ext/sqlitemem.h"

// The functions of sqlite3ext.h are macros; this library is linked with SQLite and calls it
// directly.
#define SQLITE_CORE 1  // NOLINT(readability-identifier-naming): the name is SQLite's.
#include <sqlite3ext.h>

#include <atomic>
#include <string>

#include "allocators/base/lock.h"
#include "allocators/config.h"
#include "ext/host/core.h"
#include "ext/host/environment.h"
#include "ext/host/exported.h"
#include "ext/host/heap_hook.h"
#include "ext/host/install.h"
#include "ext/host/memory_limits.h"
#include "ext/host/mode.h"
#include "ext/transactions/transaction_api.h"

// Supplied by SQLite with the first connection.
const sqlite3_api_routines* sqlite3_api = nullptr;

namespace ext = sqlitemem::ext;

namespace {

constinit sqlitemem::Lock install_lock;

std::string& last_error() {
  thread_local std::string text;
  return text;
}

int fail(int rc, const std::string& text) {
  last_error() = text;
  return rc;
}

const ext::HostSqlite& linked_sqlite() {
  static const auto* const sqlite = new ext::HostSqlite(
      ext::find_host_sqlite(reinterpret_cast<const void*>(&sqlite3_libversion)));
  return *sqlite;
}

/// The preload library, or an extension loaded before, serves this SQLite already.
const ext::CoreInterface* other_core() {
  const ext::CoreInterface* core = ext::find_other_core(linked_sqlite().begin);
  return core != nullptr && core->served_sqlite() != 0 ? core : nullptr;
}

/// The core that serves the transactions of `db`: ours, or the other, which is remembered once it
/// is there.
const ext::CoreInterface& core_of_transactions(sqlite3* db) noexcept {
  if (ext::serves_transactions_of(db)) return ext::own_core();
  static constinit std::atomic<const ext::CoreInterface*> found{nullptr};
  const ext::CoreInterface* core = found.load(std::memory_order_acquire);
  if (core != nullptr) return *core;
  try {
    core = other_core();
  } catch (...) {  // No memory to look for it.
  }
  if (core == nullptr) return ext::own_core();
  found.store(core, std::memory_order_release);
  return *core;
}

constexpr std::size_t message_bytes = 512;

/// What sqlitemem_errmsg() says from now on.
void note_outcome(bool has_failed, const char* message) noexcept {
  try {
    if (has_failed) {
      last_error() = message;
    } else if (!last_error().empty()) {
      last_error().clear();
    }
  } catch (...) {  // No memory for the words.
  }
}

bool wants_memstatus_off() {
  ext::read_environment_once();
  return sqlitemem::option_as<sqlitemem::Memstatus>(&sqlitemem::Config::memstatus) ==
         sqlitemem::Memstatus::off;
}

/// Gives SQLite back what it had and says why.
int give_up(int rc, const std::string& text) {
  sqlite3_shutdown();
  sqlite3_config(SQLITE_CONFIG_MALLOC, &ext::previous_methods());
  ext::restore_page_cache(linked_sqlite());
  return fail(rc, text);
}

int install() {
  const ext::HostSqlite& sqlite = linked_sqlite();
  if (ext::is_served(sqlite) && ext::heap_hook_in_force()) {
    return sqlite3_auto_extension(ext::new_connection_hook());  // A restart of SQLite forgets it.
  }
  if (!ext::is_served(sqlite) && other_core() != nullptr) return SQLITE_OK;
  const bool is_memstatus_off = wants_memstatus_off();
  const ext::InstallOutcome outcome =
      ext::install_before_start(sqlite, ext::ProgramAllocator::replace, is_memstatus_off);
  if (outcome.rc != SQLITE_OK) {
    return fail(outcome.rc, outcome.rc != SQLITE_MISUSE
                                ? outcome.reason
                                : "SQLite is initialised already: call sqlitemem_install() before "
                                  "sqlite3_initialize() and before the first sqlite3_open().");
  }
  if (!ext::start_heap()) {
    return give_up(SQLITE_NOMEM,
                   "The address space for the heap could not be reserved (see option region_size, "
                   "and ulimit -v).");
  }
  if (const int rc = sqlite3_initialize(); rc != SQLITE_OK) {
    return give_up(rc, std::string("sqlite3_initialize() failed: ") + sqlite3_errstr(rc));
  }
  ext::claim_sqlite(sqlite);
  ext::keep_limits_of(sqlite);
  if (is_memstatus_off) ext::set_accounting(ext::Accounting::nobody);
  ext::set_mode(ext::Mode::managed,
                "The program called sqlitemem_install() before SQLite started.");
  if (const int rc = sqlite3_auto_extension(ext::new_connection_hook()); rc != SQLITE_OK) {
    return fail(rc, std::string("sqlite3_auto_extension() failed: ") + sqlite3_errstr(rc));
  }
  return SQLITE_OK;
}

/// SQLite hands out its table of functions only to extensions, so one is run on a throw-away
/// connection.
const sqlite3_api_routines* sqlite_functions() {
  static const sqlite3_api_routines* functions = nullptr;
  const auto take = [](sqlite3*, char**, const sqlite3_api_routines* api) -> int {
    functions = api;
    return SQLITE_OK;
  };
  const sqlitemem::LockGuard guard(install_lock);
  if (functions != nullptr) return functions;
  const auto hook = reinterpret_cast<void (*)()>(+take);
  sqlite3* db = nullptr;
  if (sqlite3_auto_extension(hook) == SQLITE_OK) sqlite3_open(":memory:", &db);
  sqlite3_cancel_auto_extension(hook);
  sqlite3_close(db);
  return functions;
}

}  // namespace

SQLITEMEM_EXPORT const ext::CoreInterface* sqlitemem_core_v1() noexcept { return &ext::own_core(); }

int sqlitemem_install(void) {
  try {
    last_error().clear();
    const sqlitemem::LockGuard guard(install_lock);
    return install();
  } catch (...) {
    return SQLITE_NOMEM;
  }
}

const char* sqlitemem_errmsg(void) {
  try {
    return last_error().c_str();
  } catch (...) {
    return "";
  }
}

int sqlitemem_set(const char* name, const char* value) {
  if (name == nullptr || value == nullptr) return SQLITE_MISUSE;
  try {
    last_error().clear();
    if (const ext::CoreInterface* other = other_core()) {
      char message[512] = "";
      const int rc = other->set(name, value, message, sizeof message);
      return rc == SQLITE_OK ? rc : fail(rc, message);
    }
    std::string message;
    const int rc = ext::set_from_api(name, value, message);
    return rc == SQLITE_OK ? rc : fail(rc, message);
  } catch (...) {
    return SQLITE_NOMEM;
  }
}

int sqlitemem_register(sqlite3* db) {
  if (db == nullptr) return SQLITE_MISUSE;
  try {
    last_error().clear();
    const sqlite3_api_routines* api = sqlite_functions();
    if (api == nullptr) return fail(SQLITE_NOMEM, "SQLite gave no table of its functions.");
    char* error = nullptr;
    const int rc = ext::load_extension(db, &error, api);
    if (rc == SQLITE_OK_LOAD_PERMANENTLY) return SQLITE_OK;
    fail(rc, error == nullptr ? sqlite3_errstr(rc) : error);
    sqlite3_free(error);
    return rc;
  } catch (...) {
    return SQLITE_NOMEM;
  }
}

namespace {

/// The core that serves the linked SQLite: found once, because a core stays.
const ext::CoreInterface& core_of_process() {
  static const ext::CoreInterface& core = []() -> const ext::CoreInterface& {
    const ext::CoreInterface* other = other_core();
    return other != nullptr ? *other : ext::own_core();
  }();
  return core;
}

const void* linked_code() { return reinterpret_cast<const void*>(&sqlite3_libversion); }

}  // namespace

int sqlitemem_prepare_cached(sqlite3* db, const char* sql, int bytes, sqlite3_stmt** statement,
                             const char** tail) {
  try {
    return core_of_process().prepare_cached(linked_code(), db, sql, bytes, statement, tail);
  } catch (...) {
    return SQLITE_NOMEM;
  }
}

int sqlitemem_release(sqlite3_stmt* statement) {
  try {
    return core_of_process().release(linked_code(), statement);
  } catch (...) {
    return SQLITE_NOMEM;
  }
}

int sqlitemem_drop_cached(sqlite3* db) {
  try {
    return core_of_process().drop_cached(linked_code(), db);
  } catch (...) {
    return 0;
  }
}

void* sqlitemem_txn_alloc(sqlite3* db, sqlite3_uint64 bytes) {
  char message[message_bytes] = "";
  const ext::CoreInterface& core = core_of_transactions(db);
  void* const block = core.transaction_allocate(db, bytes, message, sizeof message);
  note_outcome(block == nullptr, message);
  return block;
}

int sqlitemem_txn_expect(sqlite3* db, sqlite3_uint64 bytes) {
  const int rc = core_of_transactions(db).transaction_expect(db, bytes);
  note_outcome(rc != SQLITE_OK, "sqlitemem is not registered on this connection");
  return rc;
}

void* sqlitemem_txn_pointer(sqlite3* db, const void* key) {
  return core_of_transactions(db).transaction_pointer(db, key);
}

int sqlitemem_txn_set_pointer(sqlite3* db, const void* key, void* pointer) {
  char message[message_bytes] = "";
  const ext::CoreInterface& core = core_of_transactions(db);
  const int rc = core.set_transaction_pointer(db, key, pointer, message, sizeof message);
  note_outcome(rc != SQLITE_OK, message);
  return rc;
}

int sqlitemem_on_pressure(void (*callback)(void*, int, double, sqlite3_uint64), void* context) {
  core_of_process().on_pressure(callback, context);
  return SQLITE_OK;
}

void sqlitemem_relieve(void) { core_of_process().relieve(); }

const char* sqlitemem_libversion(void) { return SQLITEMEM_VERSION; }
