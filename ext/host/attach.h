// The live take-over: a running SQLite is restarted on our heap, with everything it had, or left as
// it was.
#pragma once

#include <optional>
#include <string>

#include "ext/host/host_sqlite.h"

namespace sqlitemem::ext {

struct AttachOutcome {
  bool is_attached = false;
  std::string reason;  ///< Full sentences: what is served now, or why SQLite was left alone.
};

/// Restarts `host` on our heap: sqlite3_shutdown, sqlite3_config, sqlite3_initialize. Open
/// connections, statements and transactions go on, because blocks from before are recognised by
/// address and go to the previous allocator.
///
/// Requires: called by the process's only thread, from within SQLite's loading of an extension or
/// from outside SQLite. After a failure SQLite runs on its previous allocator, with default VFS,
/// limits and directories as they were.
AttachOutcome attach(const HostSqlite& host);

/// The first reason why attach() would be unsafe or would lose something; nullopt: none. Changes
/// nothing that lasts.
std::optional<std::string> reason_not_to_attach(const HostSqlite& host);

/// Said when SQLite's allocator is not its own.
inline constexpr const char* host_allocator_reason =
    "The program has given SQLite an allocator of its own, and replacing it might lose what that "
    "one keeps.";

/// Threads of this process, from /proc/self/task; 0 if that cannot be read.
std::size_t count_threads();

}  // namespace sqlitemem::ext
