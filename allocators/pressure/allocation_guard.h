// Between two samples only the allocator sees memory grow: how far it may, as held bytes.
#pragma once

#include <cstdint>
#include <limits>

#include "allocators/base/bytes.h"

namespace sqlitemem {

/// Held bytes (MemoryBudget) up to which nothing has to be done. One comparison per slow-path
/// request, no system call.
struct GuardCeiling {
  static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

  std::uint64_t evict_above_bytes = unlimited;   ///< Beyond: first evict what the request needs.
  std::uint64_t refuse_above_bytes = unlimited;  ///< Still beyond: the request fails.
};

/// Usage of the limit beyond which the guard evicts, and refuses. What is left above is for what
/// has to succeed: rolling back, deleting.
inline constexpr double guard_evicts_above = 0.96;
inline constexpr double guard_refuses_above = 0.985;

/// From one reading of both: whatever else uses the limit is taken to stay as it is, so that the
/// process's usage grows as its held bytes do. `used_bytes`: without what the kernel drops by
/// itself (LimitReading::file_bytes). If others alone pass the limit, the ceilings are below
/// `held_bytes`. `limit_bytes` 0: no limit, no ceilings. In mode reclaim only evict_above_bytes is
/// heeded, in mode off neither.
[[nodiscard]] constexpr GuardCeiling guard_ceiling(std::uint64_t held_bytes,
                                                   std::uint64_t used_bytes,
                                                   std::uint64_t limit_bytes) noexcept {
  if (limit_bytes == 0) return {};
  const auto ceiling = [&](double share) {
    const auto most = static_cast<std::uint64_t>(share * static_cast<double>(limit_bytes));
    if (most < used_bytes) return at_least_zero(held_bytes, used_bytes - most);
    const std::uint64_t room = most - used_bytes;
    return held_bytes > GuardCeiling::unlimited - room ? GuardCeiling::unlimited
                                                       : held_bytes + room;
  };
  return {.evict_above_bytes = ceiling(guard_evicts_above),
          .refuse_above_bytes = ceiling(guard_refuses_above)};
}

}  // namespace sqlitemem
