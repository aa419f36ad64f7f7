// Our page-cache methods as a shared library, called through pointers as SQLite calls them.
#include <sqlite3ext.h>

#include <cstdio>
#include <string>

#include "allocators/config.h"
#include "allocators/manager/process_heap.h"
#include "ext/host/page_cache_hook.h"

// Stays null: no connection is opened.
SQLITE_EXTENSION_INIT1

/// Starts the heap and the pool; nullptr if that fails. The pool's budget comes from the
/// environment.
extern "C" __attribute__((visibility("default"))) const sqlite3_pcache_methods2*
sqlitemem_bench_pool() {
  using sqlitemem::MemoryManager;
  std::string problems;
  sqlitemem::read_environment(&problems);
  if (!problems.empty()) std::fprintf(stderr, "%s\n", problems.c_str());
  const MemoryManager::StartResult result = sqlitemem::start_process_heap();
  if (result != MemoryManager::StartResult::ok &&
      result != MemoryManager::StartResult::already_started) {
    return nullptr;
  }
  const sqlite3_pcache_methods2& methods = sqlitemem::ext::page_cache_methods();
  methods.xInit(methods.pArg);
  return sqlitemem::ext::pool_is_ours() ? &methods : nullptr;
}
