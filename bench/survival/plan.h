// What one seeded process does, and under which limit: the same for every subject.
#pragma once

#include <cstdint>

#include "bench/support/random.h"

namespace sqlitemem::bench {

enum class LimitKind : std::uint8_t { address_space, hard_limit };

/// A service with a pool of connections, a table in memory, reports that sort, and memory of its
/// own. Its needs fit into the limit; what SQLite keeps beside them, if nobody takes it back, does
/// not.
struct SurvivalPlan {
  std::uint64_t seed = 0;
  LimitKind kind = LimitKind::hard_limit;
  std::uint64_t limit_bytes = 0;
  unsigned connections = 0;
  std::uint64_t cache_bytes = 0;    ///< PRAGMA cache_size of each.
  std::uint64_t table_bytes = 0;    ///< In memory; the oldest rows go when it has so much.
  std::uint64_t sort_bytes = 0;     ///< Sorted at a time, with temp_store in memory.
  std::uint64_t foreign_bytes = 0;  ///< The program's own, by malloc; it aborts if that fails.
  unsigned steps = 0;
};

inline constexpr std::uint64_t bytes_in_mb = 1024 * 1024;

inline SurvivalPlan survival_plan(std::uint64_t seed) {
  Random random(seed * 7919 + 1);
  SurvivalPlan plan;
  plan.seed = seed;
  plan.kind = random.below(2) == 0 ? LimitKind::address_space : LimitKind::hard_limit;
  const std::uint64_t room = random.between(48, 128) * bytes_in_mb;
  const auto share = [&](std::uint32_t low, std::uint32_t high) {
    return room / 100 * random.between(low, high);
  };
  plan.connections = random.between(4, 16);
  plan.cache_bytes = share(150, 400) / plan.connections;
  plan.table_bytes = share(5, 20);
  plan.sort_bytes = share(3, 10);
  plan.steps = random.between(300, 600);
  if (plan.kind == LimitKind::address_space) {
    // Program, libraries and stacks, and what a reserving allocator may not use for others.
    plan.limit_bytes = 48 * bytes_in_mb + room * 5 / 4;
    plan.foreign_bytes = share(10, 40);
  } else {
    plan.limit_bytes = room;
  }
  return plan;
}

}  // namespace sqlitemem::bench
