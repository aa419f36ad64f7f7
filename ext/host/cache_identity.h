// Which of the pool's page caches are which of a connection's databases.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sqlitemem::ext {

/// One page cache of the buffer pool that a connection was seen to use.
struct CacheIdentity {
  std::uint64_t cache_id = 0;
  std::optional<std::string> schema_name;    ///< nullopt: before SQLite 3.39, or ambiguous.
  std::optional<std::string> database_file;  ///< nullopt: in memory, temporary or not known.
};

/// `read_cache_used` asks SQLite for SQLITE_DBSTATUS_CACHE_USED of `db`, which asks the page cache
/// of each of its databases for its size, one after another. Requires: nobody else is inside `db`,
/// or we are.
std::vector<CacheIdentity> identify_caches(sqlite3* db,
                                           const std::function<void()>& read_cache_used);

}  // namespace sqlitemem::ext
