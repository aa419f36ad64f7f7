// The registry of open connections, and how one is read without ever waiting for it.
#include "ext/host/connections.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <ctime>
#include <memory>
#include <new>
#include <string>

#include "allocators/base/lock.h"
#include "ext/host/attach.h"
#include "ext/host/cache_identity.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

// One open connection: made by register_connection(), marked closed by SQLite, which calls the
// destructor of a function that we register on the connection in the last step of closing.
//
// Locks, in the order they are taken; none but the last is held while SQLite is called:
//   registry lock  the list of entries
//   values lock    the last reading of one entry
//   reader lock    one entry's `db` is in use by a reader; readers only try it, the closer waits
//   for it
// A reader goes on to sqlite3_mutex_try(), which never waits. The closer holds its db mutex when it
// waits for the reader lock, so whoever has that lock finds the mutex taken and leaves: no cycle,
// and no use after close.
struct Entry {
  explicit Entry(sqlite3* connection) : db(connection) {}

  sqlite3* const db;
  Lock reader_lock;
  std::atomic<bool> is_closed{false};  // Set under the reader lock.
  // The child of a fork: another thread may have been inside, and no mutex tells.
  std::atomic<bool> is_doubtful{false};
  // Whose page cache the schema main has; connections with the same one share it.
  const void* main_cache = nullptr;
  // Seen to share a cache (SQLite's shared-cache mode): see MayWait.
  std::atomic<bool> is_sharing{false};
  Lock values_lock;
  ConnectionSnapshot last SQLITEMEM_GUARDED_BY(values_lock);
};
using EntryPointer = std::shared_ptr<Entry>;

struct Registry {
  Lock lock;
  std::vector<EntryPointer> entries SQLITEMEM_GUARDED_BY(lock);
  std::uint64_t next_id SQLITEMEM_GUARDED_BY(lock) = 1;
  bool was_alone = true;  // When fork() was called. Between the fork handlers only.
};

constinit std::atomic<bool> is_late{false};

void hold_for_fork() noexcept;
void release_after_fork() noexcept;
void repair_after_fork() noexcept;

// Leaked on purpose: connections may close after static destructors have run.
Registry& registry() {
  static Registry* const instance = [] {
    ::pthread_atfork(hold_for_fork, release_after_fork, repair_after_fork);
    return new Registry;
  }();
  return *instance;
}

// The values locks too: in the child, nobody would finish a reading that another thread was
// storing.
void hold_for_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY {
  registry().lock.lock();
  for (const EntryPointer& entry : registry().entries) entry->values_lock.lock();
  registry().was_alone = count_threads() == 1;
}

void release_after_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY {
  for (const EntryPointer& entry : registry().entries) entry->values_lock.unlock();
  registry().lock.unlock();
}

// Only this thread lives on in the child. A mutex that another one held stays taken, so its
// connection stays stale.
void repair_after_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY {
  for (const EntryPointer& entry : registry().entries) {
    if (!registry().was_alone) entry->is_doubtful = true;
    new (&entry->reader_lock) Lock;
    new (&entry->values_lock) Lock;
  }
  new (&registry().lock) Lock;
}

std::vector<EntryPointer> all_entries() {
  const LockGuard guard(registry().lock);
  return registry().entries;
}

std::string now_as_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

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

/// Whether somebody shares one of its page caches: then a part is less than the whole.
/// Requires: we are inside `db`, or it is being opened.
bool shares_a_cache(sqlite3* db) {
  return status_of(db, SQLITE_DBSTATUS_CACHE_USED) !=
         status_of(db, SQLITE_DBSTATUS_CACHE_USED_SHARED);
}

/// The page cache of the schema main, as an identity. Requires: as shares_a_cache().
const void* main_cache_of(sqlite3* db) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  return file;
}

/// Some readings take the mutexes of the page caches. Those of a shared cache may be held by
/// another connection: by another thread, for as long as its statement runs, or by the very
/// statement that is asking, which would then wait for itself for ever.
enum class MayWait : bool { no, yes };

/// Requires: nobody else is inside `db`, or we are.
void read_values(sqlite3* db, MayWait may_wait, ConnectionSnapshot& values) {
  const char* file = sqlite3_db_filename(db, "main");
  values.database_file.reset();
  if (file != nullptr && *file != '\0') values.database_file = file;
  values.txn_state.reset();
  if (const char* state = txn_state_name(sqlite3_txn_state(db, nullptr))) values.txn_state = state;
  if (may_wait == MayWait::yes) {
    values.caches = identify_caches(
        db, [&] { values.cache_used_bytes = status_of(db, SQLITE_DBSTATUS_CACHE_USED); });
    values.cache_share_bytes = status_of(db, SQLITE_DBSTATUS_CACHE_USED_SHARED);
    values.schema_used_bytes = status_of(db, SQLITE_DBSTATUS_SCHEMA_USED);
  }
  values.stmt_used_bytes = status_of(db, SQLITE_DBSTATUS_STMT_USED);
  values.lookaside_used_bytes = lookaside_bytes(db);
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

/// Keeps a foreign connection to ourselves for a moment, if nobody is using it.
class ForeignConnection {
 public:
  ForeignConnection(Entry& entry, bool is_only_thread) SQLITEMEM_NO_THREAD_SAFETY : entry_(entry) {
    if (!entry_.reader_lock.try_lock()) return;
    if (!entry_.is_closed) {
      mutex_ = sqlite3_db_mutex(entry_.db);
      // Without a mutex nothing keeps other threads out, unless there are none.
      is_ours_ = mutex_ == nullptr ? is_only_thread && !entry_.is_doubtful
                                   : sqlite3_mutex_try(mutex_) == SQLITE_OK;
    }
    if (!is_ours_) entry_.reader_lock.unlock();
  }
  ~ForeignConnection() SQLITEMEM_NO_THREAD_SAFETY {
    if (!is_ours_) return;
    if (mutex_ != nullptr) sqlite3_mutex_leave(mutex_);
    entry_.reader_lock.unlock();
  }
  ForeignConnection(const ForeignConnection&) = delete;
  ForeignConnection& operator=(const ForeignConnection&) = delete;
  [[nodiscard]] bool is_ours() const { return is_ours_; }

 private:
  Entry& entry_;
  sqlite3_mutex* mutex_ = nullptr;
  bool is_ours_ = false;
};

/// Who looks at the connections, and what that allows.
struct Visitor {
  explicit Visitor(sqlite3* calling)
      : caller(calling), caller_shares(calling != nullptr && shares_a_cache(calling)) {}

  [[nodiscard]] MayWait may_wait_for(const Entry& entry) const {
    if (entry.db == caller) return MayWait::yes;  // Its mutexes are ours.
    const bool may = !caller_shares && (is_only_thread || !entry.is_sharing);
    return may ? MayWait::yes : MayWait::no;
  }

  sqlite3* const caller;
  const bool is_only_thread = count_threads() == 1;
  const bool caller_shares;
};

/// Calls `use(db)` if the connection is the caller's or idle. false: it is busy or closed.
template <class Use>
bool use_if_idle(Entry& entry, const Visitor& visitor, Use use) {
  if (entry.db == visitor.caller) {
    use(entry.db);  // We are inside a call on it, so it cannot close, and its mutex is ours.
    return true;
  }
  const ForeignConnection connection(entry, visitor.is_only_thread);
  if (connection.is_ours()) use(entry.db);
  return connection.is_ours();
}

ConnectionSnapshot read_entry(Entry& entry, const Visitor& visitor) {
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

void connection_id(sqlite3_context* context, int, sqlite3_value**) {
  Entry& entry = **static_cast<EntryPointer*>(sqlite3_user_data(context));
  const LockGuard guard(entry.values_lock);
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(entry.last.connection_id));
}

/// SQLite's last word on a connection.
void connection_closed(void* argument) {
  const std::unique_ptr<EntryPointer> entry(static_cast<EntryPointer*>(argument));
  {
    const LockGuard guard((*entry)->reader_lock);
    (*entry)->is_closed = true;
  }
  const LockGuard guard(registry().lock);
  std::erase(registry().entries, *entry);
}

}  // namespace

int register_connection(sqlite3* db) {
  if (is_registered(db)) return SQLITE_OK;
  auto entry = std::make_shared<Entry>(db);
  entry->main_cache = main_cache_of(db);
  entry->is_sharing = shares_a_cache(db);
  {
    const LockGuard guard(registry().lock);
    for (const EntryPointer& other : registry().entries) {
      if (entry->main_cache == nullptr || other->main_cache != entry->main_cache) continue;
      other->is_sharing = entry->is_sharing = true;
    }
    const LockGuard values_guard(entry->values_lock);
    entry->last.connection_id = registry().next_id++;
    entry->last.opened_at = now_as_text();
    registry().entries.push_back(entry);
  }
  // SQLite calls the destructor also when it fails, which takes the entry off the list again.
  return sqlite3_create_function_v2(db, "sqlitemem_connection_id", 0,
                                    SQLITE_UTF8 | SQLITE_INNOCUOUS, new EntryPointer(entry),
                                    connection_id, nullptr, nullptr, connection_closed);
}

void forget_connection(sqlite3* db) noexcept {
  // Taking the function away calls its destructor.
  sqlite3_create_function_v2(db, "sqlitemem_connection_id", 0, SQLITE_UTF8, nullptr, nullptr,
                             nullptr, nullptr, nullptr);
}

bool is_registered(sqlite3* db) noexcept {
  const LockGuard guard(registry().lock);
  return std::any_of(registry().entries.begin(), registry().entries.end(),
                     [db](const EntryPointer& entry) { return entry->db == db; });
}

std::optional<std::uint64_t> connection_id_of(sqlite3* db) {
  const LockGuard guard(registry().lock);
  for (const EntryPointer& entry : registry().entries) {
    if (entry->db != db) continue;
    const LockGuard values_guard(entry->values_lock);
    return entry->last.connection_id;
  }
  return std::nullopt;
}

bool may_miss_connections() noexcept { return is_late.load(std::memory_order_relaxed); }
void note_late_arrival() noexcept { is_late.store(true, std::memory_order_relaxed); }

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
