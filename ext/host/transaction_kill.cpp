// The kill, step by step, and the memory of what was decided.
#include "ext/host/transaction_kill.h"

#include <fmt/format.h>
#include <pthread.h>

#include <array>
#include <ctime>
#include <deque>
#include <memory>
#include <string_view>

#include "allocators/base/clock.h"
#include "ext/host/connection_entry.h"
#include "ext/host/core.h"
#include "ext/host/transactions.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

constexpr std::size_t kills_remembered = 100;

struct Journal {
  Lock lock;
  std::deque<TransactionKill> kills SQLITEMEM_GUARDED_BY(lock);
  std::uint64_t next_id SQLITEMEM_GUARDED_BY(lock) = 1;
};

void hold_journal_for_fork() noexcept;
void release_journal_after_fork() noexcept;

// Leaked on purpose, like the registry of connections.
Journal& journal() {
  static auto* const instance = [] {
    ::pthread_atfork(hold_journal_for_fork, release_journal_after_fork, release_journal_after_fork);
    return new Journal;
  }();
  return *instance;
}

void hold_journal_for_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY { journal().lock.lock(); }
void release_journal_after_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY { journal().lock.unlock(); }

constinit std::atomic<bool> was_any_killed{false};

/// SQLite asks it about each statement that is prepared, also again, on a killed connection. In the
/// middle of a call on `entry.db`, with its mutex held.
int allow_only_rollback(void* argument, int action, const char* first, const char* second,
                        const char* schema, const char* trigger) {
  auto& entry = *static_cast<ConnectionEntry*>(argument);
  if (entry.poison == Poison::working) return SQLITE_OK;
  const bool is_rollback =
      action == SQLITE_TRANSACTION && first != nullptr && std::string_view(first) == "ROLLBACK";
  // Autocommit is back: the owner's ROLLBACK has run.
  if (entry.poison == Poison::begun && sqlite3_get_autocommit(entry.db) != 0)
    entry.poison = Poison::none;
  if (entry.poison == Poison::bare && is_rollback) entry.poison = Poison::none;
  if (entry.poison == Poison::none) {
    const HostSlots& slots = entry.slots;
    if (slots.authorizer == nullptr) return SQLITE_OK;
    return slots.authorizer(slots.authorizer_argument, action, first, second, schema, trigger);
  }
  return is_rollback ? SQLITE_OK : SQLITE_DENY;
}

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Statement prepare(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(db, sql, -1, &statement, nullptr);
  return Statement(statement);
}

/// Empty: it is killed. Else why not, and the connection is as it was. Requires: the connection's
/// mutex is ours, and judge() found no reason against it.
std::string roll_back_and_poison(ConnectionEntry& entry) {
  sqlite3* db = entry.db;
  served_functions();  // The first time, it allocates.
  entry.poison = Poison::working;
  entry.slots.take(db, allow_only_rollback, &entry);
  // All that needs memory comes before the first change.
  const Statement begin = prepare(db, "BEGIN");
  const Statement rollback = prepare(db, "ROLLBACK");
  const bool can_run = begin != nullptr && rollback != nullptr;
  const bool has_begun = sqlite3_get_autocommit(db) == 0;
  if (can_run && has_begun) sqlite3_step(rollback.get());
  // Not its code decides: one that failed on the way may have ended the transaction all the same.
  if (!has_begun || sqlite3_get_autocommit(db) == 0) {
    entry.slots.give_back_hook(db);
    entry.poison = Poison::none;
    entry.slots.give_back(db);
    return has_begun ? fmt::format("ROLLBACK failed: {}", sqlite3_errmsg(db))
                     : "it is not one that ROLLBACK ends";
  }
  was_any_killed.store(true, std::memory_order_relaxed);
  // A schema change that was rolled back makes it prepare again, for which there may be no memory.
  const bool is_begun = sqlite3_step(begin.get()) == SQLITE_DONE;
  entry.poison = is_begun ? Poison::begun : Poison::bare;
  entry.slots.give_back_hook(db);
  return {};
}

std::string why_orphaned(const OpenTransaction& transaction) {
  if (transaction.is_zombie == std::optional<bool>(true))
    return "The connection was closed, and a statement of it is still open";
  if (transaction.is_owner_alive == std::optional<bool>(false))
    return fmt::format("Thread {}, which began it, has ended", transaction.thread_id.value_or(0));
  return fmt::format("Idle for {:.3f} seconds", transaction.idle_seconds.value_or(0));
}

void remember(const OpenTransaction& transaction, KillMode mode, bool is_killed,
              const std::string& words) {
  TransactionKill kill;
  const std::uint64_t now = coarse_clock_ns();
  kill.decided_at = utc_text(std::time(nullptr));
  kill.connection_id = transaction.connection_id;
  kill.database_file = transaction.database_file;
  kill.mode = mode;
  kill.is_killed = is_killed;
  kill.state = transaction.state;
  kill.last_sql = transaction.last_sql;
  if (transaction.began_at_ns)
    kill.age_seconds = static_cast<double>(now - *transaction.began_at_ns) / 1e9;
  kill.idle_seconds = transaction.idle_seconds;
  kill.reason = fmt::format("{}; {}.", why_orphaned(transaction), words);
  const LockGuard guard(journal().lock);
  kill.kill_id = journal().next_id++;
  journal().kills.push_back(std::move(kill));
  if (journal().kills.size() > kills_remembered) journal().kills.pop_front();
}

/// Our authorizer has done its work when the owner has rolled back.
void give_back_if_done(ConnectionEntry& entry) {
  if (entry.slots.is_ours() && entry.poison == Poison::none) entry.slots.give_back(entry.db);
}

/// True if it was, or in a dry run would be, killed.
bool decide(ConnectionEntry& entry, const OpenTransaction& transaction, KillMode mode) {
  const bool is_allowed =
      !transaction.why_not_killable || (transaction.needs_force && mode == KillMode::force);
  if (!is_allowed) {
    remember(transaction, mode, false, "left alone, because " + *transaction.why_not_killable);
    return false;
  }
  if (mode == KillMode::dry_run) {
    remember(transaction, mode, true, "would be rolled back");
    return true;
  }
  const std::string problem = roll_back_and_poison(entry);
  if (!problem.empty()) {
    remember(transaction, mode, false, problem);
    return false;
  }
  forget_open_transaction(entry);
  sqlite3_log(SQLITE_WARNING,
              "sqlitemem: kill_orphaned_transactions() rolled back the transaction of connection "
              "%llu; it refuses everything but ROLLBACK until then",
              static_cast<unsigned long long>(transaction.connection_id));
  remember(transaction, mode, true, "rolled back, and the owner must say ROLLBACK");
  return true;
}

}  // namespace

std::uint64_t kill_orphaned_transactions(sqlite3* caller, double min_idle_seconds, KillMode mode) {
  const Visitor visitor(caller);
  std::uint64_t killed = 0;
  for (const EntryPointer& entry : all_entries()) {
    std::optional<OpenTransaction> in_use;
    const bool is_read = use_if_idle(*entry, visitor, [&](sqlite3* db) {
      const auto transaction = read_transaction(*entry, visitor, db);
      if (entry->db != caller) give_back_if_done(*entry);
      if (transaction && is_orphaned(*transaction, min_idle_seconds) &&
          decide(*entry, *transaction, mode))
        ++killed;
    });
    if (!is_read) in_use = remembered_transaction(*entry);
    if (in_use && is_orphaned(*in_use, min_idle_seconds)) decide(*entry, *in_use, mode);
  }
  return killed;
}

std::vector<TransactionKill> transaction_kills() {
  const LockGuard guard(journal().lock);
  return {journal().kills.begin(), journal().kills.end()};
}

bool any_transaction_was_killed() noexcept {
  return was_any_killed.load(std::memory_order_relaxed);
}

}  // namespace sqlitemem::ext
