// Between the two halves of the preload library: the stub, which is in every process, and the core,
// which is opened in those that use SQLite.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "ext/preload/slots.h"

namespace sqlitemem::ext::preload {

/// The one interposed function that SQLite itself calls with every sqlite3_malloc(), also while it
/// starts and holds its own mutexes: once our heap is installed, the calls of the SQLite that we
/// serve go straight on. It lies in the stub, the core fills it in. `bytes` is 0 before.
struct StraightThrough {
  std::atomic<std::uintptr_t> begin{0}, bytes{0};
  std::atomic<int (*)()> initialize{nullptr};

  [[nodiscard]] bool holds_for(const void* caller) const noexcept {
    return reinterpret_cast<std::uintptr_t>(caller) - begin.load(std::memory_order_relaxed) <
           bytes.load(std::memory_order_acquire);
  }
};

/// The interposed functions. Each gets the address that it will return to, which says whose SQLite
/// is meant. Only added to, never changed: the halves may be of different versions.
struct Interface {
  std::size_t bytes;  ///< sizeof(Interface) of the half that fills it in.
  int (*initialize)(const void* caller);
  int (*open)(const void* caller, const char* file, sqlite3** db);
  int (*open_v2)(const void* caller, const char* file, sqlite3** db, int flags, const char* vfs);
  int (*open16)(const void* caller, const void* file, sqlite3** db);
  int (*config)(const void* caller, int option, void* first, void* second, void* third);
  void (*reset_auto_extension)(const void* caller);
  sqlite3_int64 (*memory_used)(const void* caller);
  sqlite3_int64 (*memory_highwater)(const void* caller, int reset);
  int (*status)(const void* caller, int what, int* now, int* highest, int reset);
  int (*status64)(const void* caller, int what, sqlite3_int64* now, sqlite3_int64* highest,
                  int reset);
  sqlite3_int64 (*soft_heap_limit64)(const void* caller, sqlite3_int64 bytes);
  sqlite3_int64 (*hard_heap_limit64)(const void* caller, sqlite3_int64 bytes);
  void (*soft_heap_limit)(const void* caller, int bytes);
  int (*release_memory)(const void* caller, int bytes);
  int (*reset)(const void* caller, sqlite3_stmt* statement);
  int (*finalize)(const void* caller, sqlite3_stmt* statement);
  int (*exec)(const void* caller, sqlite3* db, const char* sql,
              int (*callback)(void*, int, char**, char**), void* argument, char** error);
  FindTarget find_target;
};

/// What the core exports as sqlitemem_preload_v1().
using GetInterface = const Interface* (*)(StraightThrough* straight_through);

}  // namespace sqlitemem::ext::preload
