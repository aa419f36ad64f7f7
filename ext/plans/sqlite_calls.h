// SQLite's own functions, past everything that is put in front of them.
#pragma once

#include <sqlite3.h>

#include "ext/host/host_sqlite.h"

namespace sqlitemem::ext::plans {

/// Of the SQLite that is served. All but the last few are there, or find_calls() says no.
struct SqliteCalls {
  int (*prepare)(sqlite3*, const char*, int, sqlite3_stmt**, const char**) = nullptr;
  int (*prepare_v2)(sqlite3*, const char*, int, sqlite3_stmt**, const char**) = nullptr;
  int (*prepare_v3)(sqlite3*, const char*, int, unsigned, sqlite3_stmt**, const char**) = nullptr;
  int (*finalize)(sqlite3_stmt*) = nullptr;
  int (*reset)(sqlite3_stmt*) = nullptr;
  int (*step)(sqlite3_stmt*) = nullptr;
  int (*clear_bindings)(sqlite3_stmt*) = nullptr;
  int (*expired)(sqlite3_stmt*) = nullptr;
  sqlite3* (*db_handle)(sqlite3_stmt*) = nullptr;
  const char* (*sql)(sqlite3_stmt*) = nullptr;
  int (*stmt_status)(sqlite3_stmt*, int, int) = nullptr;
  int (*stmt_isexplain)(sqlite3_stmt*) = nullptr;
  int (*stmt_busy)(sqlite3_stmt*) = nullptr;
  sqlite3_mutex* (*db_mutex)(sqlite3*) = nullptr;
  void (*mutex_enter)(sqlite3_mutex*) = nullptr;
  int (*mutex_try)(sqlite3_mutex*) = nullptr;
  void (*mutex_leave)(sqlite3_mutex*) = nullptr;
  int (*errcode)(sqlite3*) = nullptr;
  int (*exec)(sqlite3*, const char*, int (*)(void*, int, char**, char**), void*, char**) = nullptr;
  int (*open)(const char*, sqlite3**) = nullptr;
  int (*close)(sqlite3*) = nullptr;
  int (*close_v2)(sqlite3*) = nullptr;
  int (*file_control)(sqlite3*, const char*, int, void*) = nullptr;
  int (*create_module_v2)(sqlite3*, const char*, const sqlite3_module*, void*,
                          void (*)(void*)) = nullptr;
  int (*declare_vtab)(sqlite3*, const char*) = nullptr;
  sqlite3_int64 (*soft_heap_limit64)(sqlite3_int64) = nullptr;
  sqlite3_int64 (*hard_heap_limit64)(sqlite3_int64) = nullptr;
  /// Not in every version: since 3.41, and since 3.39.
  int (*is_interrupted)(sqlite3*) = nullptr;
  const char* (*db_name)(sqlite3*, int) = nullptr;
};

/// nullptr, or the name of the first function that is missing.
const char* find_calls(const HostSqlite& host, SqliteCalls& calls) noexcept;

/// Holds a connection's mutex, which may be null, for a scope.
class MutexGuard {
 public:
  MutexGuard(const SqliteCalls& calls, sqlite3_mutex* mutex) noexcept
      : calls_(calls), mutex_(mutex) {
    calls_.mutex_enter(mutex_);
  }
  ~MutexGuard() { leave(); }
  MutexGuard(const MutexGuard&) = delete;
  MutexGuard& operator=(const MutexGuard&) = delete;
  /// Before a call that may free the connection.
  void leave() noexcept {
    if (is_held_) calls_.mutex_leave(mutex_);
    is_held_ = false;
  }

 private:
  const SqliteCalls& calls_;
  sqlite3_mutex* mutex_;
  bool is_held_ = true;
};

}  // namespace sqlitemem::ext::plans
