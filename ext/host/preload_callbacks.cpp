// Remembers what the program sets on a connection, so that a kill need not take it away for good.
#include "ext/host/preload_callbacks.h"

#include <atomic>

#include "ext/host/connection_entry.h"
#include "ext/host/core.h"
#include "ext/host/preload_plans.h"
#include "ext/host/transaction_kill.h"

namespace sqlitemem::ext::preload {
namespace {

/// The connection's mutex, so that what is remembered is what SQLite has. A connection without one
/// is used by one thread at a time, as its owner promised.
class InsideConnection {
 public:
  InsideConnection(const HostSqlite& sqlite, sqlite3* db)
      : sqlite_(sqlite), mutex_(sqlite.db_mutex(db)) {
    sqlite_.mutex_enter(mutex_);
  }
  ~InsideConnection() { sqlite_.mutex_leave(mutex_); }
  InsideConnection(const InsideConnection&) = delete;
  InsideConnection& operator=(const InsideConnection&) = delete;

 private:
  const HostSqlite& sqlite_;
  sqlite3_mutex* const mutex_;
};

constinit std::atomic<const HostSqlite*> callbacks_sqlite{nullptr};
const HostSqlite& real() noexcept { return *callbacks_sqlite.load(std::memory_order_acquire); }

int set_authorizer(sqlite3* db, Authorizer authorizer, void* argument) {
  const EntryPointer entry = find_entry(db);
  if (entry == nullptr) return real().set_authorizer(db, authorizer, argument);
  const InsideConnection inside(real(), db);
  HostSlots& slots = entry->slots;
  slots.authorizer = authorizer;
  slots.authorizer_argument = argument;
  if (!slots.is_ours()) return real().set_authorizer(db, authorizer, argument);
  // A killed transaction stays killed: the program's turn comes after its ROLLBACK.
  if (entry->poison == Poison::none) slots.give_back(db);
  return SQLITE_OK;
}

void* rollback_hook(sqlite3* db, RollbackHook hook, void* argument) {
  const EntryPointer entry = find_entry(db);
  if (entry == nullptr) return real().rollback_hook(db, hook, argument);
  const InsideConnection inside(real(), db);
  entry->slots.rollback_hook = hook;
  entry->slots.rollback_argument = argument;
  return real().rollback_hook(db, hook, argument);
}

int close_v2(sqlite3* db) {
  // Before: afterwards another connection may be at the same address.
  const EntryPointer entry = db == nullptr ? nullptr : find_entry(db);
  using Close = int (*)(sqlite3*);
  void* const drains = plan_function(Slot::close_v2);
  const int rc = drains == nullptr ? real().close_v2(db) : reinterpret_cast<Close>(drains)(db);
  if (entry != nullptr && rc == SQLITE_OK && !entry->is_closed) entry->is_zombie = true;
  return rc;
}

const char* errmsg(sqlite3* db) {
  const char* text = real().errmsg(db);
  if (!any_transaction_was_killed() || db == nullptr || real().errcode(db) != SQLITE_AUTH)
    return text;
  const EntryPointer entry = find_entry(db);
  return entry != nullptr && entry->poison != Poison::none ? killed_message : text;
}

}  // namespace

void* callback_function(const HostSqlite& sqlite, Slot slot) noexcept {
  callbacks_sqlite.store(&sqlite, std::memory_order_release);
  switch (slot) {
    case Slot::set_authorizer:
      return reinterpret_cast<void*>(set_authorizer);
    case Slot::rollback_hook:
      return reinterpret_cast<void*>(rollback_hook);
    case Slot::close_v2:
      return reinterpret_cast<void*>(close_v2);
    case Slot::errmsg:
      return reinterpret_cast<void*>(errmsg);
    default:
      return nullptr;
  }
}

}  // namespace sqlitemem::ext::preload
