// Loading: one core per SQLite, one decision per process, everything registered or nothing.
#include "ext/host/core.h"

#include <sqlite3ext.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "allocators/base/lock.h"
#include "allocators/config.h"
#include "ext/host/attach.h"
#include "ext/host/connections.h"
#include "ext/host/environment.h"
#include "ext/host/heap_hook.h"
#include "ext/host/mode.h"
#include "ext/plans/embedder.h"
#include "ext/pressure/monitor_thread.h"
#include "ext/pressure/pressure_callback.h"
#include "ext/pressure/pressure_response.h"
#include "ext/pressure/pressure_watch.h"
#include "ext/sql/register.h"
#include "ext/transactions/transaction_api.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

constinit std::atomic<std::uintptr_t> served_begin{0};
constinit Lock decision_lock;
constinit bool is_decided SQLITEMEM_GUARDED_BY(decision_lock) = false;

/// SQLite's functions for this copy. Every thread passes here before it calls one, so the plain
/// pointer is ordered.
void adopt_api(const sqlite3_api_routines* api) noexcept {
  static constinit Lock api_lock;
  const LockGuard guard(api_lock);
  if (sqlite3_api == nullptr) sqlite3_api = api;
}

std::uintptr_t served_sqlite() noexcept { return served_begin.load(std::memory_order_acquire); }

int set_for_others(const char* name, const char* value, char* message, std::size_t message_bytes) {
  std::string text;
  const int rc = set_from_api(name, value, text);
  if (message_bytes == 0) return rc;
  const std::size_t length = std::min(text.size(), message_bytes - 1);
  std::memcpy(message, text.data(), length);
  message[length] = '\0';
  return rc;
}

/// nullptr: this SQLite lacks functions that the plan cache needs.
const plans::SqliteCalls* calls_of(const void* host_code) noexcept {
  if (const plans::SqliteCalls* known = plans::served_calls()) return known;
  try {
    return plans::use_sqlite(find_host_sqlite(host_code));
  } catch (...) {
    return nullptr;
  }
}

int prepare_cached(const void* host_code, sqlite3* db, const char* sql, int bytes,
                   sqlite3_stmt** statement, const char** tail) noexcept {
  const plans::SqliteCalls* calls = calls_of(host_code);
  return calls == nullptr ? SQLITE_ERROR
                          : plans::prepare_cached(*calls, db, sql, bytes, statement, tail);
}

int release_cached(const void* host_code, sqlite3_stmt* statement) noexcept {
  const plans::SqliteCalls* calls = calls_of(host_code);
  return calls == nullptr ? SQLITE_ERROR : plans::release(*calls, statement);
}

int drop_cached(const void* host_code, sqlite3* db) noexcept {
  const plans::SqliteCalls* calls = calls_of(host_code);
  return calls == nullptr ? 0 : plans::drop_cached(*calls, db);
}

void relieve() { work_at_safe_point(nullptr); }

constexpr CoreInterface interface {
  .bytes = sizeof(CoreInterface), .served_sqlite = served_sqlite, .load = load_extension,
  .set = set_for_others, .prepare_cached = prepare_cached, .release = release_cached,
  .drop_cached = drop_cached, .transaction_allocate = allocate_in_transaction,
  .transaction_expect = expect_in_transaction, .transaction_pointer = transaction_pointer,
  .set_transaction_pointer = set_transaction_pointer, .on_pressure = set_pressure_callback,
  .relieve = relieve,
};

/// Attaches once per process, unless the heap is ours already. Under the lock, because two
/// connections may load us at the same time; the loser finds it decided.
void decide(const HostSqlite& host, sqlite3* loader) {
  const LockGuard guard(decision_lock);
  if (is_decided || heap_hook_was_in_force()) return;
  is_decided = true;
  if (!is_registered(loader)) note_late_arrival();  // Else the preload library has seen them all.
  AttachOutcome outcome = attach(host);
  set_mode(outcome.is_attached ? Mode::attached : Mode::observing, std::move(outcome.reason));
  start_pressure_watch();
}

int fail(char** error, int rc, const std::string& text) {
  if (error != nullptr) *error = sqlite3_mprintf("sqlitemem: %s", text.c_str());
  return rc;
}

int register_on(sqlite3* db) {
  if (is_registered(db)) return SQLITE_OK;
  if (const int rc = register_connection(db); rc != SQLITE_OK) return rc;
  const int rc = register_sql(db);
  if (rc != SQLITE_OK) forget_connection(db);  // Registered means that it has everything.
  return rc;
}

void log_environment_problems() {
  static constinit std::atomic<bool> is_said{false};
  if (is_said.exchange(true)) return;
  const std::string problems = environment_problems();
  if (!problems.empty()) sqlite3_log(SQLITE_WARNING, "sqlitemem: %s", problems.c_str());
}

int load_here(sqlite3* db, char** error, const HostSqlite& host) {
  decide(host, db);
  log_environment_problems();
  if (const int rc = sqlite3_auto_extension(new_connection_hook()); rc != SQLITE_OK) {
    return fail(error, rc, "sqlite3_auto_extension() failed");
  }
  set_pressure_log(sqlite3_log);
  follow_monitor_option();
  if (const int rc = register_on(db); rc != SQLITE_OK) {
    return fail(error, rc, std::string("registering the tables failed: ") + sqlite3_errmsg(db));
  }
  return SQLITE_OK_LOAD_PERMANENTLY;
}

}  // namespace

const CoreInterface& own_core() noexcept { return interface; }

bool claim_sqlite(const HostSqlite& host) noexcept {
  std::uintptr_t expected = 0;
  return served_begin.compare_exchange_strong(expected, host.begin) || expected == host.begin;
}

bool is_served(const HostSqlite& host) noexcept { return served_sqlite() == host.begin; }

const HostSqlite& served_functions() {
  static const auto* const host =
      new HostSqlite(find_host_sqlite(reinterpret_cast<const void*>(sqlite3_libversion)));
  return *host;
}

int load_extension(sqlite3* db, char** error, const sqlite3_api_routines* api) {
  const HostSqlite host = find_host_sqlite(reinterpret_cast<const void*>(api->libversion));
  if (!is_served(host)) {
    if (const CoreInterface* other = find_other_core(host.begin))
      return other->load(db, error, api);
    if (!claim_sqlite(host)) {
      if (error != nullptr) {
        *error = api->mprintf(
            "sqlitemem: this file already serves another copy of SQLite in this process; load a "
            "copy of it under another path");
      }
      return SQLITE_ERROR;
    }
  }
  adopt_api(api);
  if (sqlite3_libversion_number() < oldest_sqlite_version) {
    return fail(error, SQLITE_ERROR,
                std::string("SQLite 3.34 or later is needed; this is ") + sqlite3_libversion());
  }
  try {
    return load_here(db, error, host);
  } catch (...) {
    return SQLITE_NOMEM;
  }
}

int register_new_connection(sqlite3* db, char** error, const sqlite3_api_routines* api) {
  adopt_api(api);
  set_pressure_log(sqlite3_log);
  follow_monitor_option();
  work_at_safe_point(nullptr);
  if (refuses_connections()) {
    // SQLITE_NOMEM would lose the words: there would be no connection to ask.
    return fail(error, SQLITE_BUSY,
                "memory is short (see memory_pressure), and response_mode is full: no new "
                "connections until it is not");
  }
  try {
    log_environment_problems();
    const int rc = register_on(db);
    if (rc != SQLITE_OK) sqlite3_log(rc, "sqlitemem: the tables could not be registered");
  } catch (...) {
    sqlite3_log(SQLITE_NOMEM, "sqlitemem: the tables could not be registered");
  }
  return SQLITE_OK;
}

int set_from_api(const char* name, const char* value, std::string& message) {
  SetOutcome outcome = set_option(name, value, OptionSource::api);
  message = std::move(outcome.message);
  switch (outcome.result) {
    case SetResult::ok:
      return SQLITE_OK;
    case SetResult::pending_restart:
      return SQLITE_BUSY;
    case SetResult::unknown_name:
      return SQLITE_NOTFOUND;
    case SetResult::bad_value:
      return SQLITE_MISMATCH;
    case SetResult::out_of_range:
      return SQLITE_RANGE;
  }
  return SQLITE_ERROR;
}

}  // namespace sqlitemem::ext
