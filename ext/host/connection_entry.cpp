// The list of open connections: entering it, leaving it, fork, and who may look into one.
#include "ext/host/connection_entry.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <new>

#include "ext/pressure/monitor_thread.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

struct Registry {
  Lock lock;
  std::vector<EntryPointer> entries SQLITEMEM_GUARDED_BY(lock);
  std::uint64_t next_id SQLITEMEM_GUARDED_BY(lock) = 1;
  bool was_alone = true;  // When fork() was called. Between the fork handlers only.
};

constinit std::atomic<bool> is_late{false};

void hold_registry_for_fork() noexcept;
void release_registry_after_fork() noexcept;
void repair_registry_after_fork() noexcept;

// Leaked on purpose: connections may close after static destructors have run.
Registry& registry() {
  static Registry* const instance = [] {
    ::pthread_atfork(hold_registry_for_fork, release_registry_after_fork,
                     repair_registry_after_fork);
    return new Registry;
  }();
  return *instance;
}

// The values locks too: in the child, nobody would finish a reading that another thread was
// storing.
void hold_registry_for_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY {
  registry().lock.lock();
  for (const EntryPointer& entry : registry().entries) entry->values_lock.lock();
  registry().was_alone = is_only_thread_of_program();
}

void release_registry_after_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY {
  for (const EntryPointer& entry : registry().entries) entry->values_lock.unlock();
  registry().lock.unlock();
}

// Only this thread lives on in the child. A mutex that another one held stays taken, so its
// connection stays stale.
void repair_registry_after_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY {
  for (const EntryPointer& entry : registry().entries) {
    if (!registry().was_alone) entry->is_doubtful = true;
    new (&entry->reader_lock) Lock;
    new (&entry->values_lock) Lock;
  }
  new (&registry().lock) Lock;
}

int cache_bytes(sqlite3* db, int what) {
  int now = 0, highest = 0;
  const int rc = sqlite3_db_status(db, what, &now, &highest, 0);
  return rc == SQLITE_OK ? now : -1;
}

/// Whether somebody shares one of its page caches: then a part is less than the whole.
/// Requires: we are inside `db`, or it is being opened.
bool shares_a_cache(sqlite3* db) {
  return cache_bytes(db, SQLITE_DBSTATUS_CACHE_USED) !=
         cache_bytes(db, SQLITE_DBSTATUS_CACHE_USED_SHARED);
}

/// The page cache of the schema main, as an identity. Requires: as shares_a_cache().
const void* main_cache_of(sqlite3* db) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  return file;
}

void connection_id(sqlite3_context* context, int, sqlite3_value**) {
  ConnectionEntry& entry = **static_cast<EntryPointer*>(sqlite3_user_data(context));
  const LockGuard guard(entry.values_lock);
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(entry.last.connection_id));
}

/// SQLite's last word on a connection.
void connection_closed(void* argument) {
  const std::unique_ptr<EntryPointer> entry(static_cast<EntryPointer*>(argument));
  (*entry)->slots.give_back((*entry)->db);  // The last moment: our callback points at the entry.
  {
    const LockGuard guard((*entry)->reader_lock);
    (*entry)->is_closed = true;
  }
  const LockGuard guard(registry().lock);
  std::erase(registry().entries, *entry);
}

}  // namespace

std::vector<EntryPointer> all_entries() {
  const LockGuard guard(registry().lock);
  return registry().entries;
}

EntryPointer find_entry(const sqlite3* db) noexcept {
  const LockGuard guard(registry().lock);
  for (const EntryPointer& entry : registry().entries) {
    if (entry->db == db) return entry;
  }
  return nullptr;
}

// Many rows of one reading have the same second, and a conversion takes half a microsecond.
std::string utc_text(std::time_t time) {
  [[gnu::tls_model("initial-exec")]] constinit static thread_local std::time_t last_time = -1;
  [[gnu::tls_model("initial-exec")]] constinit static thread_local std::array<char, 24> text{};
  if (time != last_time) {
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
    last_time = time;
  }
  return text.data();
}

ForeignConnection::ForeignConnection(ConnectionEntry& entry,
                                     bool is_only_thread) SQLITEMEM_NO_THREAD_SAFETY
    : entry_(entry) {
  if (!entry_.reader_lock.try_lock()) return;
  if (!entry_.is_closed) {
    mutex_ = sqlite3_db_mutex(entry_.db);
    // Without a mutex nothing keeps other threads out, unless there are none.
    is_ours_ = mutex_ == nullptr ? is_only_thread && !entry_.is_doubtful
                                 : sqlite3_mutex_try(mutex_) == SQLITE_OK;
  }
  if (!is_ours_) entry_.reader_lock.unlock();
}

ForeignConnection::~ForeignConnection() SQLITEMEM_NO_THREAD_SAFETY {
  if (!is_ours_) return;
  if (mutex_ != nullptr) sqlite3_mutex_leave(mutex_);
  entry_.reader_lock.unlock();
}

Visitor::Visitor(sqlite3* calling)
    : caller(calling),
      is_only_thread(is_only_thread_of_program()),
      caller_shares(calling != nullptr && shares_a_cache(calling)) {}

MayWait Visitor::may_wait_for(const ConnectionEntry& entry) const {
  if (entry.db == caller) return MayWait::yes;  // Its mutexes are ours.
  const bool may = !caller_shares && (is_only_thread || !entry.is_sharing);
  return may ? MayWait::yes : MayWait::no;
}

int register_connection(sqlite3* db) {
  if (is_registered(db)) return SQLITE_OK;
  auto entry = std::make_shared<ConnectionEntry>(db);
  entry->process = ::getpid();
  entry->slots.is_watched = is_opening_through_us();
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
    if (const char* file = sqlite3_db_filename(db, "main"); file != nullptr && *file != '\0')
      entry->last.database_file = file;
    entry->last.opened_at = utc_text(std::time(nullptr));
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

bool is_registered(sqlite3* db) noexcept { return find_entry(db) != nullptr; }

std::optional<std::uint64_t> connection_id_of(sqlite3* db) {
  const EntryPointer entry = find_entry(db);
  if (entry == nullptr) return std::nullopt;
  const LockGuard guard(entry->values_lock);
  return entry->last.connection_id;
}

bool may_miss_connections() noexcept { return is_late.load(std::memory_order_relaxed); }
void note_late_arrival() noexcept { is_late.store(true, std::memory_order_relaxed); }

}  // namespace sqlitemem::ext
