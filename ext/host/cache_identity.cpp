// Listens while SQLite asks the caches of a connection, and matches them with its schemas.
#include "ext/host/cache_identity.h"

#include <sqlite3ext.h>

#include "ext/host/page_cache_hook.h"
#include "ext/host/schemas.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

std::optional<std::string> file_of(sqlite3* db, const char* schema) {
  const char* file = sqlite3_db_filename(db, schema);
  if (file == nullptr || *file == '\0') return std::nullopt;
  return file;
}

/// Which schemas the caches belong to that were asked one after another: all of them in order, or
/// all but temp, which has no cache until it is used.
std::vector<CacheIdentity> match(sqlite3* db, const std::vector<AskedCache>& asked) {
  std::vector<const char*> schemas;
  for_each_schema(db, [&](int, const char* name) { schemas.push_back(name); });
  if (schemas.size() > temp_schema && asked.size() + 1 == schemas.size())
    schemas.erase(schemas.begin() + temp_schema);
  if (asked.size() != schemas.size()) schemas.clear();
  if (schemas.empty() && !asked.empty()) schemas.push_back("main");  // Always the first.
  std::vector<CacheIdentity> caches;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (asked[i].id == 0) continue;  // Not the pool's.
    CacheIdentity identity{.cache_id = asked[i].id, .schema_name = {}, .database_file = {}};
    if (i < schemas.size()) {
      identity.schema_name = schemas[i];
      identity.database_file = file_of(db, schemas[i]);
    }
    caches.push_back(std::move(identity));
  }
  return caches;
}

}  // namespace

std::vector<CacheIdentity> identify_caches(sqlite3* db,
                                           const std::function<void()>& read_cache_used) {
  return match(db, caches_asked_during(read_cache_used));
}

}  // namespace sqlitemem::ext
