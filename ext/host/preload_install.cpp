// Under preload: our heap goes in before SQLite starts, our tables are registered right after.
#include <atomic>
#include <string>

#include "allocators/base/lock.h"
#include "allocators/config.h"
#include "ext/host/core.h"
#include "ext/host/environment.h"
#include "ext/host/heap_hook.h"
#include "ext/host/install.h"
#include "ext/host/memory_limits.h"
#include "ext/host/mode.h"
#include "ext/host/preload.h"
#include "ext/host/preload_plans.h"
#include "ext/host/preload_pressure.h"

namespace sqlitemem::ext::preload {
namespace {

constinit Lock install_lock;
constinit std::atomic<bool> is_tried{false};
constinit std::atomic<const HostSqlite*> installed_sqlite{nullptr};
constinit std::atomic<StraightThrough*> straight_through{nullptr};
// Whether our tables are registered since SQLite last started.
constinit Lock register_lock;
constinit std::atomic<bool> is_registered{false};

// A restart forgets auto-extensions. Called by xInit: must not call SQLite, but for the setting
// that SQLite reads later.
void sqlite_starts() noexcept {
  is_registered.store(false, std::memory_order_release);
  const HostSqlite* sqlite = installed_sqlite.load(std::memory_order_acquire);
  if (!heap_hook_is_forwarding() || memory_accounting() == Accounting::sqlite || sqlite == nullptr)
    return;
  // No heap of ours, so no counters of ours: SQLite counts for itself again. It is not initialised
  // yet.
  sqlite->config(SQLITE_CONFIG_MEMSTATUS, 1);
  set_accounting(Accounting::sqlite);
}

constexpr const char* preload_success =
    "The preload library gave SQLite this heap before SQLite started.";

void install(const HostSqlite& sqlite) {
  read_environment_once();
  const bool is_off = option_as<Memstatus>(&Config::memstatus) != Memstatus::on;
  set_init_observer(sqlite_starts);
  const InstallOutcome outcome = install_before_start(sqlite, ProgramAllocator::keep, is_off);
  installed_sqlite.store(&sqlite, std::memory_order_release);
  keep_limits_of(sqlite);
  if (outcome.rc == SQLITE_OK) {
    if (is_off) set_accounting(Accounting::sqlitemem);
    set_mode(Mode::managed, preload_success);
  } else {
    set_mode(Mode::observing, "The preload library is here, but: " + outcome.reason);
  }
}

/// The first SQLite that is used is ours; once.
void install_once(const HostSqlite& sqlite) noexcept {
  if (is_tried.load(std::memory_order_acquire)) return;
  const LockGuard guard(install_lock);
  if (is_tried.load(std::memory_order_relaxed)) return;
  if (!claim_sqlite(sqlite)) return;
  try {
    install(sqlite);
  } catch (...) {  // No memory for a sentence. SQLite goes on, with or without us.
  }
  if (StraightThrough* stub = straight_through.load()) {
    stub->initialize.store(sqlite.initialize);
    stub->begin.store(sqlite.begin);
    stub->bytes.store(sqlite.end - sqlite.begin, std::memory_order_release);
  }
  is_tried.store(true, std::memory_order_release);
}

/// Requires: SQLite is initialised and no mutex of it is held by this thread. When it returns,
/// every connection opened from now on gets our tables, whichever thread was first.
void register_tables(const HostSqlite& sqlite) noexcept {
  if (is_registered.load(std::memory_order_acquire) || sqlite.auto_extension == nullptr) return;
  const LockGuard guard(register_lock);
  if (is_registered.load(std::memory_order_relaxed)) return;
  const bool is_done = sqlite.auto_extension(new_connection_hook()) == SQLITE_OK;
  is_registered.store(is_done, std::memory_order_release);
}

}  // namespace

void adopt(StraightThrough* stub) noexcept { straight_through.store(stub); }

int initialize(const HostSqlite& sqlite) noexcept {
  if (!is_served(sqlite)) {
    install_once(sqlite);
    if (!is_served(sqlite)) return sqlite.initialize();  // Another SQLite: none of our business.
  }
  const int rc = sqlite.initialize();
  if (rc == SQLITE_OK) {
    decide_plan_cache(sqlite);  // Before our tables come to new connections: it opens one.
    offer_safe_points();
    register_tables(sqlite);
  }
  return rc;
}

int initialize_from_within(const HostSqlite& sqlite) noexcept {
  install_once(sqlite);
  return sqlite.initialize();
}

int configure(const HostSqlite& sqlite, int option, void* first, void* second,
              void* third) noexcept {
  install_once(sqlite);
  const int rc = sqlite.config(option, first, second, third);
  if (rc != SQLITE_OK || !is_served(sqlite)) return rc;
  if (option == SQLITE_CONFIG_MALLOC) {
    set_host_allocator(!is_our_table(*static_cast<const sqlite3_mem_methods*>(first)));
  }
  // The program wants SQLite's own accounting: an explicit wish stands above our default.
  if (option == SQLITE_CONFIG_MEMSTATUS) {
    const bool is_off = static_cast<int>(reinterpret_cast<std::intptr_t>(first)) == 0;
    set_accounting(is_off ? Accounting::sqlitemem : Accounting::sqlite);
  }
  return rc;
}

void reset_auto_extensions(const HostSqlite& sqlite) noexcept {
  sqlite.reset_auto_extension();
  if (is_served(sqlite) && is_registered.load()) sqlite.auto_extension(new_connection_hook());
}

}  // namespace sqlitemem::ext::preload
