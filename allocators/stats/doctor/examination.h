// Everything that the doctor and the search for leaks look at: plain values, which tests may set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "allocators/pressure/growth.h"
#include "allocators/stats/alert_rows.h"
#include "allocators/stats/heap_figures.h"
#include "allocators/stats/host_settings.h"
#include "allocators/stats/reading.h"
#include "allocators/stats/snapshots.h"

namespace sqlitemem::stats {

class Sources;

/// nullopt and empty: not there, or not measurable; a rule that needs it then finds nothing.
struct Examination {
  std::int64_t now_unix_seconds = 0;
  std::string heap_note, pool_note;  ///< Why there is none; empty if there is one.
  std::optional<HeapReading> heap;
  std::optional<PoolReading> pool;
  std::optional<ArenaReading> arenas;
  std::optional<PressureReading> pressure;
  std::optional<Growth> growth;
  std::optional<LimitInForce> limit;
  std::vector<ConnectionMemoryRow> connections;
  std::vector<OpenTransactionsRow> transactions;
  std::vector<WalStatsRow> logs;
  PlanReading plans;
  LibraryFigures library;
  ResidentReading resident;
  HostSettings host;
  std::optional<std::uint64_t> mapped_database_bytes;  ///< Resident.
  std::vector<Snapshot> snapshots;                     ///< Those kept, oldest first.
  Snapshot present;
  // Options.
  double orphan_idle_seconds = 60;
  std::uint64_t region_bytes = 0;
  bool arenas_grow = true;
  std::vector<std::string> pending_options;

  /// What SQLite uses now, pages included; nullopt: nobody counts.
  [[nodiscard]] std::optional<std::uint64_t> sqlite_bytes() const;
  /// Handed out by the heap, and taken for it, without the buffer pool; 0 without a heap.
  [[nodiscard]] std::uint64_t heap_live_bytes() const;
  [[nodiscard]] std::uint64_t heap_held_bytes() const;
};

/// Without host and mapped_database_bytes.
[[nodiscard]] Examination examine(Sources& sources);
/// These: the asking connection is asked, and each mapping of the process looked at.
void examine_host(Sources& sources, Examination& seen);

/// The moment of "2026-01-31T23:59:59Z"; nullopt for other text.
[[nodiscard]] std::optional<std::int64_t> unix_seconds_of(const std::string& iso8601_text);

}  // namespace sqlitemem::stats
