// Installing before SQLite starts: what the preload library and embedding programs do.
#pragma once

#include <string>

#include "ext/host/host_sqlite.h"

namespace sqlitemem::ext {

struct InstallOutcome {
  int rc =
      SQLITE_OK;  ///< SQLITE_MISUSE: SQLite runs already, or (preload) has the program's allocator.
  std::string reason;  ///< Why it failed, in full sentences; "" on success.
};

enum class ProgramAllocator {
  keep,
  replace
};  ///< What to do with an allocator that the program has configured.

/// Gives `host`, which is not initialised, our page cache. SQLITE_OK also where it keeps its own:
/// option buffer_pool is off, or the program has one and `policy` is to keep it.
int install_page_cache(const HostSqlite& host, ProgramAllocator policy) noexcept;
/// Undoes that.
void restore_page_cache(const HostSqlite& host) noexcept;

/// Gives `host` our heap with sqlite3_config(). Does not start SQLite, nor the heap: that is for
/// xInit, so that a program which never uses SQLite pays nothing. After a failure SQLite is as it
/// was.
InstallOutcome install_before_start(const HostSqlite& host, ProgramAllocator policy,
                                    bool is_memstatus_off);

}  // namespace sqlitemem::ext
