// sqlite3_config() before sqlite3_initialize(), step by step.
#include "ext/host/install.h"

#include "allocators/config.h"
#include "ext/host/attach.h"
#include "ext/host/heap_hook.h"
#include "ext/host/page_cache_hook.h"

namespace sqlitemem::ext {

int install_page_cache(const HostSqlite& host, ProgramAllocator policy) noexcept {
  if (option(&Config::buffer_pool) == 0) return SQLITE_OK;
  sqlite3_pcache_methods2 before{};
  if (const int rc = host.config(SQLITE_CONFIG_GETPCACHE2, &before); rc != SQLITE_OK) return rc;
  if (is_our_page_cache(before)) return SQLITE_OK;
  // A page cache of the program's own stays: that is what it wants.
  if (policy == ProgramAllocator::keep &&
      !host.contains(reinterpret_cast<const void*>(before.xFetch)))
    return SQLITE_OK;
  set_previous_page_cache(before);
  return host.config(SQLITE_CONFIG_PCACHE2, &page_cache_methods());
}

void restore_page_cache(const HostSqlite& host) noexcept {
  if (previous_page_cache().xFetch != nullptr)
    host.config(SQLITE_CONFIG_PCACHE2, &previous_page_cache());
}

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
  if (const int rc = install_page_cache(host, policy); rc != SQLITE_OK) {
    host.config(SQLITE_CONFIG_MALLOC, &previous_methods());
    if (is_memstatus_off) host.config(SQLITE_CONFIG_MEMSTATUS, 1);
    return {rc, "sqlite3_config(SQLITE_CONFIG_PCACHE2) answered " + std::to_string(rc) + "."};
  }
  return {};
}

}  // namespace sqlitemem::ext
