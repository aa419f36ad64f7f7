// The functions that the preload library puts in front of SQLite's. The work is done in the core,
// so that a process without SQLite has nothing but this.
#include <cstdarg>

#include "ext/host/exported.h"
#include "ext/preload/stub.h"

namespace preload = sqlitemem::ext::preload;

// Who called the present function. A macro, so that it is the right return address.
#define SQLITEMEM_CALLER __builtin_extract_return_addr(__builtin_return_address(0))

SQLITEMEM_EXPORT int sqlite3_initialize() {
  const void* caller = SQLITEMEM_CALLER;
  if (preload::straight_through.holds_for(caller)) [[likely]] {
    return preload::straight_through.initialize.load(std::memory_order_relaxed)();
  }
  return preload::core().initialize(caller);
}

SQLITEMEM_EXPORT int sqlite3_open(const char* file, sqlite3** db) {
  return preload::core().open(SQLITEMEM_CALLER, file, db);
}

SQLITEMEM_EXPORT int sqlite3_open_v2(const char* file, sqlite3** db, int flags, const char* vfs) {
  return preload::core().open_v2(SQLITEMEM_CALLER, file, db, flags, vfs);
}

SQLITEMEM_EXPORT int sqlite3_open16(const void* file, sqlite3** db) {
  return preload::core().open16(SQLITEMEM_CALLER, file, db);
}

// No option has more than three arguments, each an integer or a pointer: three words carry them
// all, on every calling convention that passes the first arguments of a variadic function like
// those of any other.
SQLITEMEM_EXPORT int sqlite3_config(int option, ...) {
  std::va_list arguments;
  va_start(arguments, option);
  void* first = va_arg(arguments, void*);
  void* second = va_arg(arguments, void*);
  void* third = va_arg(arguments, void*);
  va_end(arguments);
  return preload::core().config(SQLITEMEM_CALLER, option, first, second, third);
}

SQLITEMEM_EXPORT void sqlite3_reset_auto_extension() {
  preload::core().reset_auto_extension(SQLITEMEM_CALLER);
}

SQLITEMEM_EXPORT sqlite3_int64 sqlite3_memory_used() {
  return preload::core().memory_used(SQLITEMEM_CALLER);
}

SQLITEMEM_EXPORT sqlite3_int64 sqlite3_memory_highwater(int reset) {
  return preload::core().memory_highwater(SQLITEMEM_CALLER, reset);
}

SQLITEMEM_EXPORT int sqlite3_status64(int what, sqlite3_int64* now, sqlite3_int64* highest,
                                      int reset) {
  return preload::core().status64(SQLITEMEM_CALLER, what, now, highest, reset);
}

SQLITEMEM_EXPORT int sqlite3_status(int what, int* now, int* highest, int reset) {
  return preload::core().status(SQLITEMEM_CALLER, what, now, highest, reset);
}

SQLITEMEM_EXPORT sqlite3_int64 sqlite3_soft_heap_limit64(sqlite3_int64 bytes) {
  return preload::core().soft_heap_limit64(SQLITEMEM_CALLER, bytes);
}

SQLITEMEM_EXPORT sqlite3_int64 sqlite3_hard_heap_limit64(sqlite3_int64 bytes) {
  return preload::core().hard_heap_limit64(SQLITEMEM_CALLER, bytes);
}

SQLITEMEM_EXPORT void sqlite3_soft_heap_limit(int bytes) {
  preload::core().soft_heap_limit(SQLITEMEM_CALLER, bytes);
}

SQLITEMEM_EXPORT int sqlite3_release_memory(int bytes) {
  return preload::core().release_memory(SQLITEMEM_CALLER, bytes);
}

SQLITEMEM_EXPORT int sqlite3_reset(sqlite3_stmt* statement) {
  return preload::core().reset(SQLITEMEM_CALLER, statement);
}

SQLITEMEM_EXPORT int sqlite3_finalize(sqlite3_stmt* statement) {
  return preload::core().finalize(SQLITEMEM_CALLER, statement);
}

SQLITEMEM_EXPORT int sqlite3_exec(sqlite3* db, const char* sql,
                                  int (*callback)(void*, int, char**, char**), void* argument,
                                  char** error) {
  return preload::core().exec(SQLITEMEM_CALLER, db, sql, callback, argument, error);
}
