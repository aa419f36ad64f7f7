// Size classes: which block a request gets. Fixed classes, up to eight learned ones, and page runs
// above.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocators/base/bytes.h"

namespace sqlitemem {

/// Index of a size class, and the code in the chunk map that says what 64 KiB of the region hold.
///
///   0          none: not handed out; also all of the large area, which is known by its addresses
///   1 … 49     fixed slab classes: 16-byte steps to 128, 8 per doubling to 4096, and 4608
///   50 … 57    learned slab classes, in order of learning
///   58 … 85    page runs of 5 … 32 KiB, ascending
///   86, 87     a chunk of the run area, a block of the large area: its size is kept elsewhere
using ClassIndex = std::uint8_t;

inline constexpr std::size_t class_granule_bytes = 16;
inline constexpr std::size_t max_slab_object_bytes = 4608;
inline constexpr std::size_t run_granule_bytes = 1024;
inline constexpr std::size_t max_cached_bytes = 32 * kib;  ///< Above: no magazines.
inline constexpr std::size_t max_run_bytes = 256 * kib;

inline constexpr ClassIndex no_class = 0;
inline constexpr std::size_t fixed_class_count = 49;
inline constexpr std::size_t learned_class_count = 8;
inline constexpr ClassIndex first_fixed_class = 1;
inline constexpr ClassIndex first_learned_class = first_fixed_class + fixed_class_count;
inline constexpr ClassIndex first_run_class = first_learned_class + learned_class_count;
inline constexpr std::size_t min_run_granules = 5;
inline constexpr std::size_t run_class_count =
    max_cached_bytes / run_granule_bytes - min_run_granules + 1;
inline constexpr ClassIndex run_area_code = first_run_class + run_class_count;
inline constexpr ClassIndex large_area_code = run_area_code + 1;
inline constexpr std::size_t class_slot_count = large_area_code + 1;

constexpr bool is_slab_class(std::size_t index) {
  return index >= first_fixed_class && index < first_run_class;
}
constexpr bool is_learned_class(std::size_t index) {
  return index >= first_learned_class && index < first_run_class;
}
constexpr bool is_run_class(std::size_t index) {
  return index >= first_run_class && index < run_area_code;
}

namespace size_class_detail {
consteval std::array<std::uint32_t, fixed_class_count> fixed_class_bytes() {
  std::array<std::uint32_t, fixed_class_count> bytes{};
  std::size_t count = 0;
  for (std::uint32_t size = 16; size <= 128; size += 16) bytes[count++] = size;
  for (std::uint32_t doubling = 128; doubling < 4096; doubling *= 2) {
    for (std::uint32_t step = 1; step <= 8; ++step) bytes[count++] = doubling + doubling / 8 * step;
  }
  bytes[count] = max_slab_object_bytes;
  return bytes;
}
}  // namespace size_class_detail

inline constexpr auto fixed_class_bytes = size_class_detail::fixed_class_bytes();
static_assert(fixed_class_bytes.back() == max_slab_object_bytes, "fixed_class_count is wrong");
static_assert(fixed_class_bytes[fixed_class_count - 2] == 4096, "fixed_class_count is wrong");

/// The run class of a cached run, `granules` in [min_run_granules, 32].
constexpr ClassIndex run_class_for(std::size_t granules) {
  return static_cast<ClassIndex>(first_run_class + granules - min_run_granules);
}

/// Request size → class → block size. Readers take no lock: entries are bytes and words that change
/// atomically, and a block remembers its class by its chunk, so a reader may see the table before
/// or after learning.
class ClassTable {
 public:
  /// `checks_every_call`: object_bytes_unchecked() tells no slab class's size.
  void start(bool checks_every_call) noexcept;

  /// `bytes` <= max_cached_bytes. no_class for 0.
  [[nodiscard]] ClassIndex class_for(std::size_t bytes) const noexcept {
    return class_for_unit((bytes + class_granule_bytes - 1) / class_granule_bytes);
  }
  [[nodiscard]] ClassIndex class_for_unit(std::size_t unit) const noexcept {
    return class_for_unit_[unit].load(std::memory_order_relaxed);
  }
  /// 0 for no_class, the area codes and learned classes not yet in use.
  [[nodiscard]] std::size_t object_bytes(std::size_t index) const noexcept {
    return object_bytes_[index].load(std::memory_order_relaxed);
  }
  /// The same for a block whose class is known, if that is enough to tell its size. 0 also for a
  /// slab class when every call is checked: the block must be looked up.
  [[nodiscard]] std::size_t object_bytes_unchecked(std::size_t index) const noexcept {
    return object_bytes_unchecked_[index].load(std::memory_order_relaxed);
  }
  /// Adds a slab class of exactly `bytes` (a multiple of 16, <= max_slab_object_bytes, not a class
  /// yet). no_class if `limit` classes were learned already. One caller at a time.
  [[nodiscard]] ClassIndex learn(std::size_t bytes, std::size_t limit) noexcept;
  [[nodiscard]] std::size_t learned_count() const noexcept {
    return learned_count_.load(std::memory_order_acquire);
  }

  static constexpr std::size_t max_unit = max_cached_bytes / class_granule_bytes;

 private:
  void set_object_bytes(std::size_t index, std::size_t bytes) noexcept;

  std::array<std::atomic<ClassIndex>, max_unit + 1> class_for_unit_{};
  std::array<std::atomic<std::uint32_t>, class_slot_count> object_bytes_{};
  std::array<std::atomic<std::uint32_t>, class_slot_count> object_bytes_unchecked_{};
  bool checks_every_call_ = false;
  std::atomic<std::size_t> learned_count_{0};
};

}  // namespace sqlitemem
