// Sums of samples, turned into estimated counts when somebody asks.
#include "allocators/slab/request_statistics.h"

#include <algorithm>
#include <bit>

namespace sqlitemem {
namespace {

/// Eight steps per doubling above max_cached_bytes; the step's upper bound stands for it.
constexpr std::size_t large_unit_of(std::size_t bytes) {
  const std::size_t ratio = (bytes - 1) / max_cached_bytes;  // At least 1.
  const auto doubling = static_cast<std::size_t>(std::bit_width(ratio | 1)) - 1;
  const std::size_t step = max_cached_bytes << doubling >> 3;
  return doubling * 8 + (bytes - 1 - (max_cached_bytes << doubling)) / step;
}
constexpr std::size_t large_unit_bytes(std::size_t unit) {
  const std::size_t base = max_cached_bytes << (unit / 8);
  return base + base / 8 * (unit % 8 + 1);
}
static_assert(large_unit_bytes(large_unit_of(max_cached_bytes + 1)) == 36 * kib);
static_assert(large_unit_bytes(large_unit_of(64 * kib)) == 64 * kib);
static_assert(large_unit_bytes(large_unit_of(64 * kib + 1)) == 72 * kib);

}  // namespace

void RequestStatistics::record_large(std::size_t request_bytes) noexcept {
  const std::size_t unit = std::min(large_unit_of(request_bytes), large_units - 1);
  large_counts_[unit].fetch_add(1, std::memory_order_relaxed);
  std::uint64_t seen = largest_.load(std::memory_order_relaxed);
  while (seen < request_bytes &&
         !largest_.compare_exchange_weak(seen, request_bytes, std::memory_order_relaxed)) {
  }
}

void RequestStatistics::reset() noexcept {
  for (auto& weight : weights_) weight.store(0, std::memory_order_relaxed);
  for (auto& count : large_counts_) count.store(0, std::memory_order_relaxed);
  largest_.store(0, std::memory_order_relaxed);
}

std::vector<RequestPattern> RequestStatistics::patterns() const {
  std::vector<RequestPattern> patterns;
  for (std::size_t unit = 1; unit < weights_.size(); ++unit) {
    const std::uint64_t weight = weights_[unit].load(std::memory_order_relaxed);
    const std::uint64_t bytes = unit * unit_bytes;
    if (weight != 0) patterns.push_back({bytes, std::max<std::uint64_t>(1, weight / bytes), 0});
  }
  for (std::size_t unit = 0; unit < large_counts_.size(); ++unit) {
    const std::uint64_t count = large_counts_[unit].load(std::memory_order_relaxed);
    if (count != 0) patterns.push_back({large_unit_bytes(unit), count, 0});
  }
  std::stable_sort(patterns.begin(), patterns.end(),
                   [](const auto& a, const auto& b) { return a.allocations > b.allocations; });
  return patterns;
}

}  // namespace sqlitemem
