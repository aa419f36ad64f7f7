// What the database library says of its own memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sqlitemem::stats {

/// nullopt: it does not count.
struct LibraryFigures {
  std::optional<std::uint64_t> memory_used, memory_peak, largest_request, blocks, blocks_peak;
  std::optional<std::uint64_t> page_cache_overflow, page_cache_overflow_peak;
  /// Blocks that the library holds outside our heap: older than a live take-over, or lent by the
  /// previous allocator when our region was full. nullopt: the heap is not ours.
  std::optional<std::uint64_t> outside_bytes;
  std::string note;  ///< Why figures are missing; empty if none is.
};

}  // namespace sqlitemem::stats
