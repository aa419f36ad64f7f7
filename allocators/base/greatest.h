// The greatest value so far, which any thread may raise.
#pragma once

#include <atomic>
#include <cstdint>

namespace sqlitemem {

inline void raise_to(std::atomic<std::uint64_t>& greatest, std::uint64_t value) noexcept {
  std::uint64_t seen = greatest.load(std::memory_order_relaxed);
  while (seen < value && !greatest.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace sqlitemem
