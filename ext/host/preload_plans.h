// The transparent plan cache: sqlite3_finalize() parks, sqlite3_prepare_v2() takes back, in
// programs that know nothing of it. Its rules are in ARCHITECTURE.md.
#pragma once

#include <string>

#include "ext/host/host_sqlite.h"
#include "ext/plans/plan_registry.h"
#include "ext/preload/interface.h"

namespace sqlitemem::ext::preload {

enum class PlanMode : std::uint8_t {
  undecided,  ///< SQLite has not been used yet.
  checking,   ///< Looks whether SQLite's own calls come by.
  on,
  stopped,  ///< It was on: connections may still have to be drained.
  off,
};
PlanMode plan_mode() noexcept;
inline bool keeps_plans() noexcept { return plan_mode() == PlanMode::on; }

/// Decides, once; SQLite is initialised, no mutex of it is held. A library that binds its own calls
/// within itself would change schemas behind our back: then the cache stays off (self-check).
void decide_plan_cache(const HostSqlite& sqlite) noexcept;
/// Off for the whole process, from now on; `reason` is a sentence.
void stop_plan_cache(const char* reason) noexcept;
/// A heap limit of SQLite is in force: what is kept would count against it.
void stop_plans_if_limited() noexcept;

/// True for code of the served SQLite or of this library.
bool is_from_within(const void* caller) noexcept;

/// The function in place of SQLite's for that slot, or nullptr: SQLite's own.
void* plan_function(Slot slot) noexcept;
/// What has to be done before a function of that slot runs, which may change what statements mean.
void before_call(Slot slot, const void* caller, const std::uintptr_t* arguments) noexcept;

/// For the functions that the stub passes on by other means. `db` may be null.
int finalize_or_park(sqlite3_stmt* statement) noexcept;
void after_exec(sqlite3* db) noexcept;
void note_opened(sqlite3* db, bool may_share_cache) noexcept;
bool may_share_cache(const char* file) noexcept;
bool may_share_cache16(const void* file) noexcept;

/// Drops what the connection has parked. For itself.
void flush_plans(sqlite3* db) noexcept;
/// The same, and leaves the connection alone while the reason holds.
void set_reason(sqlite3* db, std::uint32_t reason, bool holds) noexcept;

/// For preload_prepare.cpp: the self-check saw SQLite's own call of this function.
void note_checked(sqlite3* db, Slot slot) noexcept;
/// BEGIN IMMEDIATE and EXCLUSIVE statements that live, so that stepping one again is noticed.
bool remember_exclusive(sqlite3_stmt* statement) noexcept;

}  // namespace sqlitemem::ext::preload
