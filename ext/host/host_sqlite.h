// The host's own SQLite: the functions that sqlite3ext.h does not carry, found at run time or linked.
#pragma once

#include <sqlite3ext.h>

#include <string>

namespace sqlitemem::ext {

/// Entry points of one loaded SQLite. A null member: that copy does not export it.
struct HostSqlite {
  int (*config)(int, ...) = nullptr;
  int (*initialize)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*auto_extension)(void (*)()) = nullptr;
  int (*cancel_auto_extension)(void (*)()) = nullptr;
  sqlite3_vfs* (*vfs_find)(const char*) = nullptr;
  int (*vfs_register)(sqlite3_vfs*, int) = nullptr;
  sqlite3_int64 (*soft_heap_limit64)(sqlite3_int64) = nullptr;
  sqlite3_int64 (*hard_heap_limit64)(sqlite3_int64) = nullptr;
  sqlite3_int64 (*memory_used)() = nullptr;
  int (*status64)(int, sqlite3_int64*, sqlite3_int64*, int) = nullptr;
  void (*log)(int, const char*, ...) = nullptr;
  int (*threadsafe)() = nullptr;
  const char* (*libversion)() = nullptr;
  int (*libversion_number)() = nullptr;
  char** temp_directory = nullptr;
  char** data_directory = nullptr;
  std::string path;  ///< Of the shared object it was found in; empty if linked statically.
};

}  // namespace sqlitemem::ext
