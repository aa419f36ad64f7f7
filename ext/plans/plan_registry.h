// The plan caches of all connections: found by connection without a lock, visited one by one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ext/plans/plan_cache.h"

namespace sqlitemem::ext::plans {

/// How parked plans get out of the way of sqlite3_close().
enum class Drain : std::uint8_t {
  by_interposition,  ///< The preload library sees the call.
  by_guard,          ///< SQLite disconnects a virtual table of ours first (guard.cpp).
};

/// The connection's cache, or nullptr. Any thread that may use the connection; never waits.
PlanCache* find_cache(const sqlite3* db) noexcept;

/// The same, made if there is none. nullptr: no memory, or SQLite refuses the module that tells us
/// of the connection's end. Requires: the connection's mutex.
PlanCache* cache_of(const SqliteCalls& calls, sqlite3* db, Drain drain) noexcept;

/// SQLite's last word on a connection: its cache goes. Called with its mutex.
void remove_cache(PlanCache* cache) noexcept;

/// More is reserved than allowed: gives back and evicts, the oldest of some connections first, but
/// never waits for another one. Requires: the mutex of `own`.
void make_room(const SqliteCalls& calls, PlanCache& own) noexcept;

/// The limits may be lower now: evicts on all connections that nobody uses. The others follow when
/// they park the next plan.
void enforce_limits(const SqliteCalls& calls) noexcept;

/// Drops that share of all parked plans, the oldest first, on connections that nobody uses; returns
/// how many. Never waits.
std::size_t clear_oldest(const SqliteCalls& calls, unsigned percent) noexcept;

/// What the caches hold and have done, by a glance at each.
struct CacheTotals {
  std::uint64_t plans = 0, bytes = 0, hits = 0, misses = 0, evictions = 0, cleared = 0;
};
CacheTotals cache_totals() noexcept;

}  // namespace sqlitemem::ext::plans
