// Writes to a block as its user would, as little as is needed to make the memory real.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sqlitemem::bench {

inline constexpr std::size_t touch_stride_bytes = 4096;

/// The first eight bytes: every user of a block writes there. Volatile, so that no compiler removes
/// it.
inline void touch_first(void* block, std::uint64_t value) {
  *static_cast<volatile std::uint64_t*>(block) = value;
}

/// One byte in each page of [from, to).
inline void touch_pages(void* block, std::size_t from, std::size_t to) {
  auto* bytes = static_cast<volatile unsigned char*>(block);
  for (std::size_t at = from; at < to; at += touch_stride_bytes) bytes[at] = 1;
}

/// The first eight bytes, one byte per further page, and the last byte.
inline void touch_block(void* block, std::size_t bytes, std::uint64_t value) {
  touch_first(block, value);
  touch_pages(block, touch_stride_bytes, bytes);
  static_cast<volatile unsigned char*>(block)[bytes - 1] = 1;
}

}  // namespace sqlitemem::bench
