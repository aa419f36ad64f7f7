// Where the tables' figures come from: the seam between the core's statistics and their host.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "allocators/arena/arena_directory.h"
#include "allocators/manager/memory_manager.h"
#include "allocators/pressure/pressure_reading.h"
#include "allocators/stats/connection_rows.h"
#include "allocators/stats/host_settings.h"
#include "allocators/stats/library_figures.h"
#include "allocators/stats/plan_rows.h"
#include "allocators/stats/reading.h"
#include "allocators/stats/transaction_rows.h"
#include "allocators/stats/variable_rows.h"
#include "allocators/stats/wal_rows.h"

namespace sqlitemem::stats {

/// Asked through reading(), so that all tables of one statement show the same figures. The
/// extension's answers come from the process; tests give their own.
class Sources {
 public:
  Sources() = default;
  virtual ~Sources() = default;
  Sources(const Sources&) noexcept {}  // A copy asks for itself.
  Sources& operator=(const Sources&) noexcept { return forget(), *this; }

  /// nullptr: the database library's memory does not come from our heap.
  virtual MemoryManager* heap() = 0;
  /// Why heap() is nullptr, for `note` columns.
  virtual std::string heap_note() = 0;
  /// nullptr: the library keeps its pages elsewhere.
  virtual BufferPool* pool() { return nullptr; }
  /// Why pool() is nullptr.
  virtual std::string pool_note() { return heap_note(); }
  /// nullptr: nobody keeps memory for transactions.
  virtual ArenaDirectory* arenas() { return nullptr; }
  /// Of the asking connection's transaction, in any order. Not part of a reading: they are values
  /// of the program, not figures.
  virtual std::vector<TxnVariablesRow> transaction_variables() { return {}; }
  virtual std::vector<CacheOwner> cache_owners() { return {}; }
  virtual std::vector<LegacyCacheFigures> legacy_caches() { return {}; }
  virtual std::vector<ConnectionMemoryRow> connections() = 0;
  /// Which connections may be missing from connections(); empty if none is.
  virtual std::string connections_note() { return {}; }
  virtual std::vector<OpenTransactionsRow> transactions() { return {}; }
  virtual std::vector<TransactionKillsRow> transaction_kills() { return {}; }
  virtual std::vector<WalStatsRow> wal_databases() { return {}; }
  virtual LibraryFigures sqlite_figures() = 0;
  /// Not part of a reading: only the doctor asks.
  virtual HostSettings host_settings() { return {}; }
  /// nullopt: nobody watches.
  virtual std::optional<PressureReading> pressure() { return std::nullopt; }
  virtual PlanReading plans() { return {}; }
  /// Prefix of /proc and /sys: "" outside tests.
  virtual std::string file_root() = 0;

  /// The answers, each asked for once.
  Reading& reading() {
    if (!reading_) reading_.emplace(*this);
    return *reading_;
  }
  /// The next reading() asks anew.
  void forget() { reading_.reset(); }

 private:
  std::optional<Reading> reading_;
};

}  // namespace sqlitemem::stats
