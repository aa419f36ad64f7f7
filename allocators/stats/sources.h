// Where the tables' figures come from: the seam between the core's statistics and their host.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "allocators/manager/memory_manager.h"
#include "allocators/stats/connection_rows.h"

namespace sqlitemem::stats {

/// What the database library says of its own memory. nullopt: it does not count.
struct LibraryFigures {
  std::optional<std::uint64_t> memory_used, memory_peak, largest_request, blocks, blocks_peak;
  std::optional<std::uint64_t> page_cache_overflow, page_cache_overflow_peak;
  std::string note;  ///< Why figures are missing; empty if none is.
};

/// Asked once per snapshot. The extension's answers come from the process; tests give their own.
class Sources {
 public:
  virtual ~Sources() = default;

  /// nullptr: the database library's memory does not come from our heap.
  virtual MemoryManager* heap() = 0;
  /// Why heap() is nullptr, for `note` columns.
  virtual std::string heap_note() = 0;
  virtual std::vector<ConnectionMemoryRow> connections() = 0;
  virtual LibraryFigures library() = 0;
  /// Prefix of /proc and /sys: "" outside tests.
  virtual std::string file_root() = 0;
};

}  // namespace sqlitemem::stats
