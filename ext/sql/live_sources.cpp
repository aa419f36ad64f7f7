// Reads SQLite's counters and the connection registry into the tables' terms.
#include "ext/sql/live_sources.h"

#include <algorithm>
#include <utility>

#include "allocators/config.h"
#include "allocators/manager/process_arenas.h"
#include "allocators/manager/process_heap.h"
#include "allocators/manager/process_pool.h"
#include "ext/host/connections.h"
#include "ext/host/heap_hook.h"
#include "ext/host/mode.h"
#include "ext/host/page_cache_hook.h"
#include "ext/plans/plan_report.h"
#include "ext/pressure/pressure_watch.h"
#include "ext/transactions/transaction_variables.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

using Bytes = std::optional<std::uint64_t>;

/// Present and highest value of one of SQLite's global counters.
void read_status(int operation, Bytes& now, Bytes& highest) {
  sqlite3_int64 current = 0, peak = 0;
  if (sqlite3_status64(operation, &current, &peak, 0) != SQLITE_OK) return;
  now = static_cast<std::uint64_t>(current);
  highest = static_cast<std::uint64_t>(peak);
}

stats::ConnectionMemoryRow as_row(ConnectionSnapshot&& from) {
  stats::ConnectionMemoryRow row;
  row.connection_id = from.connection_id;
  row.database_file = std::move(from.database_file);
  row.opened_at = std::move(from.opened_at);
  row.txn_state = std::move(from.txn_state);
  row.cache_used_bytes = from.cache_used_bytes;
  row.cache_share_bytes = from.cache_share_bytes;
  row.schema_used_bytes = from.schema_used_bytes;
  row.stmt_used_bytes = from.stmt_used_bytes;
  row.lookaside_used_bytes = from.lookaside_used_bytes;
  row.lookaside_hits = from.lookaside_hits;
  row.lookaside_misses = from.lookaside_misses;
  row.cache_hits = from.cache_hits;
  row.cache_misses = from.cache_misses;
  row.cache_writes = from.cache_writes;
  row.cache_spills = from.cache_spills;
  row.open_statements = from.open_statements;
  row.busy_statements = from.busy_statements;
  row.is_stale = from.is_stale;
  for (const Bytes& part : {row.cache_share_bytes, row.schema_used_bytes, row.stmt_used_bytes}) {
    if (part) row.total_bytes = row.total_bytes.value_or(0) + *part;
  }
  return row;
}

}  // namespace

MemoryManager* LiveSources::heap() { return heap_is_ours() ? &process_heap() : nullptr; }

std::string LiveSources::heap_note() {
  if (heap_is_ours()) return {};
  return "Not our heap. " + mode_report().reason;
}

BufferPool* LiveSources::pool() { return pool_is_ours() ? &process_pool() : nullptr; }

std::string LiveSources::pool_note() {
  if (!heap_is_ours()) return heap_note();
  if (option(&Config::buffer_pool) == 0) return "The option buffer_pool is off.";
  return "SQLite keeps the page cache that the program gave it, or the pool's address space could "
         "not be reserved.";
}

ArenaDirectory* LiveSources::arenas() { return &process_arenas(); }

std::vector<stats::TxnVariablesRow> LiveSources::transaction_variables() {
  return read_transaction_variables(db_);
}

std::vector<stats::CacheOwner> LiveSources::cache_owners() {
  std::vector<stats::CacheOwner> owners;
  for (ConnectionSnapshot& connection : snapshot_connections(db_)) {
    for (CacheIdentity& cache : connection.caches) {
      owners.push_back({.cache_id = cache.cache_id,
                        .connection_id = connection.connection_id,
                        .schema_name = std::move(cache.schema_name),
                        .database_file = std::move(cache.database_file)});
    }
  }
  return owners;
}

std::vector<stats::LegacyCacheFigures> LiveSources::legacy_caches() {
  std::vector<stats::LegacyCacheFigures> caches;
  for (const LegacyCache& cache : ext::legacy_caches()) caches.push_back({cache.id, cache.frames});
  return caches;
}

std::vector<stats::ConnectionMemoryRow> LiveSources::connections() {
  std::vector<stats::ConnectionMemoryRow> rows;
  for (ConnectionSnapshot& connection : snapshot_connections(db_)) {
    rows.push_back(as_row(std::move(connection)));
  }
  return rows;
}

std::string LiveSources::connections_note() {
  if (!may_miss_connections()) return {};
  return "Connections opened before sqlitemem was loaded are missing, unless they load it, too.";
}

stats::PlanReading LiveSources::plans() { return plans::read_plans(db_); }

std::optional<PressureReading> LiveSources::pressure() { return read_pressure(); }

stats::LibraryFigures LiveSources::sqlite_figures() {
  stats::LibraryFigures figures;
  if (heap_is_ours()) {
    figures.outside_bytes =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, lent_blocks().bytes));
  }
  Bytes largest_now;
  read_status(SQLITE_STATUS_PAGECACHE_OVERFLOW, figures.page_cache_overflow,
              figures.page_cache_overflow_peak);
  read_status(SQLITE_STATUS_MEMORY_USED, figures.memory_used, figures.memory_peak);
  if (memory_accounting() == Accounting::sqlitemem) {
    // What sqlite3_status64() answers: the pool's pages are part of it.
    const HeapTotals totals = process_heap().totals();
    const PagesInUse pages = process_pool().pages_in_use();
    const LentBlocks lent = lent_blocks();
    const auto lent_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(0, lent.bytes));
    const auto lent_objects = static_cast<std::uint64_t>(std::max<std::int64_t>(0, lent.objects));
    figures.memory_used = totals.live_bytes + pages.bytes + lent_bytes;
    figures.memory_peak = totals.peak_live_bytes + pages.peak_bytes + lent_bytes;
    figures.largest_request = totals.largest_request_bytes;
    figures.blocks = totals.live_objects + pages.frames + lent_objects;
    figures.blocks_peak = totals.peak_live_objects + pages.peak_frames + lent_objects;
    return figures;
  }
  // The very statement that asks lives in SQLite's heap: 0 means that SQLite does not count.
  const bool is_counting = figures.memory_used && *figures.memory_used > 0;
  if (memory_accounting() == Accounting::nobody || !is_counting) {
    figures.memory_used = figures.memory_peak = std::nullopt;
    figures.note =
        "SQLite's own memory accounting is off (option memstatus, or how the program configured or "
        "built SQLite).";
    return figures;
  }
  read_status(SQLITE_STATUS_MALLOC_SIZE, largest_now, figures.largest_request);
  read_status(SQLITE_STATUS_MALLOC_COUNT, figures.blocks, figures.blocks_peak);
  return figures;
}

}  // namespace sqlitemem::ext
