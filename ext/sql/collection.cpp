// The steps of a collection, and how much each gives.
#include "ext/sql/collection.h"

#include <fmt/format.h>
#include <malloc.h>

#include <chrono>
#include <ctime>
#include <utility>

#include "allocators/base/bytes.h"
#include "allocators/base/clock.h"
#include "allocators/manager/process_arenas.h"
#include "allocators/manager/process_heap.h"
#include "allocators/manager/process_pool.h"
#include "allocators/stats/process_memory.h"
#include "allocators/stats/reset_clock.h"
#include "ext/host/checkpoints.h"
#include "ext/host/connections.h"
#include "ext/host/mode.h"
#include "ext/host/page_cache_hook.h"
#include "ext/plans/plan_report.h"
#include "ext/sql/live_sources.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

using Bytes = std::optional<std::uint64_t>;

/// What SQLite uses: by our count, else by its own; nullopt if nobody counts.
Bytes used_bytes(sqlite3* db) {
  const stats::LibraryFigures library = LiveSources(db).sqlite_figures();
  if (!heap_is_ours()) return library.memory_used;
  const std::uint64_t pages = pool_is_ours() ? process_pool().pages_in_use().bytes : 0;
  return process_heap().totals().live_bytes + pages + library.outside_bytes.value_or(0);
}

/// What went back to the system is what is no longer resident: pages that were only set aside, and
/// never touched, are given up by a collection as well, and free nothing.
std::uint64_t resident_heap_bytes() {
  if (!heap_is_ours()) return 0;
  const ResidentBytes resident = process_heap().resident();
  const std::uint64_t pages = pool_is_ours() ? process_pool().resident().pages : 0;
  return resident.slabs + resident.runs + resident.large + pages;
}

Bytes difference(const Bytes& before, const Bytes& after) {
  if (!before || !after) return std::nullopt;
  return at_least_zero(*before, *after);
}

StepCounts release_page_caches(sqlite3* caller) {
  const ReleaseSummary summary = release_connection_memory(caller);
  return {summary.connections_released, summary.connections_busy, std::nullopt};
}

StepCounts drop_plans() { return {plans::clear_cached(100), std::nullopt, std::nullopt}; }

/// What connections without a transaction keep for their next one.
StepCounts trim_transaction_arenas() {
  process_arenas().trim(coarse_clock_ns(), 0, true);
  return {};
}

StepCounts return_free_frames() {
  process_pool().trim();
  return {};
}

StepCounts return_free_heap() {
  heap_collect();
  return {};
}

/// The C library keeps what is freed in the middle of its heap: older blocks of SQLite, and all of
/// them in observing mode.
StepCounts trim_c_library() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
  return {};
}

StepCounts checkpoint(sqlite3* caller) {
  const CheckpointSummary summary = checkpoint_idle_connections(caller);
  StepCounts counts{summary.files, summary.busy, std::nullopt};
  if (summary.files > 0) {
    counts.note = fmt::format("{} of {} frames of the WAL are in the database file now.",
                              summary.checkpointed_frames, summary.frames);
  }
  return counts;
}

}  // namespace

Collection::Collection(sqlite3* caller, std::string cause)
    : caller_(caller),
      cause_(std::move(cause)),
      started_at_(stats::iso8601(std::time(nullptr))),
      used_at_start_(used_bytes(caller)),
      resident_at_start_(resident_heap_bytes()) {}

void Collection::run(const char* action, const std::function<StepCounts()>& work,
                     bool is_process_wide) {
  const auto resident_bytes = [&]() -> Bytes {
    if (is_process_wide) return stats::read_process_memory("").resident_bytes;
    return heap_is_ours() ? Bytes(resident_heap_bytes()) : std::nullopt;
  };
  const Bytes used_before = used_bytes(caller_);
  const Bytes resident_before = resident_bytes();
  const auto start = std::chrono::steady_clock::now();
  StepCounts counts = work();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const Bytes used_after = used_bytes(caller_);

  stats::MemoryResponsesRow row;
  row.cause = cause_;
  row.action = action;
  row.handled_count = counts.handled;
  row.skipped_count = counts.skipped;
  row.freed_bytes = difference(used_before, used_after);
  row.returned_bytes = difference(resident_before, resident_bytes());
  row.duration_seconds = took.count();
  row.note = std::move(counts.note);
  steps_.push_back(std::move(row));
  freed_ = difference(used_at_start_, used_after);
}

Bytes Collection::returned_bytes() const {
  if (!heap_is_ours()) return std::nullopt;
  return at_least_zero(resident_at_start_, resident_heap_bytes());
}

void Collection::write_down() noexcept {
  try {
    stats::response_log().add(std::move(steps_), started_at_);
  } catch (...) {  // No memory for a row: what was done is done all the same.
  }
}

Bytes collect_garbage(sqlite3* caller, std::int64_t level) {
  Collection collection(caller, fmt::format("force_garbage_collection({})", level));
  collection.run("page_caches", [&] { return release_page_caches(caller); });
  if (level >= 2 && plans::has_cached()) collection.run("plan_cache", drop_plans);
  if (level >= 2 && process_arenas().reserved_bytes() > 0) {
    collection.run("transaction_arenas", trim_transaction_arenas);
  }
  if (heap_is_ours() && level >= 2) {
    if (pool_is_ours()) collection.run("buffer_pool", return_free_frames);
    collection.run("heap", return_free_heap);
  }
  const Bytes freed = collection.freed_bytes(), returned = collection.returned_bytes();
  if (level >= 3) {
    collection.run("c_library", trim_c_library, true);
    collection.run("wal_checkpoint", [&] { return checkpoint(caller); });
  }
  collection.write_down();
  return returned && level >= 2 ? returned : freed;
}

}  // namespace sqlitemem::ext
