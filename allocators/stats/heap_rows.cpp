// Fills heap_stats.
#include "allocators/stats/heap_rows.h"

#include "allocators/stats/reset_clock.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {

std::vector<HeapStatsRow> HeapStatsRow::snapshot(Sources& sources, Arguments) {
  HeapStatsRow row;
  const HeapReading* heap = sources.reading().heap();
  if (heap == nullptr) return {row};
  const HeapTotals& totals = heap->figures.totals;
  row.live_bytes = totals.live_bytes;
  row.live_objects = totals.live_objects;
  row.peak_live_bytes = totals.peak_live_bytes;
  row.peak_live_objects = totals.peak_live_objects;
  row.cached_bytes = totals.cached_bytes;
  row.held_bytes = totals.held_bytes;
  row.peak_held_bytes = totals.peak_held_bytes;
  if (totals.limit_bytes != 0) row.limit_bytes = totals.limit_bytes;
  row.bookkeeping_bytes = totals.metadata_bytes;
  row.allocations = totals.allocations;
  row.frees = totals.frees;
  row.failures = totals.failures;
  row.corruptions = totals.corruptions;
  row.largest_request_bytes = totals.largest_request_bytes;
  row.threads = totals.threads;
  row.stats_reset = statistics_reset_at();
  return {row};
}

}  // namespace sqlitemem::stats
