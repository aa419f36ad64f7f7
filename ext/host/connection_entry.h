// The registry's own view of a connection, for the parts of ext/host that look into one.
#pragma once

#include <sqlite3ext.h>
#include <sys/types.h>

#include <atomic>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "allocators/base/lock.h"
#include "ext/host/connections.h"
#include "ext/host/host_slots.h"
#include "ext/host/transaction_history.h"

namespace sqlitemem::ext {

/// What kill_orphaned_transactions() has made of a connection.
enum class Poison : std::uint8_t {
  none,
  working,  ///< It is being killed just now.
  begun,    ///< An empty transaction stands in for the one rolled back, until its owner's ROLLBACK.
  bare,     ///< The same without that transaction, which there was no memory for.
};

/// One open connection: made by register_connection(), marked closed by SQLite, which calls the
/// destructor of a function that we register on the connection in the last step of closing.
///
/// Locks, in the order they are taken; none but the last is held while SQLite is called:
///   registry lock  the list of entries
///   values lock    the last reading of one entry
///   reader lock    one entry's `db` is in use by a reader; readers only try it, the closer waits
///   for it
/// A reader goes on to sqlite3_mutex_try(), which never waits. The closer holds its db mutex when
/// it waits for the reader lock, so whoever has that lock finds the mutex taken and leaves: no
/// cycle, and no use after close. Only one entry's lock is held at a time, so that a hook of the
/// program may close any other connection meanwhile.
struct ConnectionEntry {
  explicit ConnectionEntry(sqlite3* connection) : db(connection) {}

  sqlite3* const db;
  Lock reader_lock;
  std::atomic<bool> is_closed{false};  // Set under the reader lock.
  // The child of a fork: another thread may have been inside, and no mutex tells.
  std::atomic<bool> is_doubtful{false};
  // Whose page cache the schema main has; connections with the same one share it.
  const void* main_cache = nullptr;
  // Seen to share a cache (SQLite's shared-cache mode): see MayWait.
  std::atomic<bool> is_sharing{false};
  // sqlite3_close_v2() has returned, and something of it is still open. Seen under preload only.
  std::atomic<bool> is_zombie{false};
  std::atomic<bool> has_low_priority{false};  // connection_priority('low').
  pid_t process = 0;  // That opened it: a child of fork() must not roll back for its parent.
  HostSlots slots;    // Under the connection's mutex, and so are changes of:
  std::atomic<Poison> poison{Poison::none};
  Lock values_lock;
  ConnectionSnapshot last SQLITEMEM_GUARDED_BY(values_lock);
  TransactionHistory history SQLITEMEM_GUARDED_BY(values_lock);
};
using EntryPointer = std::shared_ptr<ConnectionEntry>;

std::vector<EntryPointer> all_entries();
/// nullptr: not registered.
EntryPointer find_entry(const sqlite3* db) noexcept;

/// Some readings take the mutexes of the page caches. Those of a shared cache may be held by
/// another connection: by another thread, for as long as its statement runs, or by the very
/// statement that is asking, which would then wait for itself for ever.
enum class MayWait : bool { no, yes };

/// Keeps a foreign connection to ourselves for a moment, if nobody is using it.
class ForeignConnection {
 public:
  ForeignConnection(ConnectionEntry& entry, bool is_only_thread);
  ~ForeignConnection();
  ForeignConnection(const ForeignConnection&) = delete;
  ForeignConnection& operator=(const ForeignConnection&) = delete;
  [[nodiscard]] bool is_ours() const { return is_ours_; }

 private:
  ConnectionEntry& entry_;
  sqlite3_mutex* mutex_ = nullptr;
  bool is_ours_ = false;
};

/// Who looks at the connections, and what that allows.
struct Visitor {
  /// `calling`: the connection that asks, or nullptr.
  explicit Visitor(sqlite3* calling);

  [[nodiscard]] MayWait may_wait_for(const ConnectionEntry& entry) const;

  sqlite3* const caller;
  const bool is_only_thread;
  const bool caller_shares;
};

/// Calls `use(db)` if the connection is the caller's or idle. false: it is busy or closed.
template <class Use>
bool use_if_idle(ConnectionEntry& entry, const Visitor& visitor, Use use) {
  if (entry.db == visitor.caller) {
    use(entry.db);  // We are inside a call on it, so it cannot close, and its mutex is ours.
    return true;
  }
  const ForeignConnection connection(entry, visitor.is_only_thread);
  if (connection.is_ours()) use(entry.db);
  return connection.is_ours();
}

/// "2000-01-01T00:00:00Z": `time` as ISO 8601, UTC.
std::string utc_text(std::time_t time);

}  // namespace sqlitemem::ext
