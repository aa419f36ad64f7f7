// Fills transaction_arena_stats from one reading of the arenas, and txn_variables.
#include "allocators/stats/arena_rows.h"

#include <algorithm>

#include "allocators/base/bytes.h"
#include "allocators/stats/sources.h"
#include "allocators/stats/variable_rows.h"

namespace sqlitemem::stats {
namespace {

TransactionArenaStatsRow row_of_profile(ArenaProfile profile, const ProfileFigures& figures) {
  const ArenaSizes& sizes = sizes_of(profile);
  TransactionArenaStatsRow row;
  row.profile = sizes.name;
  row.state = "profile";
  row.initial_bytes = sizes.initial_bytes;
  row.limit_bytes = sizes.limit_bytes;
  row.used_bytes = figures.used_bytes;
  row.reserved_bytes = figures.reserved_bytes;
  row.peak_bytes = figures.peak_bytes;
  row.allocations = figures.allocations;
  row.commits = figures.commits;
  row.rollbacks = figures.rollbacks;
  row.limit_hits = figures.limit_hits;
  row.last_reset_ns = figures.last_reset_ns;
  return row;
}

TransactionArenaStatsRow row_of_arena(const ArenaFigures& figures, std::uint64_t now_ns) {
  const ArenaSizes& sizes = sizes_of(figures.profile);
  const bool is_transaction = figures.level == 0;
  TransactionArenaStatsRow row;
  row.arena_id = figures.arena_id;
  row.connection_id = figures.connection_id;
  row.level = figures.level;
  row.profile = sizes.name;
  row.state = is_transaction ? "transaction" : "savepoint";
  row.initial_bytes = sizes.initial_bytes;
  row.limit_bytes = sizes.limit_bytes;
  row.used_bytes = figures.used_bytes;
  row.reserved_bytes = figures.reserved_bytes;
  row.peak_bytes = figures.peak_bytes;
  row.allocations = figures.allocations;
  row.rollbacks = figures.rollbacks;
  if (is_transaction) {
    row.commits = figures.commits;
    row.limit_hits = figures.limit_hits;
    row.last_reset_ns = figures.last_reset_ns;
  }
  row.age_seconds = static_cast<double>(at_least_zero(now_ns, figures.opened_at_ns)) / 1e9;
  return row;
}

}  // namespace

std::vector<TransactionArenaStatsRow> TransactionArenaStatsRow::snapshot(Sources& sources,
                                                                         Arguments) {
  std::vector<TransactionArenaStatsRow> rows;
  const ArenasReading* reading = sources.reading().arenas();
  if (reading == nullptr) return rows;
  for (std::size_t index = 0; index < arena_profile_count; ++index) {
    rows.push_back(
        row_of_profile(static_cast<ArenaProfile>(index), reading->figures.profiles[index]));
  }
  for (const ArenaFigures& arena : reading->figures.arenas) {
    rows.push_back(row_of_arena(arena, reading->taken_at_ns));
  }
  return rows;
}

std::vector<TxnVariablesRow> TxnVariablesRow::snapshot(Sources& sources, Arguments) {
  std::vector<TxnVariablesRow> rows = sources.transaction_variables();
  std::ranges::sort(rows, {}, &TxnVariablesRow::name);
  return rows;
}

}  // namespace sqlitemem::stats
