// The functions that the preload library puts in front of SQLite's. Each finds the SQLite that its
// caller means.
#include <cstdarg>

// The functions of sqlite3ext.h are macros, which would rename what is defined here.
#define SQLITE_CORE 1  // NOLINT(readability-identifier-naming): the name is SQLite's.
#include <sqlite3ext.h>

#include "ext/host/core.h"
#include "ext/host/exported.h"
#include "ext/host/preload.h"

// Supplied by SQLite with the first connection.
const sqlite3_api_routines* sqlite3_api = nullptr;

namespace preload = sqlitemem::ext::preload;
using sqlitemem::ext::HostSqlite;

// Null unless the program is linked with SQLite. Not interposed, so it is SQLite's own.
extern "C" const char* sqlite3_libversion() __attribute__((weak));

namespace {

__attribute__((constructor)) void install_into_linked_sqlite() {
  const auto function = reinterpret_cast<const void*>(&sqlite3_libversion);
  if (function != nullptr) preload::install_at_start(function);
}

}  // namespace

// The SQLite that the caller of the present function means. Inlined, so that it is the right return
// address.
#define SQLITEMEM_CALLER __builtin_extract_return_addr(__builtin_return_address(0))

SQLITEMEM_EXPORT const sqlitemem::ext::CoreInterface* sqlitemem_core_v1() noexcept {
  return &sqlitemem::ext::own_core();
}

SQLITEMEM_EXPORT int sqlite3_initialize() {
  const void* caller = SQLITEMEM_CALLER;
  if (preload::straight_through.holds_for(caller)) [[likely]] {
    return preload::straight_through.initialize.load(std::memory_order_relaxed)();
  }
  const HostSqlite* sqlite = preload::real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_ERROR;
  const bool is_within =
      reinterpret_cast<std::uintptr_t>(caller) - sqlite->begin < sqlite->end - sqlite->begin;
  return is_within ? preload::initialize_from_within(*sqlite) : preload::initialize(*sqlite);
}

SQLITEMEM_EXPORT int sqlite3_open(const char* file, sqlite3** db) {
  const HostSqlite* sqlite = preload::real_sqlite(SQLITEMEM_CALLER);
  if (sqlite == nullptr) return *db = nullptr, SQLITE_ERROR;
  preload::initialize(*sqlite);
  preload::read_back_limits(*sqlite);
  return sqlite->open(file, db);
}

SQLITEMEM_EXPORT int sqlite3_open_v2(const char* file, sqlite3** db, int flags, const char* vfs) {
  const HostSqlite* sqlite = preload::real_sqlite(SQLITEMEM_CALLER);
  if (sqlite == nullptr) return *db = nullptr, SQLITE_ERROR;
  preload::initialize(*sqlite);
  preload::read_back_limits(*sqlite);
  return sqlite->open_v2(file, db, flags, vfs);
}

SQLITEMEM_EXPORT int sqlite3_open16(const void* file, sqlite3** db) {
  const HostSqlite* sqlite = preload::real_sqlite(SQLITEMEM_CALLER);
  if (sqlite == nullptr) return *db = nullptr, SQLITE_ERROR;
  preload::initialize(*sqlite);
  preload::read_back_limits(*sqlite);
  return sqlite->open16(file, db);
}

// No option has more than three arguments, each an integer or a pointer: three words carry them
// all, on every calling convention that passes the first arguments of a variadic function like
// those of any other.
SQLITEMEM_EXPORT int sqlite3_config(int option, ...) {
  const void* caller = SQLITEMEM_CALLER;
  const HostSqlite* sqlite = preload::real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_ERROR;
  std::va_list arguments;
  va_start(arguments, option);
  void* first = va_arg(arguments, void*);
  void* second = va_arg(arguments, void*);
  void* third = va_arg(arguments, void*);
  va_end(arguments);
  // SQLite installs its default allocator this way, in the middle of what we ask of it.
  if (sqlite->contains(caller)) return sqlite->config(option, first, second, third);
  return preload::configure(*sqlite, option, first, second, third);
}

SQLITEMEM_EXPORT void sqlite3_reset_auto_extension() {
  const void* caller = SQLITEMEM_CALLER;
  const HostSqlite* sqlite = preload::real_sqlite(caller);
  if (sqlite == nullptr) return;
  // sqlite3_shutdown() comes here, too, and must not find a list with something in it afterwards.
  if (sqlite->contains(caller)) return sqlite->reset_auto_extension();
  preload::reset_auto_extensions(*sqlite);
}

SQLITEMEM_EXPORT sqlite3_int64 sqlite3_memory_used() {
  const HostSqlite* sqlite = preload::real_sqlite(SQLITEMEM_CALLER);
  if (sqlite == nullptr) return 0;
  return preload::answers_for_memory(*sqlite) ? preload::memory_used() : sqlite->memory_used();
}

SQLITEMEM_EXPORT sqlite3_int64 sqlite3_memory_highwater(int reset) {
  const HostSqlite* sqlite = preload::real_sqlite(SQLITEMEM_CALLER);
  if (sqlite == nullptr) return 0;
  return preload::answers_for_memory(*sqlite) ? preload::memory_highwater(reset != 0)
                                              : sqlite->memory_highwater(reset);
}

SQLITEMEM_EXPORT int sqlite3_status64(int what, sqlite3_int64* now, sqlite3_int64* highest,
                                      int reset) {
  const HostSqlite* sqlite = preload::real_sqlite(SQLITEMEM_CALLER);
  if (sqlite == nullptr) return SQLITE_ERROR;
  return preload::answers_for_memory(*sqlite)
             ? preload::status(*sqlite, what, now, highest, reset != 0)
             : sqlite->status64(what, now, highest, reset);
}

SQLITEMEM_EXPORT int sqlite3_status(int what, int* now, int* highest, int reset) {
  const HostSqlite* sqlite = preload::real_sqlite(SQLITEMEM_CALLER);
  if (sqlite == nullptr) return SQLITE_ERROR;
  if (!preload::answers_for_memory(*sqlite)) return sqlite->status(what, now, highest, reset);
  sqlite3_int64 now64 = 0, highest64 = 0;
  const int rc = preload::status(*sqlite, what, &now64, &highest64, reset != 0);
  if (rc != SQLITE_OK) return rc;
  *now = static_cast<int>(now64);  // As SQLite does: what does not fit is cut.
  *highest = static_cast<int>(highest64);
  return rc;
}

SQLITEMEM_EXPORT sqlite3_int64 sqlite3_soft_heap_limit64(sqlite3_int64 bytes) {
  const HostSqlite* sqlite = preload::real_sqlite(SQLITEMEM_CALLER);
  if (sqlite == nullptr) return -1;
  return preload::change_limit(*sqlite, sqlite->soft_heap_limit64, bytes);
}

SQLITEMEM_EXPORT sqlite3_int64 sqlite3_hard_heap_limit64(sqlite3_int64 bytes) {
  const HostSqlite* sqlite = preload::real_sqlite(SQLITEMEM_CALLER);
  if (sqlite == nullptr) return -1;
  return preload::change_limit(*sqlite, sqlite->hard_heap_limit64, bytes);
}

SQLITEMEM_EXPORT void sqlite3_soft_heap_limit(int bytes) {
  const HostSqlite* sqlite = preload::real_sqlite(SQLITEMEM_CALLER);
  if (sqlite != nullptr) {
    preload::change_limit(*sqlite, sqlite->soft_heap_limit64, bytes < 0 ? 0 : bytes);
  }
}

SQLITEMEM_EXPORT int sqlite3_release_memory(int bytes) {
  const void* caller = SQLITEMEM_CALLER;
  const HostSqlite* sqlite = preload::real_sqlite(caller);
  if (sqlite == nullptr) return 0;
  // SQLite itself calls this from within an allocation, where other connections must be left alone.
  if (sqlite->contains(caller) || !preload::answers_for_memory(*sqlite)) {
    return sqlite->release_memory(bytes);
  }
  return sqlite->release_memory(bytes) + preload::release_memory(bytes);
}

SQLITEMEM_EXPORT int sqlite3_reset(sqlite3_stmt* statement) {
  const void* caller = SQLITEMEM_CALLER;
  const HostSqlite* sqlite = preload::real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_MISUSE;
  const int rc = sqlite->reset(statement);
  if (preload::has_soft_limit() && statement != nullptr && !sqlite->contains(caller)) {
    preload::end_of_statement(sqlite->db_handle(statement));
  }
  return rc;
}

SQLITEMEM_EXPORT int sqlite3_finalize(sqlite3_stmt* statement) {
  const void* caller = SQLITEMEM_CALLER;
  const HostSqlite* sqlite = preload::real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_MISUSE;
  const int rc = sqlite->finalize(statement);
  // Not its connection, which may have been waiting for this statement to close.
  if (preload::has_soft_limit() && !sqlite->contains(caller)) preload::end_of_statement(nullptr);
  return rc;
}

SQLITEMEM_EXPORT int sqlite3_exec(sqlite3* db, const char* sql,
                                  int (*callback)(void*, int, char**, char**), void* argument,
                                  char** error) {
  const void* caller = SQLITEMEM_CALLER;
  const HostSqlite* sqlite = preload::real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_MISUSE;
  const int rc = sqlite->exec(db, sql, callback, argument, error);
  if (preload::has_soft_limit() && !sqlite->contains(caller)) preload::end_of_statement(db);
  return rc;
}
