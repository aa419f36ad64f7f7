// The doctor's cases of statements, transactions, logs and connections.
#include <fmt/format.h>

#include "allocators/base/bytes.h"
#include "allocators/stats/leak_rows.h"
#include "allocators/stats/reset_clock.h"
#include "tests/support/examinations.h"

namespace sqlitemem::tests {

using stats::Examination;
using stats::Flag;
using stats::OpenTransactionsRow;

namespace {

void open_statements(Examination& seen, std::size_t count) {
  for (std::size_t number = 0; number < count; ++number) {
    stats::PlanCacheStatsRow& row = seen.plans.statements.emplace_back();
    row.connection_id = 2;
    row.owner = "app";
    row.sql = fmt::format("SELECT * FROM t WHERE a = {}", number);
    row.fingerprint = "select * from t where a = ?";
    row.memory_bytes = 3000;
  }
}
OpenTransactionsRow& a_transaction(Examination& seen, double idle_seconds) {
  OpenTransactionsRow& row = seen.transactions.emplace_back();
  row.connection_id = 5;
  row.state = "read";
  row.age_seconds = idle_seconds + 5;
  row.idle_seconds = idle_seconds;
  row.last_sql = "SELECT * FROM orders";
  row.is_killable = true;
  return row;
}
stats::WalStatsRow& a_log(Examination& seen, std::uint64_t frames, std::uint64_t pinned) {
  stats::WalStatsRow& row = seen.logs.emplace_back();
  row.database_file = "/data/orders.db";
  row.page_bytes = 4096;
  row.frames = frames;
  row.pinned_frames = pinned;
  return row;
}
/// A log of which 1000 frames wait for connection 5.
void pin(Examination& seen, double idle_seconds) {
  a_transaction(seen, idle_seconds);
  a_log(seen, 2000, 1000).oldest_reader_connection_id = 5;
}
void evict_plans(Examination& seen, std::uint64_t evictions, std::uint64_t bytes) {
  stats::PlanCacheSummaryRow& summary = seen.plans.summary;
  summary.evictions = evictions;
  summary.hits = 1500;
  summary.max_plans = 1024;
  summary.memory_bytes = bytes;
  summary.max_bytes = 16 * mib;
}
void recompile(Examination& seen, std::uint64_t times) {
  open_statements(seen, 1);
  seen.plans.statements[0].runs = 10'000;
  seen.plans.statements[0].reprepares = times;
}
void sort_in_memory(Examination& seen, std::uint64_t peak) {
  seen.host.temp_is_in_memory = true;
  open_statements(seen, 1);
  seen.plans.statements[0].sorts = 3;
  seen.library.memory_peak = peak;
}
void hold_temporary_pages(Examination& seen, bool is_owned) {
  sort_in_memory(seen, 0);
  CacheTotals& cache = seen.pool->caches.emplace_back();
  cache.id = 9;
  cache.is_purgeable = false;
  cache.frames = 5000;
  cache.frame_bytes = 4368;
  if (is_owned)
    seen.pool->owners.push_back(
        {.cache_id = 9, .connection_id = 1, .schema_name = "main", .database_file = {}});
}
void connections(Examination& seen, std::size_t count, std::int64_t age_seconds) {
  for (std::size_t number = 0; number < count; ++number) {
    stats::ConnectionMemoryRow& row = seen.connections.emplace_back();
    row.connection_id = number + 1;
    row.database_file = "/data/orders.db";
    row.opened_at = stats::iso8601(seen.now_unix_seconds - age_seconds);
    row.total_bytes = 100 * kib;
  }
}
void meet_arena_limit(Examination& seen, std::size_t profile, bool grows) {
  seen.arenas_grow = grows;
  seen.arenas->profiles[profile].limit_hits = 4;
}

}  // namespace

std::vector<Case> cases_of_statements_and_transactions() {
  return {
      {"statement_leak", [](Examination& seen) { open_statements(seen, 10); },
       [](Examination& seen) { open_statements(seen, 9); }},
      {"unreset_statement", [](Examination& seen) { a_transaction(seen, 60).busy_statements = 1; },
       [](Examination& seen) { a_transaction(seen, 59).busy_statements = 1; }},
      {"plan_cache_thrash", [](Examination& seen) { evict_plans(seen, 1500, mib); },
       [](Examination& seen) { evict_plans(seen, 1499, mib); }},
      {"plan_cache_thrash", [](Examination& seen) { evict_plans(seen, 1500, 15 * mib); },
       [](Examination& seen) { evict_plans(seen, 0, 15 * mib); }},
      {"statements_recompiled", [](Examination& seen) { recompile(seen, 1000); },
       [](Examination& seen) { recompile(seen, 999); }},
      {"temp_store_memory", [](Examination& seen) { sort_in_memory(seen, 56 * mib); },
       [](Examination& seen) { sort_in_memory(seen, 55 * mib); }},
      {"temp_store_memory", [](Examination& seen) { hold_temporary_pages(seen, false); },
       [](Examination& seen) { hold_temporary_pages(seen, true); }},
      {"orphaned_transaction", [](Examination& seen) { a_transaction(seen, 60); },
       [](Examination& seen) { a_transaction(seen, 59); }},
      {"orphaned_transaction",
       [](Examination& seen) { a_transaction(seen, 0).owner_alive = Flag(false); },
       [](Examination& seen) { a_transaction(seen, 100).state = "aborted"; }},
      {"zombie_connection",
       [](Examination& seen) { a_transaction(seen, 0).is_zombie = Flag(true); },
       [](Examination& seen) { a_transaction(seen, 0).is_zombie = Flag(false); }},
      {"wal_pinned", [](Examination& seen) { pin(seen, 100); },
       [](Examination& seen) { pin(seen, 20); }},
      {"wal_pinned",
       [](Examination& seen) { a_log(seen, 2000, 1000).is_oldest_elsewhere = Flag(true); },
       [](Examination& seen) { a_log(seen, 2000, 999).is_oldest_elsewhere = Flag(true); }},
      {"wal_growth", [](Examination& seen) { a_log(seen, 16'289, 0); },
       [](Examination& seen) { a_log(seen, 16'288, 0); }},
      {"arena_limit", [](Examination& seen) { meet_arena_limit(seen, 4, true); },
       [](Examination& seen) { meet_arena_limit(seen, 3, true); }},
      {"arena_limit", [](Examination& seen) { meet_arena_limit(seen, 1, false); },
       [](Examination& seen) { meet_arena_limit(seen, 1, true); }},
      {"connection_leak", [](Examination& seen) { connections(seen, 16, 300); },
       [](Examination& seen) { connections(seen, 16, 299); }},
      {"connection_leak", [](Examination& seen) { connections(seen, 16, 4000); },
       [](Examination& seen) { connections(seen, 15, 4000); }},
  };
}

}  // namespace sqlitemem::tests
