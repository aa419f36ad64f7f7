// Reads one connection's transaction under its mutex, and compares it with what was seen before.
#include "ext/host/transactions.h"

#include <unistd.h>

#include <algorithm>

#include "allocators/base/clock.h"
#include "allocators/base/thread_id.h"
#include "ext/host/page_cache_hook.h"
#include "ext/host/txn_state.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

constexpr std::size_t longest_shown_sql_bytes = 2000;

/// All statements of a connection at once.
struct Statements {
  std::uint64_t open = 0, busy = 0;
  std::uint64_t activity = 0;
  sqlite3_stmt* busiest = nullptr;  // A busy one, else the one prepared last of those that ran.
};

/// `is_asking`: the connection is the caller's, whose running statements keep nothing open.
Statements read_statements(sqlite3* db, bool is_asking) {
  Statements all;
  bool has_busy = false;
  for (sqlite3_stmt* statement = sqlite3_next_stmt(db, nullptr); statement != nullptr;
       statement = sqlite3_next_stmt(db, statement)) {
    const int runs = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_RUN, 0);
    const int steps = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0);
    const bool is_busy = sqlite3_stmt_busy(statement) != 0;
    ++all.open;
    if (is_asking && is_busy && sqlite3_data_count(statement) == 0) continue;
    if (is_busy) ++all.busy;
    all.activity += static_cast<std::uint64_t>(runs) + static_cast<std::uint64_t>(steps) + 1;
    if (is_busy ? !has_busy : all.busiest == nullptr && runs > 0) all.busiest = statement;
    has_busy = has_busy || is_busy;
  }
  return all;
}

std::optional<std::string> sql_of(sqlite3_stmt* statement) {
  const char* text = statement == nullptr ? nullptr : sqlite3_sql(statement);
  if (text == nullptr) return std::nullopt;
  std::string sql(text);
  if (sql.size() <= longest_shown_sql_bytes) return sql;
  std::size_t end = longest_shown_sql_bytes;
  while (end > 0 && (static_cast<unsigned char>(sql[end]) & 0xC0) == 0x80) --end;
  return sql.substr(0, end) + " ...";
}

/// Grows with all that a connection does, and with nothing else. Pages of a memory map are not
/// counted, and a finalized statement takes its counters along; but whatever is compiled needs
/// small memory. Reading these counters takes no mutex but the connection's.
std::uint64_t lasting_activity(sqlite3* db) {
  std::uint64_t sum = static_cast<std::uint64_t>(sqlite3_total_changes(db));
  for (const int what :
       {SQLITE_DBSTATUS_CACHE_HIT, SQLITE_DBSTATUS_CACHE_MISS, SQLITE_DBSTATUS_CACHE_WRITE}) {
    int now = 0, highest = 0;
    if (sqlite3_db_status(db, what, &now, &highest, 0) == SQLITE_OK)
      sum += static_cast<std::uint64_t>(now);
  }
  for (const int what : {SQLITE_DBSTATUS_LOOKASIDE_HIT, SQLITE_DBSTATUS_LOOKASIDE_MISS_SIZE,
                         SQLITE_DBSTATUS_LOOKASIDE_MISS_FULL}) {
    int now = 0, count = 0;
    if (sqlite3_db_status(db, what, &now, &count, 0) == SQLITE_OK)
      sum += static_cast<std::uint64_t>(count);
  }
  return sum;
}

/// Of the schema main, if a transaction is open on it; else of the database whose first page was
/// taken into use last. 0 if no cache knows.
PageCache::FirstPage first_page_of(sqlite3* db) {
  PageCache::FirstPage latest;
  const auto caches = caches_asked_during([db] {
    int now = 0, highest = 0;
    sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_USED, &now, &highest, 0);
  });
  if (!caches.empty() && sqlite3_txn_state(db, "main") > SQLITE_TXN_NONE)
    return caches[0].is_purgeable ? caches[0].first_page : latest;
  for (const AskedCache& cache : caches) {
    if (cache.is_purgeable && cache.first_page.used_at_ns > latest.used_at_ns)
      latest = cache.first_page;
  }
  return latest;
}

/// nullopt: no transaction, nor anything else to tell.
std::optional<std::string> state_of(const ConnectionEntry& entry, sqlite3* db) {
  const bool has_begun = sqlite3_get_autocommit(db) == 0;
  switch (shared_txn_state(db)) {
    case SQLITE_TXN_READ:
      return "read";
    case SQLITE_TXN_WRITE:
      return "write";
    default:
      break;
  }
  if (has_begun) return entry.poison == Poison::begun ? "aborted" : "begun";
  if (entry.poison == Poison::bare) return "aborted";
  return entry.is_zombie ? std::optional<std::string>("none") : std::nullopt;
}

/// The owner's ROLLBACK ends what our authorizer allowed it to.
void notice_rollback(ConnectionEntry& entry, sqlite3* db) {
  if (entry.poison == Poison::begun && sqlite3_get_autocommit(db) != 0) entry.poison = Poison::none;
}

/// What keeps a kill from being safe, the strongest reason first.
void judge(const ConnectionEntry& entry, const Visitor& visitor, const Statements& statements,
           OpenTransaction& transaction) {
  auto& why = transaction.why_not_killable;
  if (entry.db == visitor.caller) {
    why = "it is the connection that asks";
  } else if (transaction.state == "aborted") {
    why = "it was killed already, and waits for its owner's ROLLBACK";
  } else if (sqlite3_db_mutex(entry.db) == nullptr) {
    why =
        "it was opened without a mutex (SQLITE_OPEN_NOMUTEX), so nothing would keep its owner out";
  } else if (entry.is_doubtful || entry.process != ::getpid()) {
    why = "it was opened before fork(), by the parent";
  } else if (entry.is_zombie) {
    why = "it is closed (sqlite3_close_v2), and ends when its last statement is finalized";
  } else if (statements.busy > 0) {
    why = "a statement was stepped and neither finished nor reset";
  } else if (entry.is_sharing) {
    why = "it shares its page cache with other connections";
  } else if (!entry.slots.is_watched || entry.slots.authorizer != nullptr) {
    why =
        entry.slots.is_watched
            ? "the program has set an authorizer on it; mode 'force' puts ours in front until the "
              "owner's ROLLBACK"
            : "the program may have set an authorizer on it, which only the preload library "
              "would know; mode 'force' takes its place";
    transaction.needs_force = true;
  }
}

/// When it began, since when nothing has moved, and whose it is.
void compare_with_history(TransactionHistory& history, std::uint64_t activity,
                          const PageCache::FirstPage& page, OpenTransaction& transaction) {
  const std::uint64_t now = coarse_clock_ns();
  const bool is_same = history.is_open && history.first_page_at_ns == page.used_at_ns;
  const bool is_unmoved = is_same && history.activity == activity;
  if (!is_unmoved) history.seen_at_ns = now;
  // Used after its thread had ended: another one has taken over, and which is not known.
  history.is_handed_over =
      is_same && (history.is_handed_over || (!is_unmoved && history.owner_was_gone));
  transaction.is_start_exact = page.used_at_ns != 0;
  transaction.began_at_ns = page.used_at_ns != 0 ? page.used_at_ns : history.seen_at_ns;
  transaction.idle_seconds = static_cast<double>(now - history.seen_at_ns) / 1e9;
  if (page.thread_id != 0 && !history.is_handed_over) {
    transaction.thread_id = page.thread_id;
    transaction.is_owner_alive = thread_exists(page.thread_id);
  }
  history.owner_was_gone = transaction.is_owner_alive == std::optional<bool>(false);
  history.is_open = true;
  history.state = transaction.state;
  history.activity = activity;
  history.first_page_at_ns = page.used_at_ns;
}

}  // namespace

void forget_open_transaction(ConnectionEntry& entry) {
  const LockGuard guard(entry.values_lock);
  entry.history.is_open = false;
}

std::optional<OpenTransaction> read_transaction(ConnectionEntry& entry, const Visitor& visitor,
                                                sqlite3* db) {
  notice_rollback(entry, db);
  OpenTransaction transaction;
  transaction.state = state_of(entry, db);
  if (!transaction.state) {
    forget_open_transaction(entry);
    return std::nullopt;
  }
  const Statements statements = read_statements(db, db == visitor.caller);
  if (db == visitor.caller && sqlite3_get_autocommit(db) != 0 && statements.busy == 0)
    return std::nullopt;
  transaction.open_statements = statements.open;
  transaction.busy_statements = statements.busy;
  transaction.last_sql = sql_of(statements.busiest);
  if (entry.slots.is_watched) transaction.is_zombie = entry.is_zombie;
  judge(entry, visitor, statements, transaction);
  PageCache::FirstPage page;
  const bool reads_pages = transaction.state == "read" || transaction.state == "write";
  if (reads_pages && visitor.may_wait_for(entry) == MayWait::yes) page = first_page_of(db);
  const LockGuard guard(entry.values_lock);
  transaction.connection_id = entry.last.connection_id;
  transaction.database_file = entry.last.database_file;
  // Statements that go take away from the sum: weighed so that nothing else makes up for it.
  constexpr std::uint64_t weight = 0x9E3779B97F4A7C15U;
  compare_with_history(entry.history, statements.activity * weight + lasting_activity(db), page,
                       transaction);
  return transaction;
}

std::optional<OpenTransaction> remembered_transaction(ConnectionEntry& entry) {
  if (entry.is_closed) return std::nullopt;
  OpenTransaction transaction;
  transaction.is_in_use = true;
  transaction.idle_seconds = 0.0;
  transaction.why_not_killable = "another thread is using it, or nothing would keep one out";
  const LockGuard guard(entry.values_lock);
  entry.history.seen_at_ns = coarse_clock_ns();
  transaction.connection_id = entry.last.connection_id;
  transaction.database_file = entry.last.database_file;
  return transaction;
}

std::vector<OpenTransaction> open_transactions(sqlite3* caller) {
  const Visitor visitor(caller);
  std::vector<OpenTransaction> open;
  for (const EntryPointer& entry : all_entries()) {
    std::optional<OpenTransaction> transaction;
    const bool is_read = use_if_idle(
        *entry, visitor, [&](sqlite3* db) { transaction = read_transaction(*entry, visitor, db); });
    if (!is_read) transaction = remembered_transaction(*entry);
    if (transaction && !entry->is_closed) open.push_back(*std::move(transaction));
  }
  return open;
}

bool is_orphaned(const OpenTransaction& transaction, double min_idle_seconds) {
  if (transaction.state == "aborted") return false;
  if (transaction.is_zombie == std::optional<bool>(true)) return true;
  if (transaction.is_owner_alive == std::optional<bool>(false)) return true;
  return transaction.idle_seconds && *transaction.idle_seconds >= min_idle_seconds;
}

}  // namespace sqlitemem::ext
