// Which SQLite a call means. Several may be loaded, and all their callers come through the same
// interposed names.
#include <dlfcn.h>

#include <array>
#include <atomic>
#include <utility>

#include "allocators/base/lock.h"
#include "ext/host/preload.h"

namespace sqlitemem::ext::preload {
namespace {

/// Append-only: readers take no lock. Elements are leaked, because callers may come until the
/// process ends.
template <class Element, std::size_t capacity>
class AppendOnly {
 public:
  /// The first element that `matches`, or nullptr.
  template <class Predicate>
  const Element* find(Predicate matches) const noexcept {
    const std::size_t count = count_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < count; ++i) {
      if (matches(*elements_[i])) return elements_[i];
    }
    return nullptr;
  }
  [[nodiscard]] std::size_t size() const noexcept { return count_.load(std::memory_order_acquire); }
  [[nodiscard]] const Element* first() const noexcept {
    return size() == 0 ? nullptr : elements_[0];
  }
  /// Under one lock for all writers. nullptr: full.
  const Element* append(Element element) {
    const std::size_t count = count_.load(std::memory_order_relaxed);
    if (count == capacity) return nullptr;
    elements_[count] = new Element(std::move(element));
    count_.store(count + 1, std::memory_order_release);
    return elements_[count];
  }

 private:
  std::array<const Element*, capacity> elements_{};
  std::atomic<std::size_t> count_{0};
};

/// A piece of code, and the SQLite that it was found to mean.
struct Caller {
  std::uintptr_t begin, end;
  const HostSqlite* sqlite;
};

constinit Lock lists_lock;
constinit AppendOnly<HostSqlite, 8> sqlites;
constinit AppendOnly<Caller, 64> callers;

const HostSqlite* known_sqlite(const void* address) noexcept {
  return sqlites.find([address](const HostSqlite& sqlite) { return sqlite.contains(address); });
}

/// The SQLite that has the function at `address`, known or new. The loader is asked outside our
/// lock: it has one of its own, and a library's constructor, which runs under that, may be calling
/// us.
const HostSqlite* sqlite_with(const void* address) {
  if (address == nullptr) return nullptr;
  if (const HostSqlite* known = known_sqlite(address)) return known;
  HostSqlite found = find_host_sqlite(address);
  const LockGuard guard(lists_lock);
  if (const HostSqlite* known = known_sqlite(address)) return known;
  const HostSqlite* appended = sqlites.append(std::move(found));
  if (sqlites.size() > 1) reset_slots();
  return appended;
}

/// A function that we do not interpose, seen from the caller's object; then wherever SQLite may be.
const void* visible_sqlite(const LoadedObject& object) {
  constexpr const char* name = "sqlite3_libversion";
  if (void* handle = handle_of(object)) {
    if (const void* linked = ::dlsym(handle, name)) return linked;
  }
  if (const void* global = ::dlsym(RTLD_DEFAULT, name)) return global;
  if (sqlites.size() == 1) return reinterpret_cast<const void*>(sqlites.first()->libversion);
  // Loaded with RTLD_LOCAL, as Python's module and its dependencies are.
  void* library = ::dlopen("libsqlite3.so.0", RTLD_LAZY | RTLD_NOLOAD);
  return library == nullptr ? nullptr : ::dlsym(library, name);
}

const HostSqlite* resolve(const void* caller) {
  const LoadedObject object = find_object(caller);
  const HostSqlite* sqlite = sqlite_with(visible_sqlite(object));
  if (sqlite == nullptr || object.end == 0) return sqlite;
  const LockGuard guard(lists_lock);
  callers.append(
      {object.begin, object.end, sqlite});  // Twice, if two threads come at once: no harm.
  return sqlite;
}

}  // namespace

bool is_only_sqlite() noexcept { return sqlites.size() == 1; }

const HostSqlite* real_sqlite(const void* caller) noexcept {
  if (const HostSqlite* inside = known_sqlite(caller)) return inside;
  const auto address = reinterpret_cast<std::uintptr_t>(caller);
  const Caller* known = callers.find([address](const Caller& candidate) {
    return address - candidate.begin < candidate.end - candidate.begin;
  });
  if (known != nullptr) return known->sqlite;
  try {
    return resolve(caller);
  } catch (...) {
    return nullptr;
  }
}

}  // namespace sqlitemem::ext::preload
