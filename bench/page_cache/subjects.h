// Whose page cache a worker drives: SQLite's own, ours, or SQLite's one cache for all connections.
#pragma once

#include <sqlite3.h>

#include <array>
#include <string_view>

namespace sqlitemem::bench {

inline constexpr std::string_view our_pool = "sqlitemem";
inline constexpr std::string_view stock = "stock";
/// SQLite built with SQLITE_ENABLE_MEMORY_MANAGEMENT: all caches share one LRU list and one mutex.
inline constexpr std::string_view shared_group = "shared_group";
inline constexpr std::array page_cache_subjects = {stock, our_pool, shared_group};

/// Where the library of `shared_group` lies; Debian has none.
inline constexpr const char* shared_group_variable = "POOL_BENCH_SHARED_GROUP";

/// What SQLite asks for with 4096-byte pages: of its extra area, 216 bytes in version 3.40.
inline constexpr int page_bytes_asked = 4096, extra_bytes_asked = 216;

/// The methods of a subject, started. `pages`: what all its caches may hold together. Proves where
/// they come from, and ends the worker if that is not so; with exit_subject_missing if there is no
/// such library.
const sqlite3_pcache_methods2& load_page_cache(std::string_view subject, std::uint64_t pages);

}  // namespace sqlitemem::bench
