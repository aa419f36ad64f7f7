// Asks every connection that is idle for its statements, by the functions that extensions get.
#include "ext/plans/plan_report.h"

#include <sqlite3ext.h>

#include <algorithm>

#include "allocators/base/clock.h"
#include "allocators/config.h"
#include "ext/host/connections.h"
#include "ext/plans/embedder.h"
#include "ext/plans/plan_registry.h"
#include "ext/plans/sql_text.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext::plans {
namespace {

std::uint64_t counter_of(sqlite3_stmt* statement, int counter) {
  return static_cast<std::uint64_t>(std::max(0, sqlite3_stmt_status(statement, counter, 0)));
}

/// Requires: nobody else is inside the connection, or we are.
stats::PlanCacheStatsRow read_statement(sqlite3_stmt* statement, const PlanCache* cache,
                                        std::uint64_t connection_id) {
  stats::PlanCacheStatsRow row;
  row.connection_id = connection_id;
  const char* sql = sqlite3_sql(statement);
  row.sql = sql == nullptr ? "" : sql;
  row.fingerprint = fingerprint_of(row.sql);
  row.memory_bytes = counter_of(statement, SQLITE_STMTSTATUS_MEMUSED);
  row.runs = counter_of(statement, SQLITE_STMTSTATUS_RUN);
  row.reprepares = counter_of(statement, SQLITE_STMTSTATUS_REPREPARE);
  row.sorts = counter_of(statement, SQLITE_STMTSTATUS_SORT);
  row.is_busy = sqlite3_stmt_busy(statement) != 0;
  row.owner = is_of_a_virtual_table(row.sql) ? "vtab" : "app";
  const Plan* plan = cache == nullptr ? nullptr : cache->find(statement);
  if (plan == nullptr || plan->state == PlanState::hazard) return row;
  row.plan_id = plan->id;
  row.hits = plan->hits;
  row.runs += plan->runs;
  row.reprepares += plan->reprepares;
  row.owner = "app";
  if (plan->state != PlanState::parked) return row;
  row.owner = "cache";
  const std::uint64_t now_ns = coarse_clock_ns();
  row.idle_seconds = static_cast<double>(now_ns - std::min(now_ns, plan->parked_at_ns)) / 1e9;
  return row;
}

}  // namespace

stats::PlanReading read_plans(sqlite3* caller) {
  stats::PlanReading reading;
  const auto read_connection = [&](std::uint64_t id, sqlite3* db) {
    const PlanCache* cache = find_cache(db);
    for (sqlite3_stmt* statement = sqlite3_next_stmt(db, nullptr); statement != nullptr;
         statement = sqlite3_next_stmt(db, statement))
      reading.statements.push_back(read_statement(statement, cache, id));
  };
  reading.summary.connections_skipped = for_each_idle_connection(caller, read_connection);
  const CacheTotals totals = cache_totals();
  reading.summary.plans = totals.plans;
  reading.summary.memory_bytes = totals.bytes;
  reading.summary.max_plans = static_cast<std::uint64_t>(option(&Config::plan_cache_max_plans));
  reading.summary.max_bytes = static_cast<std::uint64_t>(option(&Config::plan_cache_max_bytes));
  reading.summary.hits = totals.hits;
  reading.summary.misses = totals.misses;
  reading.summary.hit_ratio = stats::ratio(totals.hits, totals.hits + totals.misses);
  reading.summary.evictions = totals.evictions;
  reading.summary.cleared = totals.cleared;
  return reading;
}

bool has_cached() noexcept { return cache_totals().plans > 0; }

std::uint64_t clear_cached(unsigned percent) noexcept {
  const SqliteCalls* calls = served_calls();
  return calls == nullptr ? 0 : clear_oldest(*calls, percent);
}

}  // namespace sqlitemem::ext::plans
