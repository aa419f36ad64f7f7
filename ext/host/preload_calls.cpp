// What the core does for each function that the stub of the preload library puts in front of
// SQLite's. Each finds the SQLite that its caller means.
#include "ext/host/core.h"
#include "ext/host/host_slots.h"
#include "ext/host/preload.h"
#include "ext/host/preload_plans.h"
#include "ext/preload/interface.h"

namespace sqlitemem::ext::preload {
namespace {

int call_initialize(const void* caller) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_ERROR;
  return sqlite->contains(caller) ? initialize_from_within(*sqlite) : initialize(*sqlite);
}

int call_open(const void* caller, const char* file, sqlite3** db) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return *db = nullptr, SQLITE_ERROR;
  initialize(*sqlite);
  read_back_limits(*sqlite);
  const OpeningThroughUs opening;
  const int rc = sqlite->open(file, db);
  if (keeps_plans() && is_served(*sqlite)) note_opened(*db, may_share_cache(file));
  return rc;
}

int call_open_v2(const void* caller, const char* file, sqlite3** db, int flags, const char* vfs) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return *db = nullptr, SQLITE_ERROR;
  initialize(*sqlite);
  read_back_limits(*sqlite);
  const OpeningThroughUs opening;
  const int rc = sqlite->open_v2(file, db, flags, vfs);
  if (keeps_plans() && is_served(*sqlite))
    note_opened(*db, (flags & SQLITE_OPEN_SHAREDCACHE) != 0 || may_share_cache(file));
  return rc;
}

int call_open16(const void* caller, const void* file, sqlite3** db) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return *db = nullptr, SQLITE_ERROR;
  initialize(*sqlite);
  read_back_limits(*sqlite);
  const OpeningThroughUs opening;
  const int rc = sqlite->open16(file, db);
  if (keeps_plans() && is_served(*sqlite)) note_opened(*db, may_share_cache16(file));
  return rc;
}

int call_config(const void* caller, int option, void* first, void* second, void* third) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_ERROR;
  // SQLite installs its default allocator this way, in the middle of what we ask of it.
  if (sqlite->contains(caller)) return sqlite->config(option, first, second, third);
  return configure(*sqlite, option, first, second, third);
}

void call_reset_auto_extension(const void* caller) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return;
  // sqlite3_shutdown() comes here, too, and must not find a list with something in it afterwards.
  if (sqlite->contains(caller)) return sqlite->reset_auto_extension();
  reset_auto_extensions(*sqlite);
}

sqlite3_int64 call_memory_used(const void* caller) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return 0;
  if (answers_for_memory(*sqlite)) return memory_used();
  return sqlite->memory_used() + pages_beside(*sqlite).now;
}

sqlite3_int64 call_memory_highwater(const void* caller, int reset) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return 0;
  if (answers_for_memory(*sqlite)) return memory_highwater(reset != 0);
  return sqlite->memory_highwater(reset) + pages_beside(*sqlite).highest;
}

int call_status64(const void* caller, int what, sqlite3_int64* now, sqlite3_int64* highest,
                  int reset) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_ERROR;
  return status(*sqlite, what, now, highest, reset != 0);
}

int call_status(const void* caller, int what, int* now, int* highest, int reset) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_ERROR;
  sqlite3_int64 now64 = 0, highest64 = 0;
  const int rc = status(*sqlite, what, &now64, &highest64, reset != 0);
  if (rc != SQLITE_OK) return rc;
  *now = static_cast<int>(now64);  // As SQLite does: what does not fit is cut.
  *highest = static_cast<int>(highest64);
  return rc;
}

sqlite3_int64 call_soft_heap_limit64(const void* caller, sqlite3_int64 bytes) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return -1;
  const sqlite3_int64 before = change_limit(*sqlite, sqlite->soft_heap_limit64, bytes);
  stop_plans_if_limited();
  return before;
}

sqlite3_int64 call_hard_heap_limit64(const void* caller, sqlite3_int64 bytes) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return -1;
  const sqlite3_int64 before = change_limit(*sqlite, sqlite->hard_heap_limit64, bytes);
  stop_plans_if_limited();
  return before;
}

void call_soft_heap_limit(const void* caller, int bytes) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite != nullptr) {
    change_limit(*sqlite, sqlite->soft_heap_limit64, bytes < 0 ? 0 : bytes);
    stop_plans_if_limited();
  }
}

int call_release_memory(const void* caller, int bytes) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return 0;
  // SQLite itself calls this from within an allocation, where other connections must be left alone.
  if (sqlite->contains(caller) || !answers_for_memory(*sqlite)) {
    return sqlite->release_memory(bytes);
  }
  return sqlite->release_memory(bytes) + release_memory(bytes);
}

int call_reset(const void* caller, sqlite3_stmt* statement) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_MISUSE;
  const int rc = sqlite->reset(statement);
  if (has_soft_limit() && statement != nullptr && !sqlite->contains(caller)) {
    end_of_statement(sqlite->db_handle(statement));
  }
  return rc;
}

int call_finalize(const void* caller, sqlite3_stmt* statement) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_MISUSE;
  const bool may_park = plan_mode() >= PlanMode::on && plan_mode() != PlanMode::off &&
                        is_served(*sqlite) && !is_from_within(caller);
  const int rc = may_park ? finalize_or_park(statement) : sqlite->finalize(statement);
  // Not its connection, which may have been waiting for this statement to close.
  if (has_soft_limit() && !sqlite->contains(caller)) end_of_statement(nullptr);
  return rc;
}

int call_exec(const void* caller, sqlite3* db, const char* sql,
              int (*callback)(void*, int, char**, char**), void* argument, char** error) {
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return SQLITE_MISUSE;
  const int rc = sqlite->exec(db, sql, callback, argument, error);
  if (keeps_plans() && is_served(*sqlite) && !is_from_within(caller)) after_exec(db);
  if (has_soft_limit() && !sqlite->contains(caller)) end_of_statement(db);
  return rc;
}

constexpr Interface core_interface{
    .bytes = sizeof(Interface),
    .initialize = call_initialize,
    .open = call_open,
    .open_v2 = call_open_v2,
    .open16 = call_open16,
    .config = call_config,
    .reset_auto_extension = call_reset_auto_extension,
    .memory_used = call_memory_used,
    .memory_highwater = call_memory_highwater,
    .status = call_status,
    .status64 = call_status64,
    .soft_heap_limit64 = call_soft_heap_limit64,
    .hard_heap_limit64 = call_hard_heap_limit64,
    .soft_heap_limit = call_soft_heap_limit,
    .release_memory = call_release_memory,
    .reset = call_reset,
    .finalize = call_finalize,
    .exec = call_exec,
    .find_target = find_target,
};

}  // namespace

const Interface& interface_for(StraightThrough* stub) noexcept {
  adopt(stub);
  return core_interface;
}

}  // namespace sqlitemem::ext::preload
