// What connections use, read without ever waiting for one.
#include "ext/host/connections.h"

#include "ext/host/connection_entry.h"
#include "ext/host/txn_state.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

std::optional<std::uint64_t> status_of(sqlite3* db, int what) {
  int now = 0, highest = 0;
  if (sqlite3_db_status(db, what, &now, &highest, 0) != SQLITE_OK || now < 0) return std::nullopt;
  return static_cast<std::uint64_t>(now);
}

/// SQLite counts slots of two sizes and does not say which; only "none" is a number of bytes.
std::optional<std::uint64_t> lookaside_bytes(sqlite3* db) {
  const auto slots = status_of(db, SQLITE_DBSTATUS_LOOKASIDE_USED);
  return slots == 0U ? slots : std::nullopt;
}

/// These counters are in the place of the highest value.
std::uint64_t lookaside_count(sqlite3* db, int what) {
  int now = 0, count = 0;
  if (sqlite3_db_status(db, what, &now, &count, 0) != SQLITE_OK || count < 0) return 0;
  return static_cast<std::uint64_t>(count);
}

void read_lookaside(sqlite3* db, ConnectionSnapshot& values) {
  values.lookaside_used_bytes = lookaside_bytes(db);
  if (sqlite3_compileoption_used("OMIT_LOOKASIDE") != 0) return;
  values.lookaside_hits = lookaside_count(db, SQLITE_DBSTATUS_LOOKASIDE_HIT);
  values.lookaside_misses = lookaside_count(db, SQLITE_DBSTATUS_LOOKASIDE_MISS_SIZE) +
                            lookaside_count(db, SQLITE_DBSTATUS_LOOKASIDE_MISS_FULL);
}

const char* txn_state_name(int state) {
  switch (state) {
    case SQLITE_TXN_NONE:
      return "none";
    case SQLITE_TXN_READ:
      return "read";
    case SQLITE_TXN_WRITE:
      return "write";
    default:
      return nullptr;
  }
}

/// Requires: nobody else is inside `db`, or we are.
void read_values(sqlite3* db, MayWait may_wait, ConnectionSnapshot& values) {
  const char* file = sqlite3_db_filename(db, "main");
  values.database_file.reset();
  if (file != nullptr && *file != '\0') values.database_file = file;
  values.txn_state.reset();
  if (const char* state = txn_state_name(shared_txn_state(db))) values.txn_state = state;
  if (may_wait == MayWait::yes) {
    values.caches = identify_caches(
        db, [&] { values.cache_used_bytes = status_of(db, SQLITE_DBSTATUS_CACHE_USED); });
    values.cache_share_bytes = status_of(db, SQLITE_DBSTATUS_CACHE_USED_SHARED);
    values.schema_used_bytes = status_of(db, SQLITE_DBSTATUS_SCHEMA_USED);
  }
  values.stmt_used_bytes = status_of(db, SQLITE_DBSTATUS_STMT_USED);
  read_lookaside(db, values);
  values.cache_hits = status_of(db, SQLITE_DBSTATUS_CACHE_HIT);
  values.cache_misses = status_of(db, SQLITE_DBSTATUS_CACHE_MISS);
  values.cache_writes = status_of(db, SQLITE_DBSTATUS_CACHE_WRITE);
  values.cache_spills = status_of(db, SQLITE_DBSTATUS_CACHE_SPILL);
  std::uint64_t statements = 0, busy = 0;
  for (sqlite3_stmt* statement = sqlite3_next_stmt(db, nullptr); statement != nullptr;
       statement = sqlite3_next_stmt(db, statement)) {
    ++statements;
    if (sqlite3_stmt_busy(statement) != 0) ++busy;
  }
  values.open_statements = statements;
  values.busy_statements = busy;
}

/// No transaction, and no statement between two rows: nothing will need the cached pages at once.
/// Requires: nobody else is inside `db`, or we are.
bool is_at_rest(sqlite3* db) {
  if (sqlite3_txn_state(db, nullptr) != SQLITE_TXN_NONE) return false;
  for (sqlite3_stmt* statement = sqlite3_next_stmt(db, nullptr); statement != nullptr;
       statement = sqlite3_next_stmt(db, statement)) {
    // The statement that brings us here is running, and has no row to show yet.
    if (sqlite3_stmt_busy(statement) != 0 && sqlite3_data_count(statement) != 0) return false;
  }
  return true;
}

ConnectionSnapshot read_entry(ConnectionEntry& entry, const Visitor& visitor) {
  ConnectionSnapshot values;
  {
    const LockGuard guard(entry.values_lock);
    values = entry.last;
  }
  const MayWait may_wait = visitor.may_wait_for(entry);
  const bool is_read =
      use_if_idle(entry, visitor, [&](sqlite3* db) { read_values(db, may_wait, values); });
  values.is_stale = !is_read || may_wait == MayWait::no;
  if (visitor.caller_shares && entry.is_sharing) {
    // The others' parts cannot be read now: the asking connection stands for the whole cache.
    values.cache_share_bytes = entry.db == visitor.caller ? values.cache_used_bytes : 0;
  } else if (values.cache_used_bytes != values.cache_share_bytes) {
    entry.is_sharing = true;
  }
  if (is_read) {
    const LockGuard guard(entry.values_lock);
    entry.last = values;
  }
  return values;
}

}  // namespace

std::vector<ConnectionSnapshot> snapshot_connections(sqlite3* caller) {
  const Visitor visitor(caller);
  std::vector<ConnectionSnapshot> snapshots;
  for (const EntryPointer& entry : all_entries()) {
    ConnectionSnapshot values = read_entry(*entry, visitor);
    if (!entry->is_closed) snapshots.push_back(std::move(values));
  }
  return snapshots;
}

std::uint64_t for_each_idle_connection(sqlite3* caller,
                                       const std::function<void(std::uint64_t, sqlite3*)>& use) {
  const Visitor visitor(caller);
  std::uint64_t passed_over = 0;
  for (const EntryPointer& entry : all_entries()) {
    if (entry->is_closed) continue;
    std::uint64_t id = 0;
    {
      const LockGuard guard(entry->values_lock);
      id = entry->last.connection_id;
    }
    if (!use_if_idle(*entry, visitor, [&](sqlite3* db) { use(id, db); })) ++passed_over;
  }
  return passed_over;
}

std::uint64_t visit_connections_at_rest(sqlite3* caller,
                                        const std::function<void(sqlite3*)>& visit) {
  const Visitor visitor(caller);
  std::uint64_t busy = 0;
  for (const EntryPointer& entry : all_entries()) {
    if (entry->is_closed) continue;
    bool is_visited = false;
    use_if_idle(*entry, visitor, [&](sqlite3* db) {
      is_visited = is_at_rest(db) && visitor.may_wait_for(*entry) == MayWait::yes;
      if (is_visited) visit(db);
    });
    if (!is_visited) ++busy;
  }
  return busy;
}

ReleaseSummary release_connection_memory(sqlite3* caller) {
  ReleaseSummary summary;
  summary.connections_busy = visit_connections_at_rest(caller, [&](sqlite3* db) {
    sqlite3_db_release_memory(db);
    ++summary.connections_released;
  });
  return summary;
}

}  // namespace sqlitemem::ext
