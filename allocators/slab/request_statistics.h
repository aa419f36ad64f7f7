// Which sizes are asked for: samples, and the growth that decides which classes are learned.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "allocators/slab/size_classes.h"
#include "allocators/slab/totals.h"

namespace sqlitemem {

/// Requests up to 32 KiB are sampled: about one in 256 of each thread and class, which stands for
/// all since the last one. Larger ones are all counted. Lock-free; called on slow paths only.
class RequestStatistics {
 public:
  /// `weight_bytes`: of all requests that this sample stands for, as if they were of its size.
  void record_sample(std::size_t request_bytes, std::uint64_t weight_bytes) noexcept {
    weights_[unit_of(request_bytes)].fetch_add(weight_bytes, std::memory_order_relaxed);
  }
  /// A request above max_cached_bytes.
  void record_large(std::size_t request_bytes) noexcept;
  /// `slabs` new slabs were taken for a request of this size.
  std::uint64_t record_growth(std::size_t request_bytes, std::uint64_t slabs) noexcept {
    total_growth_.fetch_add(slabs, std::memory_order_relaxed);
    return growth_[growth_unit(request_bytes)].fetch_add(slabs, std::memory_order_relaxed) + slabs;
  }
  [[nodiscard]] std::uint64_t total_growth() const noexcept {
    return total_growth_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t largest_request_bytes() const noexcept {
    return largest_.load(std::memory_order_relaxed);
  }

  void reset_largest() noexcept { largest_.store(0, std::memory_order_relaxed); }
  void reset() noexcept;  ///< The patterns; not the growth, which classes depend on.
  /// By estimated allocations, descending. `class_bytes` is filled in by the caller. Allocates.
  [[nodiscard]] std::vector<RequestPattern> patterns() const;

 private:
  static constexpr std::size_t unit_bytes = 8;
  static constexpr std::size_t unit_of(std::size_t bytes) {
    return (bytes + unit_bytes - 1) / unit_bytes;
  }
  static constexpr std::size_t growth_unit(std::size_t bytes) {
    return (bytes + class_granule_bytes - 1) / class_granule_bytes;
  }
  // Eight per doubling from 32 KiB to 2 GiB and more.
  static constexpr std::size_t large_units = 8 * 22;

  std::array<std::atomic<std::uint64_t>, max_cached_bytes / unit_bytes + 1> weights_{};
  std::array<std::atomic<std::uint64_t>, max_slab_object_bytes / class_granule_bytes + 1> growth_{};
  std::array<std::atomic<std::uint64_t>, large_units> large_counts_{};
  std::atomic<std::uint64_t> total_growth_{0}, largest_{0};
};

}  // namespace sqlitemem
