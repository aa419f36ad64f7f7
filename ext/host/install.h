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

/// Gives `host` our heap with sqlite3_config(). Does not start SQLite, nor the heap: that is for
/// xInit, so that a program which never uses SQLite pays nothing. After a failure SQLite is as it
/// was.
InstallOutcome install_before_start(const HostSqlite& host, ProgramAllocator policy,
                                    bool is_memstatus_off);

}  // namespace sqlitemem::ext
