// Makes memory that nobody should use unusable, in the builds that check: a pattern, and
// AddressSanitizer's marks.
#pragma once

#include <algorithm>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define SQLITEMEM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SQLITEMEM_ASAN 1
#endif
#endif
#ifdef SQLITEMEM_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace sqlitemem::arena_poison {

#if defined(SQLITEMEM_ASAN) || defined(SQLITEMEM_DEEP_CHECKS)
inline constexpr bool is_on = true;
#else
inline constexpr bool is_on = false;
#endif
/// Whether the pattern can be read: under AddressSanitizer reading it is the very error.
#if defined(SQLITEMEM_DEEP_CHECKS) && !defined(SQLITEMEM_ASAN)
inline constexpr bool has_pattern = true;
#else
inline constexpr bool has_pattern = false;
#endif
inline constexpr std::byte pattern{0xDB};

/// Allowed to be used from now on.
inline void open([[maybe_unused]] void* begin, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef SQLITEMEM_ASAN
  __asan_unpoison_memory_region(begin, bytes);
#endif
}

/// Not to be used until it is handed out again. Nothing in builds that do not check.
inline void close([[maybe_unused]] std::byte* begin, [[maybe_unused]] std::byte* end) noexcept {
#ifdef SQLITEMEM_ASAN
  __asan_poison_memory_region(begin, static_cast<std::size_t>(end - begin));
#elif defined(SQLITEMEM_DEEP_CHECKS)
  std::fill(begin, end, pattern);
#endif
}

}  // namespace sqlitemem::arena_poison
