// Matches the read marks of WAL indexes with the open transactions.
#include "ext/host/wal_readers.h"

#include <algorithm>
#include <map>
#include <utility>

#include "ext/host/schemas.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

bool reads_pages(const OpenTransaction& transaction) {
  return transaction.state == "read" || transaction.state == "write";
}

/// A connection in use cannot be asked, and one of these frames may be its.
bool may_have_others(const std::vector<OpenTransaction>& transactions, const std::string& file) {
  return std::any_of(transactions.begin(), transactions.end(), [&](const auto& transaction) {
    return transaction.is_in_use && transaction.database_file == file;
  });
}

/// The transactions of one file, and the frames that this process holds, ascending. The order in
/// which they began tells whose is which, if there is no other holder.
void assign(std::vector<OpenTransaction*>& open, const std::vector<std::uint64_t>& held,
            bool are_all_known) {
  if (held.empty() || (held.size() > 1 && !are_all_known)) return;
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
  for_each_schema(db, [&](int, const char* name) {
    const char* file = sqlite3_db_filename(db, name);
    if (file != nullptr && *file != '\0') schemas.push_back({0, name, file});
  });
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

/// What all rows of one file have in common.
struct OldestReader {
  std::optional<std::uint64_t> frame, connection_id;
  std::optional<bool> is_elsewhere;
};

/// Who holds the oldest frame, and which it is.
OldestReader find_oldest(const std::vector<OpenTransaction>& transactions,
                         const std::string& database_file, const WalIndex& index) {
  OldestReader oldest;
  if (!index.knows_locks) return oldest;
  const auto here = index.held_frames(true), elsewhere = index.held_frames(false);
  if (here.empty() && elsewhere.empty()) return oldest;
  const bool is_here = !here.empty() && (elsewhere.empty() || here.front() <= elsewhere.front());
  oldest.frame = is_here ? here.front() : elsewhere.front();
  oldest.is_elsewhere = !elsewhere.empty() && elsewhere.front() <= *oldest.frame;
  if (!is_here) return oldest;
  const OpenTransaction* holder = nullptr;
  for (const OpenTransaction& candidate : transactions) {
    if (candidate.wal_frame != oldest.frame || candidate.database_file != database_file) continue;
    if (holder == nullptr || candidate.began_at_ns < holder->began_at_ns) holder = &candidate;
  }
  if (holder != nullptr) oldest.connection_id = holder->connection_id;
  return oldest;
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
    assign(open, index->held_frames(true), !may_have_others(transactions, file));
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
  std::map<std::uint64_t, const OpenTransaction*> by_connection;
  for (const OpenTransaction& transaction : transactions)
    by_connection.emplace(transaction.connection_id, &transaction);
  std::map<std::string, OldestReader> by_file;
  std::vector<WalDatabase> databases;
  for (Schema& schema : all_schemas(caller)) {
    const WalIndex* index = indexes.of(schema.file);
    if (index == nullptr) continue;
    auto known = by_file.find(schema.file);
    if (known == by_file.end())
      known = by_file.emplace(schema.file, find_oldest(transactions, schema.file, *index)).first;
    WalDatabase database{.connection_id = schema.connection_id,
                         .schema = std::move(schema.name),
                         .database_file = std::move(schema.file),
                         .index = *index,
                         .reader_frame = {},
                         .oldest_reader_frame = known->second.frame,
                         .oldest_reader_connection_id = known->second.connection_id,
                         .is_oldest_elsewhere = known->second.is_elsewhere};
    const auto own = by_connection.find(database.connection_id);
    if (own != by_connection.end() && own->second->database_file == database.database_file)
      database.reader_frame = own->second->wal_frame;
    databases.push_back(std::move(database));
  }
  return databases;
}

}  // namespace sqlitemem::ext
