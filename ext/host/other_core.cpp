// Looks for another copy of sqlitemem among the loaded objects: preloaded, embedded, or loaded from
// another path.
#include <dlfcn.h>
#include <link.h>

#include <string>
#include <vector>

#include "ext/host/core.h"

namespace sqlitemem::ext {
namespace {

int collect_name(dl_phdr_info* info, std::size_t, void* argument) {
  auto& names = *static_cast<std::vector<std::string>*>(argument);
  names.emplace_back(info->dlpi_name == nullptr ? "" : info->dlpi_name);
  return 0;
}

/// The core that the object at `path` ("": the program) exports or depends on; our own is no other.
const CoreInterface* core_of(const std::string& path) {
  void* handle =
      path.empty() ? ::dlopen(nullptr, RTLD_LAZY) : ::dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return nullptr;
  const auto get =
      reinterpret_cast<const CoreInterface* (*)() noexcept>(::dlsym(handle, "sqlitemem_core_v1"));
  const CoreInterface* core = get == nullptr ? nullptr : get();
  if (core == &own_core()) core = nullptr;
  // A core stays loaded (-z nodelete), so its handle need not be kept.
  ::dlclose(handle);
  return core;
}

}  // namespace

const CoreInterface* find_other_core(std::uintptr_t sqlite) {
  // Names first: dlopen() inside the iteration would take the loader's locks in the wrong order.
  std::vector<std::string> names;
  ::dl_iterate_phdr(collect_name, &names);
  const CoreInterface* idle = nullptr;
  for (const std::string& name : names) {
    const CoreInterface* core = core_of(name);
    if (core == nullptr || core->bytes < sizeof(CoreInterface)) continue;
    const std::uintptr_t served = core->served_sqlite();
    if (served == sqlite) return core;
    if (served == 0) idle = core;
  }
  return idle;
}

}  // namespace sqlitemem::ext
