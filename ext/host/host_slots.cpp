// Puts our authorizer into a connection's place and the program's back.
#include "ext/host/host_slots.h"

#include <sqlite3ext.h>

#include "ext/host/core.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

[[gnu::tls_model("initial-exec")]] constinit thread_local int opening_depth = 0;

// SQLite's own table of functions may lead back to the preload library, which would take our calls
// for the program's.
auto real_set_authorizer() {
  const auto found = served_functions().set_authorizer;
  return found != nullptr ? found : sqlite3_set_authorizer;
}
auto real_rollback_hook() {
  const auto found = served_functions().rollback_hook;
  return found != nullptr ? found : sqlite3_rollback_hook;
}

}  // namespace

void HostSlots::take(sqlite3* db, Authorizer ours, void* argument) noexcept {
  real_set_authorizer()(db, ours, argument);
  is_ours_ = true;
  if (rollback_hook != nullptr) real_rollback_hook()(db, nullptr, nullptr);
}

void HostSlots::give_back_hook(sqlite3* db) noexcept {
  if (rollback_hook != nullptr) real_rollback_hook()(db, rollback_hook, rollback_argument);
}

void HostSlots::give_back(sqlite3* db) noexcept {
  if (!is_ours_) return;
  real_set_authorizer()(db, authorizer, authorizer_argument);
  is_ours_ = false;
}

// Elsewhere the stub has no entry for the authorizer.
bool is_opening_through_us() noexcept {
#if defined(__x86_64__)
  return opening_depth > 0;
#else
  return false;
#endif
}
OpeningThroughUs::OpeningThroughUs() noexcept { ++opening_depth; }
OpeningThroughUs::~OpeningThroughUs() { --opening_depth; }

}  // namespace sqlitemem::ext
