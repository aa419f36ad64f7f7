// Finds the functions of one particular SQLite among the loaded objects, by address and not by name
// alone.
#include "ext/host/host_sqlite.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>

namespace sqlitemem::ext {
namespace {

struct Search {
  std::uintptr_t address;
  LoadedObject found;
};

int compare_object(dl_phdr_info* info, std::size_t, void* argument) {
  auto& search = *static_cast<Search*>(argument);
  std::uintptr_t begin = UINTPTR_MAX;
  std::uintptr_t end = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    begin = std::min<std::uintptr_t>(begin, info->dlpi_addr + segment.p_vaddr);
    end = std::max<std::uintptr_t>(end, info->dlpi_addr + segment.p_vaddr + segment.p_memsz);
  }
  if (search.address < begin || search.address >= end) return 0;
  search.found = {begin, end, info->dlpi_name == nullptr ? "" : info->dlpi_name};
  return 1;
}

/// Takes functions from one object and no other.
class Symbols {
 public:
  Symbols(void* handle, const HostSqlite& host) : handle_(handle), host_(host) {}

  template <class Function>
  void find(Function*& out, const char* name) const {
    void* address = ::dlsym(handle_, name);
    if (address != nullptr && host_.contains(address)) out = reinterpret_cast<Function*>(address);
  }

  /// A variable may have been copied into the program at link time; SQLite itself then uses that
  /// copy.
  void find_variable(char**& out, const char* name) const {
    void* address = ::dlsym(RTLD_DEFAULT, name);
    if (address == nullptr) address = ::dlsym(handle_, name);
    out = static_cast<char**>(address);
  }

 private:
  void* handle_;
  const HostSqlite& host_;
};

}  // namespace

LoadedObject find_object(const void* address) {
  Search search{reinterpret_cast<std::uintptr_t>(address), {}};
  ::dl_iterate_phdr(compare_object, &search);
  return search.found;
}

// Never closed: blocks of a SQLite's own allocator are handed back to it until the process ends.
void* handle_of(const LoadedObject& object) noexcept {
  if (object.end == 0) return nullptr;
  if (object.path.empty()) return ::dlopen(nullptr, RTLD_LAZY);
  return ::dlopen(object.path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
}

HostSqlite find_host_sqlite(const void* address) {
  HostSqlite host;
  const LoadedObject object = find_object(address);
  host.begin = object.begin;
  host.end = object.end;
  host.path = object.path;
  void* handle = handle_of(object);
  if (handle == nullptr) return host;

  const Symbols symbols(handle, host);
  symbols.find(host.config, "sqlite3_config");
  symbols.find(host.initialize, "sqlite3_initialize");
  symbols.find(host.shutdown, "sqlite3_shutdown");
  symbols.find(host.auto_extension, "sqlite3_auto_extension");
  symbols.find(host.cancel_auto_extension, "sqlite3_cancel_auto_extension");
  symbols.find(host.reset_auto_extension, "sqlite3_reset_auto_extension");
  symbols.find(host.vfs_find, "sqlite3_vfs_find");
  symbols.find(host.vfs_register, "sqlite3_vfs_register");
  symbols.find(host.soft_heap_limit64, "sqlite3_soft_heap_limit64");
  symbols.find(host.hard_heap_limit64, "sqlite3_hard_heap_limit64");
  symbols.find(host.soft_heap_limit, "sqlite3_soft_heap_limit");
  symbols.find(host.release_memory, "sqlite3_release_memory");
  symbols.find(host.memory_used, "sqlite3_memory_used");
  symbols.find(host.memory_highwater, "sqlite3_memory_highwater");
  symbols.find(host.status, "sqlite3_status");
  symbols.find(host.status64, "sqlite3_status64");
  symbols.find(host.open, "sqlite3_open");
  symbols.find(host.open_v2, "sqlite3_open_v2");
  symbols.find(host.open16, "sqlite3_open16");
  symbols.find(host.close, "sqlite3_close");
  symbols.find(host.close_v2, "sqlite3_close_v2");
  symbols.find(host.set_authorizer, "sqlite3_set_authorizer");
  symbols.find(host.rollback_hook, "sqlite3_rollback_hook");
  symbols.find(host.errmsg, "sqlite3_errmsg");
  symbols.find(host.errcode, "sqlite3_errcode");
  symbols.find(host.db_mutex, "sqlite3_db_mutex");
  symbols.find(host.mutex_enter, "sqlite3_mutex_enter");
  symbols.find(host.mutex_leave, "sqlite3_mutex_leave");
  symbols.find(host.exec, "sqlite3_exec");
  symbols.find(host.reset, "sqlite3_reset");
  symbols.find(host.finalize, "sqlite3_finalize");
  symbols.find(host.db_handle, "sqlite3_db_handle");
  symbols.find(host.malloc, "sqlite3_malloc");
  symbols.find(host.free, "sqlite3_free");
  symbols.find(host.msize, "sqlite3_msize");
  symbols.find(host.log, "sqlite3_log");
  symbols.find(host.threadsafe, "sqlite3_threadsafe");
  symbols.find(host.libversion, "sqlite3_libversion");
  symbols.find(host.libversion_number, "sqlite3_libversion_number");
  symbols.find_variable(host.temp_directory, "sqlite3_temp_directory");
  symbols.find_variable(host.data_directory, "sqlite3_data_directory");
  return host;
}

}  // namespace sqlitemem::ext
