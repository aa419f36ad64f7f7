// Refuses one request for memory of SQLite's: the n-th from now on.
#pragma once

#include <sqlite3.h>

#include "tests/support/catch.h"

namespace sqlitemem::tests {

/// In front of SQLite's allocator: the n-th request from now on is refused, once.
struct Faults {
  static inline sqlite3_mem_methods real;
  static inline long left = -1;
  static void* allocate(int bytes) {
    return left >= 0 && left-- == 0 ? nullptr : real.xMalloc(bytes);
  }
  static void* resize(void* block, int bytes) {
    return left >= 0 && left-- == 0 ? nullptr : real.xRealloc(block, bytes);
  }
  static void install() {
    if (real.xMalloc != nullptr) return;
    REQUIRE(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) == SQLITE_OK);
    sqlite3_mem_methods methods = real;
    methods.xMalloc = allocate;
    methods.xRealloc = resize;
    REQUIRE(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
  }
};

}  // namespace sqlitemem::tests
