// How the host library and the asking connection are set up, as far as that concerns memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sqlitemem::stats {

/// nullopt: not known, or it could not be asked.
struct HostSettings {
  /// Whether sqlite3_release_memory(), and with it the soft heap limit, can free page caches.
  std::optional<bool> can_release_memory;
  std::optional<std::uint64_t> soft_heap_limit_bytes, hard_heap_limit_bytes;  ///< 0: none.
  // Of the asking connection; others cannot be asked.
  std::optional<bool> temp_is_in_memory;
  std::optional<std::uint64_t> mmap_bytes;   ///< PRAGMA mmap_size of main; 0: off.
  std::optional<std::uint64_t> cache_bytes;  ///< PRAGMA cache_size of main, in bytes.
  /// What was wrong with SQLITEMEM_ variables, one line each; empty if nothing was.
  std::string environment_problems;
};

}  // namespace sqlitemem::stats
