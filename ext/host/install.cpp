// sqlite3_config() before sqlite3_initialize(), step by step.
#include "ext/host/install.h"

#include "ext/host/attach.h"
#include "ext/host/heap_hook.h"

namespace sqlitemem::ext {

InstallOutcome install_before_start(const HostSqlite& host, ProgramAllocator policy,
                                    bool is_memstatus_off) {
  if (host.config == nullptr || host.libversion_number == nullptr || host.libversion == nullptr) {
    return {SQLITE_ERROR, "This SQLite does not export sqlite3_config()."};
  }
  if (host.libversion_number() < oldest_sqlite_version) {
    return {SQLITE_ERROR, "sqlitemem needs SQLite 3.34 or later; this is " +
                              std::string(host.libversion()) + "."};
  }
  sqlite3_mem_methods methods_before{};
  if (const int rc = host.config(SQLITE_CONFIG_GETMALLOC, &methods_before); rc != SQLITE_OK) {
    return {rc, "SQLite was initialised before sqlitemem could be installed."};
  }
  // Ours already, when a program that embeds us has shut SQLite down.
  if (!has_our_functions(methods_before)) {
    if (policy == ProgramAllocator::keep &&
        !host.contains(reinterpret_cast<const void*>(methods_before.xMalloc))) {
      return {SQLITE_MISUSE, host_allocator_reason};
    }
    set_previous_methods(methods_before);
  }
  set_corruption_log(host.log);
  if (const int rc = host.config(SQLITE_CONFIG_MALLOC, &heap_methods(is_memstatus_off));
      rc != SQLITE_OK) {
    return {rc, "sqlite3_config(SQLITE_CONFIG_MALLOC) answered " + std::to_string(rc) + "."};
  }
  if (is_memstatus_off) host.config(SQLITE_CONFIG_MEMSTATUS, 0);
  return {};
}

}  // namespace sqlitemem::ext
