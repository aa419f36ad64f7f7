// The host's own SQLite: the functions that sqlite3ext.h does not carry, found at run time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>

namespace sqlitemem::ext {

/// Entry points of one loaded SQLite. A null member: that copy does not export it.
struct HostSqlite {
  int (*config)(int, ...) = nullptr;
  int (*initialize)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*auto_extension)(void (*)()) = nullptr;
  int (*cancel_auto_extension)(void (*)()) = nullptr;
  void (*reset_auto_extension)() = nullptr;
  sqlite3_vfs* (*vfs_find)(const char*) = nullptr;
  int (*vfs_register)(sqlite3_vfs*, int) = nullptr;
  sqlite3_int64 (*soft_heap_limit64)(sqlite3_int64) = nullptr;
  sqlite3_int64 (*hard_heap_limit64)(sqlite3_int64) = nullptr;
  void (*soft_heap_limit)(int) = nullptr;
  int (*release_memory)(int) = nullptr;
  sqlite3_int64 (*memory_used)() = nullptr;
  sqlite3_int64 (*memory_highwater)(int) = nullptr;
  int (*status)(int, int*, int*, int) = nullptr;
  int (*status64)(int, sqlite3_int64*, sqlite3_int64*, int) = nullptr;
  int (*open)(const char*, sqlite3**) = nullptr;
  int (*open_v2)(const char*, sqlite3**, int, const char*) = nullptr;
  int (*open16)(const void*, sqlite3**) = nullptr;
  int (*close)(sqlite3*) = nullptr;
  int (*close_v2)(sqlite3*) = nullptr;
  int (*set_authorizer)(sqlite3*,
                        int (*)(void*, int, const char*, const char*, const char*, const char*),
                        void*) = nullptr;
  void* (*rollback_hook)(sqlite3*, void (*)(void*), void*) = nullptr;
  const char* (*errmsg)(sqlite3*) = nullptr;
  int (*errcode)(sqlite3*) = nullptr;
  sqlite3_mutex* (*db_mutex)(sqlite3*) = nullptr;
  void (*mutex_enter)(sqlite3_mutex*) = nullptr;
  void (*mutex_leave)(sqlite3_mutex*) = nullptr;
  int (*exec)(sqlite3*, const char*, int (*)(void*, int, char**, char**), void*, char**) = nullptr;
  int (*reset)(sqlite3_stmt*) = nullptr;
  int (*finalize)(sqlite3_stmt*) = nullptr;
  sqlite3* (*db_handle)(sqlite3_stmt*) = nullptr;
  void* (*malloc)(int) = nullptr;
  void (*free)(void*) = nullptr;
  sqlite3_uint64 (*msize)(void*) = nullptr;
  void (*log)(int, const char*, ...) = nullptr;
  int (*threadsafe)() = nullptr;
  const char* (*libversion)() = nullptr;
  int (*libversion_number)() = nullptr;
  char** temp_directory = nullptr;
  char** data_directory = nullptr;
  std::string path;  ///< Of the shared object it was found in; empty if it is part of the program.
  std::uintptr_t begin = 0, end = 0;  ///< Where that object is mapped.

  [[nodiscard]] bool contains(const void* address) const noexcept {
    return reinterpret_cast<std::uintptr_t>(address) - begin < end - begin;
  }
};

/// A loaded object: the program or a shared library.
struct LoadedObject {
  std::uintptr_t begin = 0, end = 0;  ///< Both 0: no object.
  std::string path;                   ///< Empty: the program itself.
};
LoadedObject find_object(const void* address);
/// A handle for dlsym() on an object that is loaded, which stays loaded from now on. nullptr: not
/// to be had.
void* handle_of(const LoadedObject& object) noexcept;

/// The SQLite that `address` is code of. Only functions of that same object are taken: a process
/// can hold two SQLites. The object is kept loaded from now on. Members stay null where it exports
/// nothing.
HostSqlite find_host_sqlite(const void* address);

/// SQLite 3.34, the oldest that is served.
inline constexpr int oldest_sqlite_version = 3034000;

}  // namespace sqlitemem::ext
