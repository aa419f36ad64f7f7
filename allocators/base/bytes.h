// Sizes: the OS page, binary prefixes, rounding.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sqlitemem {

inline constexpr std::size_t kib = 1024;
inline constexpr std::size_t mib = 1024 * kib;
inline constexpr std::size_t gib = 1024 * mib;

/// The unit of commit and decommit. arm64 kernels with larger pages are refused at start-up.
inline constexpr std::size_t page_bytes = 4096;

/// `unit` is a power of two.
constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) & ~(unit - 1);
}
constexpr std::size_t round_down(std::size_t bytes, std::size_t unit) {
  return bytes & ~(unit - 1);
}
constexpr std::size_t divide_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit;
}

/// Counters are read one after another while threads run, so a difference may be briefly negative:
/// 0, not 2^64.
constexpr std::uint64_t at_least_zero(std::uint64_t whole, std::uint64_t part) {
  return whole > part ? whole - part : 0;
}

}  // namespace sqlitemem
