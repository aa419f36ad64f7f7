// Matches the read marks of WAL indexes with the open transactions.
#include "ext/host/wal_readers.h"

#include <algorithm>
#include <map>
#include <utility>
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

bool reads_pages(const OpenTransaction& transaction) {
  return transaction.state == "read" || transaction.state == "write";
}

/// The transactions of one file in the order in which they began, and the frames that this process
/// holds, ascending.
void assign(std::vector<OpenTransaction*>& open, const std::vector<std::uint64_t>& held) {
  if (held.empty()) return;
  std::stable_sort(open.begin(), open.end(), [](const auto* left, const auto* right) {
    return left->began_at_ns.value_or(0) < right->began_at_ns.value_or(0);
  });
  open.front()->wal_frame = held.front();
  if (held.size() != 1 && held.size() != open.size()) return;
  for (std::size_t i = 0; i < open.size(); ++i)
    open[i]->wal_frame = held.size() == 1 ? held.front() : held[i];
}

struct Schema {
  std::uint64_t connection_id = 0;
  std::string name, file;
};

std::vector<Schema> schemas_of(sqlite3* db) {
  std::vector<Schema> schemas;
  const bool has_names = sqlite3_libversion_number() >= 3039000;
  for (int i = 0; i == 0 || has_names; ++i) {
    const char* name = has_names ? sqlite3_db_name(db, i) : "main";
    if (name == nullptr) break;
    const char* file = sqlite3_db_filename(db, name);
    if (file != nullptr && *file != '\0') schemas.push_back({0, name, file});
  }
  return schemas;
}

std::vector<Schema> all_schemas(sqlite3* caller) {
  const Visitor visitor(caller);
  std::vector<Schema> all;
  for (const EntryPointer& entry : all_entries()) {
    std::vector<Schema> schemas;
    const bool is_read =
        use_if_idle(*entry, visitor, [&](sqlite3* db) { schemas = schemas_of(db); });
    const LockGuard guard(entry->values_lock);
    if (!is_read && !entry->is_closed && entry->last.database_file)
      schemas.push_back({0, "main", *entry->last.database_file});
    for (Schema& schema : schemas) {
      schema.connection_id = entry->last.connection_id;
      all.push_back(std::move(schema));
    }
  }
  return all;
}

/// Who holds the oldest frame, and which it is.
void find_oldest(const std::vector<OpenTransaction>& transactions, WalDatabase& database) {
  if (!database.index.knows_locks) return;
  const auto here = database.index.held_frames(true), elsewhere = database.index.held_frames(false);
  if (here.empty() && elsewhere.empty()) return;
  const bool is_here = !here.empty() && (elsewhere.empty() || here.front() <= elsewhere.front());
  database.oldest_reader_frame = is_here ? here.front() : elsewhere.front();
  database.is_oldest_elsewhere =
      !elsewhere.empty() && elsewhere.front() <= *database.oldest_reader_frame;
  if (!is_here) return;
  const OpenTransaction* oldest = nullptr;
  for (const OpenTransaction& candidate : transactions) {
    if (candidate.database_file != database.database_file) continue;
    if (candidate.wal_frame != database.oldest_reader_frame) continue;
    if (oldest == nullptr || candidate.began_at_ns < oldest->began_at_ns) oldest = &candidate;
  }
  if (oldest != nullptr) database.oldest_reader_connection_id = oldest->connection_id;
}

}  // namespace

void find_wal_frames(std::vector<OpenTransaction>& transactions, WalIndexes& indexes) {
  std::map<std::string, std::vector<OpenTransaction*>> by_file;
  for (OpenTransaction& transaction : transactions) {
    if (transaction.database_file && reads_pages(transaction))
      by_file[*transaction.database_file].push_back(&transaction);
  }
  for (auto& [file, open] : by_file) {
    const WalIndex* index = indexes.of(file);
    if (index == nullptr || !index->knows_locks) continue;
    assign(open, index->held_frames(true));
    for (OpenTransaction* transaction : open) {
      if (transaction->wal_frame)
        transaction->wal_frames_pinned = index->frames - *transaction->wal_frame;
    }
  }
}

std::vector<WalDatabase> wal_databases(sqlite3* caller) {
  WalIndexes indexes;
  std::vector<OpenTransaction> transactions = open_transactions(caller);
  find_wal_frames(transactions, indexes);
  std::vector<WalDatabase> databases;
  for (Schema& schema : all_schemas(caller)) {
    const WalIndex* index = indexes.of(schema.file);
    if (index == nullptr) continue;
    WalDatabase database{.connection_id = schema.connection_id,
                         .schema = std::move(schema.name),
                         .database_file = std::move(schema.file),
                         .index = *index,
                         .reader_frame = {},
                         .oldest_reader_frame = {},
                         .oldest_reader_connection_id = {},
                         .is_oldest_elsewhere = {}};
    for (const OpenTransaction& transaction : transactions) {
      const bool is_own = transaction.connection_id == database.connection_id &&
                          transaction.database_file == database.database_file;
      if (is_own) database.reader_frame = transaction.wal_frame;
    }
    find_oldest(transactions, database);
    databases.push_back(std::move(database));
  }
  return databases;
}

}  // namespace sqlitemem::ext
