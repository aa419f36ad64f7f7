// The five sizes of transactions: what an arena starts with, and where it stops.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "allocators/base/bytes.h"
#include "allocators/config.h"

namespace sqlitemem {

enum class ArenaProfile : std::uint8_t { tiny, small, medium, large, huge };

struct ArenaSizes {
  std::string_view name;
  std::size_t initial_bytes;  ///< Of the first chunk.
  std::size_t limit_bytes;    ///< Most bytes that may be handed out, alignment included.
};

/// In the order of ArenaProfile, each larger than the one before.
inline constexpr auto arena_profiles = std::to_array<ArenaSizes>({
    {"tiny", 4 * kib, 64 * kib},
    {"small", 32 * kib, 512 * kib},
    {"medium", 256 * kib, 4 * mib},
    {"large", 2 * mib, 32 * mib},
    {"huge", 16 * mib, 256 * mib},
});
inline constexpr std::size_t arena_profile_count = arena_profiles.size();

consteval bool options_name_the_profiles() {
  if (config_detail::arenas.size() != arena_profile_count + 1) return false;
  for (std::size_t index = 0; index < arena_profile_count; ++index) {
    if (config_detail::arenas[index + 1] != arena_profiles[index].name) return false;
  }
  return true;
}
static_assert(options_name_the_profiles(), "option transaction_arena has the profiles' names");

constexpr const ArenaSizes& sizes_of(ArenaProfile profile) {
  return arena_profiles[static_cast<std::size_t>(profile)];
}

/// The smallest whose limit holds `bytes`; nullopt: not even the greatest.
constexpr std::optional<ArenaProfile> profile_for(std::uint64_t bytes) {
  for (std::size_t index = 0; index < arena_profile_count; ++index) {
    if (bytes <= arena_profiles[index].limit_bytes) return static_cast<ArenaProfile>(index);
  }
  return std::nullopt;
}
static_assert(profile_for(64 * kib) == ArenaProfile::tiny);
static_assert(profile_for(64 * kib + 1) == ArenaProfile::small);
static_assert(!profile_for(256 * mib + 1));

}  // namespace sqlitemem
