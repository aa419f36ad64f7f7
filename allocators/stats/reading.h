// One reading of the process: every figure is asked for once, however many tables show it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "allocators/arena/arena_figures.h"
#include "allocators/pool/buffer_pool.h"
#include "allocators/pressure/pressure_reading.h"
#include "allocators/stats/connection_rows.h"
#include "allocators/stats/heap_figures.h"
#include "allocators/stats/library_figures.h"
#include "allocators/stats/plan_rows.h"
#include "allocators/stats/process_memory.h"
#include "allocators/stats/transaction_rows.h"
#include "allocators/stats/wal_rows.h"

namespace sqlitemem::stats {

class Sources;

/// What belongs to our heap, read in one go.
struct HeapReading {
  HeapFigures figures;
  std::vector<LargeObjectInfo> large_objects;
  std::uint64_t taken_at_ns = 0;  ///< The clock of LargeObjectInfo::allocated_at_ns.
};

/// Whose a page cache is, as far as a connection could be asked.
struct CacheOwner {
  std::uint64_t cache_id = 0, connection_id = 0;
  std::optional<std::string> schema_name, database_file;
};

/// A page cache that SQLite made before the pool took over.
struct LegacyCacheFigures {
  std::uint64_t id = 0, frames = 0;
};

/// What belongs to the buffer pool, read in one go.
struct PoolReading {
  PoolTotals totals;
  PoolAdvice advice;
  std::vector<CacheTotals> caches;
  std::vector<CacheOwner> owners;
  std::vector<LegacyCacheFigures> legacy;
  std::uint64_t taken_at_ns = 0;  ///< The clock of CacheTotals::used_at_ns.
};

/// What the memory of transactions amounts to, read in one go.
struct ArenasReading {
  ArenaReading figures;
  std::uint64_t taken_at_ns = 0;  ///< The clock of ArenaFigures::opened_at_ns.
};

/// What the C library's malloc says of itself; nullopt: it is not in use, or does not say.
struct CLibraryMemory {
  std::optional<std::uint64_t> used_bytes, held_bytes, reclaimable_bytes;
};
CLibraryMemory read_c_library_memory();

/// What is in memory, as the operating system counts it, read in one go.
struct ResidentReading {
  ProcessMemory process;
  CgroupMemory group;
  ResidentBytes heap;      ///< All 0 without a heap.
  PoolResidentBytes pool;  ///< All 0 without a pool.
  CLibraryMemory c_library;
};

/// Asks `sources` for a part when a table first needs it, and remembers the answer. Tables that are
/// filled from one Reading therefore agree with each other, and the second costs nothing.
class Reading {
 public:
  explicit Reading(Sources& sources) : sources_(sources) {}

  /// nullptr: SQLite's memory does not come from our heap.
  const HeapReading* heap();
  /// nullptr: SQLite's pages do not come from our pool.
  const PoolReading* pool();
  /// nullptr: there are no arenas here.
  const ArenasReading* arenas();
  const std::vector<RequestPattern>& request_patterns();  ///< Empty without a heap.
  const std::vector<ConnectionMemoryRow>& connections();
  const std::vector<OpenTransactionsRow>& transactions();
  const std::vector<WalStatsRow>& logs();
  const LibraryFigures& sqlite_figures();
  const ResidentReading& resident();
  const PlanReading& plans();
  const PressureReading* pressure();  ///< nullptr: nobody watches.
  /// How full the heap's areas and the pool's are, in at most most_fill_cells cells each; those of
  /// what is not here are missing.
  const std::vector<AreaFill>& fill_maps();
  static constexpr std::size_t most_fill_cells = 512;

 private:
  Sources& sources_;
  bool is_heap_read_ = false;
  std::optional<HeapReading> heap_;
  bool is_pool_read_ = false;
  std::optional<PoolReading> pool_;
  bool are_arenas_read_ = false;
  std::optional<ArenasReading> arenas_;
  std::optional<std::vector<RequestPattern>> request_patterns_;
  std::optional<std::vector<ConnectionMemoryRow>> connections_;
  std::optional<std::vector<OpenTransactionsRow>> transactions_;
  std::optional<std::vector<WalStatsRow>> logs_;
  std::optional<LibraryFigures> library_;
  std::optional<ResidentReading> resident_;
  std::optional<PlanReading> plans_;
  bool is_pressure_read_ = false;
  std::optional<PressureReading> pressure_;
  std::optional<std::vector<AreaFill>> fill_maps_;
};

}  // namespace sqlitemem::stats
