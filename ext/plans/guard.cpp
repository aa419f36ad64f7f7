// An empty virtual table. SQLite calls xDisconnect at the beginning of sqlite3_close(), and the
// module's destructor at its end.
#include "ext/plans/guard.h"

#include <new>

#include "ext/plans/plan_registry.h"

namespace sqlitemem::ext::plans {
namespace {

constexpr const char* module_name = "sqlitemem_plan_guard";

struct Guard {
  const SqliteCalls& calls;
  PlanCache& cache;
};
struct Table : sqlite3_vtab {
  PlanCache* cache;
};

int connect(sqlite3* db, void* argument, int, const char* const*, sqlite3_vtab** out, char**) {
  const Guard& guard = *static_cast<const Guard*>(argument);
  if (const int rc = guard.calls.declare_vtab(db, "CREATE TABLE x(never)"); rc != SQLITE_OK)
    return rc;
  auto* table = new (std::nothrow) Table{};
  if (table == nullptr) return SQLITE_NOMEM;
  table->cache = &guard.cache;
  guard.cache.is_armed = true;
  *out = table;
  return SQLITE_OK;
}
int disconnect(sqlite3_vtab* base) {
  auto* table = static_cast<Table*>(base);
  table->cache->is_armed = false;
  table->cache->drop_parked();
  delete table;
  return SQLITE_OK;
}
int best_index(sqlite3_vtab*, sqlite3_index_info*) { return SQLITE_OK; }
int open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = new (std::nothrow) sqlite3_vtab_cursor{};
  return *out == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}
int close(sqlite3_vtab_cursor* cursor) {
  delete cursor;
  return SQLITE_OK;
}
int filter(sqlite3_vtab_cursor*, int, const char*, int, sqlite3_value**) { return SQLITE_OK; }
int next(sqlite3_vtab_cursor*) { return SQLITE_OK; }
int eof(sqlite3_vtab_cursor*) { return 1; }
int column(sqlite3_vtab_cursor*, sqlite3_context*, int) { return SQLITE_OK; }
int rowid(sqlite3_vtab_cursor*, sqlite3_int64* out) {
  *out = 0;
  return SQLITE_OK;
}

constexpr sqlite3_module make_module() {
  sqlite3_module made{};  // xCreate stays null: the table is there without CREATE.
  made.xConnect = connect, made.xDisconnect = disconnect, made.xBestIndex = best_index;
  made.xOpen = open, made.xClose = close, made.xFilter = filter, made.xNext = next;
  made.xEof = eof, made.xColumn = column, made.xRowid = rowid;
  return made;
}
constexpr sqlite3_module module = make_module();

void connection_gone(void* argument) {
  auto* guard = static_cast<Guard*>(argument);
  remove_cache(&guard->cache);
  delete guard;
}

}  // namespace

bool register_guard(const SqliteCalls& calls, PlanCache& cache) noexcept {
  auto* guard = new (std::nothrow) Guard{calls, cache};
  if (guard == nullptr) {
    remove_cache(&cache);
    return false;
  }
  // SQLite calls the destructor also when it fails.
  return calls.create_module_v2(cache.db(), module_name, &module, guard, connection_gone) ==
         SQLITE_OK;
}

void arm_guard(const SqliteCalls& calls, PlanCache& cache) noexcept {
  sqlite3_stmt* statement = nullptr;
  if (calls.prepare_v2(cache.db(), "SELECT 1 FROM sqlitemem_plan_guard", -1, &statement, nullptr) ==
      SQLITE_OK)
    calls.finalize(statement);
}

}  // namespace sqlitemem::ext::plans
