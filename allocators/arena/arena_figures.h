// What arenas tell of themselves: plain values, read in one go.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "allocators/arena/arena_profile.h"

namespace sqlitemem {

/// A live arena: of a transaction, or of a savepoint in it.
struct ArenaFigures {
  std::uint64_t arena_id = 0;  ///< 1, 2, …: one for each transaction, never used twice.
  std::uint64_t connection_id = 0;
  std::uint64_t level = 0;  ///< Savepoints around it; 0: the transaction's own.
  ArenaProfile profile = ArenaProfile::tiny;
  std::uint64_t used_bytes = 0;                 ///< Without those of deeper levels.
  std::optional<std::uint64_t> reserved_bytes;  ///< Of the whole transaction; level 0 only.
  std::uint64_t peak_bytes = 0;                 ///< Level 0: of the transaction. Else: used_bytes.
  std::uint64_t allocations = 0;                ///< Made at this level.
  std::uint64_t commits = 0, rollbacks = 0;     ///< Level 0: of the connection. Else: back to it.
  std::uint64_t limit_hits = 0;
  std::optional<std::uint64_t> last_reset_ns;
  std::uint64_t opened_at_ns = 0;  ///< The coarse monotonic clock.
};

/// All transactions of a profile since the process began. What a transaction did counts for the
/// profile that it ended with, also while it is open.
struct ProfileFigures {
  std::uint64_t open_arenas = 0;
  std::uint64_t used_bytes = 0;      ///< By open transactions.
  std::uint64_t reserved_bytes = 0;  ///< By connections whose last transaction had it.
  std::uint64_t peak_bytes = 0;      ///< The most that one transaction used.
  std::uint64_t allocations = 0, commits = 0, rollbacks = 0, limit_hits = 0;
  std::optional<std::uint64_t> last_reset_ns;
};

/// Chunks by who holds the memory behind them.
enum class ChunkArea : std::uint8_t { slabs, runs, large, outside };
inline constexpr std::size_t chunk_area_count = 4;

struct ArenaReading {
  std::array<ProfileFigures, arena_profile_count> profiles;
  std::vector<ArenaFigures> arenas;  ///< By connection, then level.
  std::uint64_t used_bytes = 0, reserved_bytes = 0;
  std::uint64_t peak_reserved_bytes = 0;
  std::array<std::uint64_t, chunk_area_count> area_bytes{};  ///< Of reserved_bytes.
};

}  // namespace sqlitemem
