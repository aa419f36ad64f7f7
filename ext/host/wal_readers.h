// Which connections of this process keep which write-ahead log from being checkpointed.
#pragma once

#include <sqlite3ext.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ext/host/transactions.h"
#include "ext/host/wal_index.h"

namespace sqlitemem::ext {

/// Fills in wal_frame of the transactions on WAL databases, as far as it follows: the locks of a
/// process do not say which connection they are for, but snapshots age in the order in which
/// transactions began.
void find_wal_frames(std::vector<OpenTransaction>& transactions, WalIndexes& indexes);

/// One WAL database of one connection.
struct WalDatabase {
  std::uint64_t connection_id = 0;
  std::string schema, database_file;
  WalIndex index;
  std::optional<std::uint64_t> reader_frame;         ///< Of this connection's transaction.
  std::optional<std::uint64_t> oldest_reader_frame;  ///< Of any reader, of any process.
  std::optional<std::uint64_t> oldest_reader_connection_id;
  std::optional<bool> is_oldest_elsewhere;  ///< Another process holds that frame.
};
/// By connection id. Attached databases only from SQLite 3.39 on, and not of connections in use.
std::vector<WalDatabase> wal_databases(sqlite3* caller);

}  // namespace sqlitemem::ext
