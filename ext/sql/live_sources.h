// The figures of this process, as the tables want them: our heap, SQLite's counters, the
// connections.
#pragma once

#include <sqlite3ext.h>

#include "allocators/stats/sources.h"

namespace sqlitemem::ext {

/// For one query on `db`, on the thread that runs it.
class LiveSources : public stats::Sources {
 public:
  explicit LiveSources(sqlite3* db) : db_(db) {}

  MemoryManager* heap() override;
  std::string heap_note() override;
  BufferPool* pool() override;
  std::string pool_note() override;
  ArenaDirectory* arenas() override;
  std::vector<stats::TxnVariablesRow> transaction_variables() override;
  std::vector<stats::CacheOwner> cache_owners() override;
  std::vector<stats::LegacyCacheFigures> legacy_caches() override;
  std::vector<stats::ConnectionMemoryRow> connections() override;
  std::string connections_note() override;
  std::vector<stats::OpenTransactionsRow> transactions() override;
  std::vector<stats::TransactionKillsRow> transaction_kills() override;
  std::vector<stats::WalStatsRow> wal_databases() override;
  stats::LibraryFigures sqlite_figures() override;
  stats::HostSettings host_settings() override;
  stats::PlanReading plans() override;
  std::optional<PressureReading> pressure() override;
  std::string file_root() override { return {}; }

 private:
  sqlite3* db_;
};

}  // namespace sqlitemem::ext
