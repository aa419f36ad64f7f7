// How the pool hashes the identity of a page: for the policy's ghosts, and for advice.
#pragma once

#include <cstdint>

namespace sqlitemem {

/// splitmix64's finaliser (S. Vigna): every bit of the answer depends on every bit of `value`.
constexpr std::uint64_t mix_bits(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

}  // namespace sqlitemem
