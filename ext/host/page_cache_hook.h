// SQLite's page-cache interface over the process's buffer pool; caches from before go on as they
// were.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <vector>

#include "allocators/pool/page_cache.h"

namespace sqlitemem::ext {

/// For sqlite3_config(SQLITE_CONFIG_PCACHE2). Constant once it was called.
const sqlite3_pcache_methods2& page_cache_methods() noexcept;
/// All of it is ours.
bool is_our_page_cache(const sqlite3_pcache_methods2& methods) noexcept;

/// What SQLite had before, from SQLITE_CONFIG_GETPCACHE2. Set before SQLite calls ours for the
/// first time, and never again: caches that are not ours are its.
void set_previous_page_cache(const sqlite3_pcache_methods2& methods) noexcept;
const sqlite3_pcache_methods2& previous_page_cache() noexcept;

/// SQLite called xInit, and xShutdown not since, and the pool could be started.
bool pool_is_ours() noexcept;

/// A cache that is older than our taking over, or that the pool could not serve.
struct LegacyCache {
  std::uint64_t id = 0;  ///< In order of their first use since; negative in tables.
  std::uint32_t frames = 0;
};
/// Those that SQLite used since we took over and has not closed.
std::vector<LegacyCache> legacy_caches();

/// A page cache that SQLite has asked for its size.
struct AskedCache {
  std::uint64_t id = 0;  ///< 0: not ours, and the rest is void.
  bool is_purgeable = false;
  PageCache::FirstPage first_page;
};
void begin_listening(std::vector<AskedCache>& asked) noexcept;
void end_listening() noexcept;
/// The page caches that SQLite asks for their size during `ask`, in its order.
/// SQLITE_DBSTATUS_CACHE_USED asks the caches of a connection's databases one after another: so a
/// cache is known by its connection, with public interfaces only.
template <class Ask>
std::vector<AskedCache> caches_asked_during(Ask ask) {
  std::vector<AskedCache> asked;
  begin_listening(asked);
  ask();
  end_listening();
  return asked;
}

}  // namespace sqlitemem::ext
