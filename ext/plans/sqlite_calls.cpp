// Finds the functions in the object that holds the served SQLite.
#include "ext/plans/sqlite_calls.h"

#include <dlfcn.h>

namespace sqlitemem::ext::plans {

const char* find_calls(const HostSqlite& host, SqliteCalls& calls) noexcept {
  void* handle = handle_of({host.begin, host.end, host.path});
  if (handle == nullptr) return "the library itself";
  const char* missing = nullptr;
  const auto find = [&]<class Function>(Function*& out, const char* name, bool is_needed = true) {
    void* address = ::dlsym(handle, name);
    if (address != nullptr && host.contains(address)) {
      out = reinterpret_cast<Function*>(address);
    } else if (is_needed && missing == nullptr) {
      missing = name;
    }
  };
  find(calls.prepare, "sqlite3_prepare");
  find(calls.prepare_v2, "sqlite3_prepare_v2");
  find(calls.prepare_v3, "sqlite3_prepare_v3");
  find(calls.finalize, "sqlite3_finalize");
  find(calls.reset, "sqlite3_reset");
  find(calls.step, "sqlite3_step");
  find(calls.clear_bindings, "sqlite3_clear_bindings");
  find(calls.expired, "sqlite3_expired");
  find(calls.db_handle, "sqlite3_db_handle");
  find(calls.sql, "sqlite3_sql");
  find(calls.stmt_status, "sqlite3_stmt_status");
  find(calls.stmt_isexplain, "sqlite3_stmt_isexplain");
  find(calls.stmt_busy, "sqlite3_stmt_busy");
  find(calls.db_mutex, "sqlite3_db_mutex");
  find(calls.mutex_enter, "sqlite3_mutex_enter");
  find(calls.mutex_try, "sqlite3_mutex_try");
  find(calls.mutex_leave, "sqlite3_mutex_leave");
  find(calls.errcode, "sqlite3_errcode");
  find(calls.exec, "sqlite3_exec");
  find(calls.open, "sqlite3_open");
  find(calls.close, "sqlite3_close");
  find(calls.close_v2, "sqlite3_close_v2");
  find(calls.file_control, "sqlite3_file_control");
  find(calls.create_module_v2, "sqlite3_create_module_v2");
  find(calls.declare_vtab, "sqlite3_declare_vtab");
  find(calls.soft_heap_limit64, "sqlite3_soft_heap_limit64");
  find(calls.hard_heap_limit64, "sqlite3_hard_heap_limit64");
  find(calls.is_interrupted, "sqlite3_is_interrupted", false);
  find(calls.db_name, "sqlite3_db_name", false);
  return missing;
}

}  // namespace sqlitemem::ext::plans
