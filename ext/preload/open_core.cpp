// Finds and opens the core beside the stub, with the first call that a program makes to SQLite.
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "ext/preload/stub.h"

namespace sqlitemem::ext::preload {
namespace {

constinit std::atomic<const Interface*> opened{nullptr};

struct Root {
  dev_t device = 0;
  ino_t inode = 0;

  friend bool operator==(const Root&, const Root&) = default;
};
constinit Root root_at_start;

Root root_now() noexcept {
  struct stat status;
  if (::stat("/", &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

// The one thing that a process without SQLite pays for. After a chroot() our path may name another
// file, and that may be anybody's.
__attribute__((constructor)) void remember_root() { root_at_start = root_now(); }

/// The core's file, or why there is none.
struct Place {
  char path[2 * PATH_MAX];  // Not set to zero: that would touch two pages of stack.
  const char* problem = nullptr;
};

void set_path(Place& place, const char* directory, std::size_t length, const char* file) noexcept {
  const std::size_t file_bytes = std::strlen(file) + 1;
  if (length + 1 + file_bytes > sizeof place.path) {
    place.problem = "the path is too long";
    return;
  }
  std::memcpy(place.path, directory, length);
  place.path[length] = '/';
  std::memcpy(place.path + length + 1, file, file_bytes);
}

/// Our own file as the loader found it. Its name alone would not do: LD_PRELOAD=./library is
/// relative to where the process started, and the loader has kept that.
void find_stub(Place& place) noexcept {
  Dl_info self{};
  if (::dladdr(&opened, &self) == 0 || self.dli_fname == nullptr) {
    place.problem = "the loader does not know the preload library";
    return;
  }
  const char* slash = std::strrchr(self.dli_fname, '/');
  const char* file = slash == nullptr ? self.dli_fname : slash + 1;
  void* handle = ::dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  // At most the current directory and a relative name, each shorter than PATH_MAX.
  char origin[2 * PATH_MAX];
  if (handle == nullptr || ::dlinfo(handle, RTLD_DI_ORIGIN, origin) != 0 || origin[0] != '/') {
    place.problem = "the loader does not know the directory of the preload library";
  } else {
    set_path(place, origin, std::strlen(origin), file);
  }
  if (handle != nullptr) ::dlclose(handle);
}

/// Beside the stub, as built, or in the directory of the loadable modules, as installed.
void find_core(Place& place) noexcept {
  if (root_now() != root_at_start) {
    place.problem = "the process has changed its root directory since it started";
    return;
  }
  find_stub(place);
  if (place.problem != nullptr) return;
  char stub[PATH_MAX];
  if (::realpath(place.path, stub) == nullptr) {  // What we are a link to has the core beside it.
    place.problem = "the preload library's file is no longer where it was";
    return;
  }
  const auto length = static_cast<std::size_t>(std::strrchr(stub, '/') - stub);
  const char* const names[] = {"sqlitemem.so", "sqlitemem/sqlitemem.so"};
  bool is_there = false;
  for (std::size_t i = 0; i < std::size(names) && !is_there; ++i) {
    set_path(place, stub, length, names[i]);
    is_there = place.problem != nullptr || ::access(place.path, F_OK) == 0;
  }
  if (is_there) return;
  place.problem = "sqlitemem.so is neither beside the preload library nor in sqlitemem/ there";
}

const Interface* open_at(Place& place) noexcept {
  void* handle = ::dlopen(place.path, RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) {
    place.problem = ::dlerror();
    return nullptr;
  }
  const auto get = reinterpret_cast<GetInterface>(::dlsym(handle, "sqlitemem_preload_v1"));
  const Interface* found = get == nullptr ? nullptr : get(&straight_through);
  if (found == nullptr || found->bytes < sizeof(Interface)) {
    place.problem = "the sqlitemem.so there is of an older version";
    return nullptr;
  }
  return found;
}

// Holds no lock: the loader has one, which fork() and constructors of libraries get right. Threads
// that come at once find the same core.
const Interface& open_core() noexcept {
  Place place;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  find_core(place);
  const Interface* found = place.problem == nullptr ? open_at(place) : nullptr;
  const Interface* chosen = found == nullptr ? &forward_only : found;
  const Interface* before = nullptr;
  if (!opened.compare_exchange_strong(before, chosen, std::memory_order_acq_rel)) return *before;
  if (found == nullptr) {
    // Like the loader's own complaint about a library that it cannot preload: SQLite has no place
    // where this could be asked for.
    ::dprintf(STDERR_FILENO, "sqlitemem: preloaded, but SQLite goes on without it: %s\n",
              place.problem == nullptr ? "unknown error" : place.problem);
  }
  return *chosen;
}

}  // namespace

constinit StraightThrough straight_through;

const Interface& core() noexcept {
  const Interface* interface = opened.load(std::memory_order_acquire);
  return interface != nullptr ? *interface : open_core();
}

}  // namespace sqlitemem::ext::preload
