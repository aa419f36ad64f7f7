// What the interposed functions of the preload library do, apart from forwarding.
#pragma once

#include "ext/host/host_sqlite.h"
#include "ext/preload/interface.h"

namespace sqlitemem::ext::preload {

/// The SQLite that the code at `caller` means: itself, or the one it is linked with, or the only
/// one there is. nullptr: none. The first one that is used is the one we serve; others are
/// forwarded to and left alone.
const HostSqlite* real_sqlite(const void* caller) noexcept;

/// No other SQLite has been met so far.
bool is_only_sqlite() noexcept;

/// What the stub of the preload library gets. From then on it is `stub` that is filled in.
const Interface& interface_for(StraightThrough* stub) noexcept;
/// The stub's short cut for SQLite's own calls, filled in when our heap is installed.
void adopt(StraightThrough* straight_through) noexcept;

/// Where the call of a slot's function goes. When there is one SQLite in the process, and nothing
/// to be done before each call, the slot is set to lead there by itself.
void* find_target(SlotTable& slots, Slot slot, const void* caller, const std::uintptr_t* arguments);
/// Another SQLite has come: from now on each call is looked at.
void reset_slots() noexcept;
/// The next call of each function is looked at again: something waits for a safe point, or has
/// changed.
void look_at_next_calls() noexcept;

/// sqlite3_initialize() for a program, with our heap installed before and our tables registered
/// after.
int initialize(const HostSqlite& sqlite) noexcept;
/// The same for a call from inside that SQLite, which may hold its mutexes: registers nothing.
int initialize_from_within(const HostSqlite& sqlite) noexcept;

/// sqlite3_config() was called with up to three words of arguments.
int configure(const HostSqlite& sqlite, int option, void* first, void* second,
              void* third) noexcept;

/// sqlite3_reset_auto_extension(), called by the program and not by sqlite3_shutdown(): its
/// auto-extensions are forgotten, ours is registered again.
void reset_auto_extensions(const HostSqlite& sqlite) noexcept;

/// Now and at its highest.
struct MemoryMark {
  sqlite3_int64 now = 0, highest = 0;
};
/// Bytes of the buffer pool's pages that this SQLite uses and does not count.
MemoryMark pages_beside(const HostSqlite& sqlite) noexcept;

/// sqlite3_status64(), with what SQLite does not count.
int status(const HostSqlite& sqlite, int what, sqlite3_int64* now, sqlite3_int64* highest,
           bool is_reset) noexcept;
/// SQLite's accounting is off, so we answer for it. The two functions below may be called only
/// then.
bool answers_for_memory(const HostSqlite& sqlite) noexcept;
sqlite3_int64 memory_used() noexcept;
sqlite3_int64 memory_highwater(bool is_reset) noexcept;

/// Forwards a change of a heap limit, reads back what SQLite made of both limits, and enforces
/// that.
sqlite3_int64 change_limit(const HostSqlite& sqlite, sqlite3_int64 (*change)(sqlite3_int64),
                           sqlite3_int64 bytes) noexcept;
/// Reads SQLite's limits and enforces them, for a SQLite whose PRAGMA does not pass through us.
void read_back_limits(const HostSqlite& sqlite) noexcept;

/// True when a soft limit is set, so that end_of_statement() has something to do.
bool has_soft_limit() noexcept;
/// The program (not SQLite) is between two statements: over the soft limit, caches are released.
/// `db` may be null.
void end_of_statement(sqlite3* db) noexcept;
/// sqlite3_release_memory(), called by the program: bytes that were released.
int release_memory(int bytes) noexcept;

}  // namespace sqlitemem::ext::preload
