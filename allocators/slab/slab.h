// One slab: 64 KiB of equal objects, described out of band. Data pages hold no metadata, so they
// can be purged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/bytes.h"
#include "allocators/base/check.h"
#include "allocators/slab/size_classes.h"

namespace sqlitemem {

inline constexpr std::size_t chunk_bytes = 64 * kib;
inline constexpr std::size_t chunk_shift = 16;
inline constexpr std::size_t pages_per_chunk = chunk_bytes / page_bytes;
inline constexpr std::uint32_t no_chunk = ~std::uint32_t{0};

/// What is the same for all slabs of a class.
struct SlabGeometry {
  std::uint32_t object_bytes = 0;
  std::uint32_t capacity = 0;  ///< Objects per slab.
  std::uint32_t colours = 1;   ///< Start offsets 0, 64, 128 … that the slack allows.
  std::uint32_t bitmap_words = 0;
  std::uint64_t reciprocal = 0;  ///< ceil(2^32 / (object_bytes / 16)).

  static SlabGeometry of(std::size_t object_bytes) noexcept;
  [[nodiscard]] std::size_t bitmap_bytes() const { return bitmap_words * sizeof(std::uint64_t); }
};

/// The descriptor of a chunk of the slab area; 64 bytes, one per chunk, in an array by chunk
/// number.
///
///   colour          carved                       capacity
///   | slack | objects taken at least once | never touched | slack |
///
/// Invariants (find_violation()):
/// 1. carved <= capacity.
/// 2. free_count == number of bits set.
/// 3. No bit is set at or above carved.
/// Guarded by the lock of its class while it is a slab, of the chunk pool while it is free.
struct Slab {
  /// One bit per object, set: returned to the slab. Points to inline_bits if capacity <= 64.
  std::uint64_t* free_bits;
  std::uint64_t inline_bits;
  std::uint64_t freed_at_ns;  ///< Of a free chunk.
  std::uint32_t next, prev;   ///< Chunk numbers, in a class's or the pool's list.
  std::uint16_t carved, free_count;
  std::uint16_t colour_bytes;
  std::uint16_t charged_pages;  ///< Bit per page: charged to the budget, may be resident.
  ClassIndex class_index;       ///< no_class: a free chunk.
  std::uint8_t bucket;          ///< Of its class's lists; see SizeClassHeap.
  bool is_listed;

  [[nodiscard]] std::uint32_t used(const SlabGeometry&) const { return carved - free_count; }
  [[nodiscard]] std::uint32_t available(const SlabGeometry& g) const {
    return g.capacity - carved + free_count;
  }

  /// Takes the lowest free object, or carves the next one. Requires available() > 0. Returns its
  /// number.
  std::uint32_t take(const SlabGeometry& g) noexcept;
  /// Puts object `index` back; false: it is free already.
  bool give(std::uint32_t index) noexcept;
  /// The object that starts at `offset` bytes into the chunk; nullopt: no object starts there.
  [[nodiscard]] std::optional<std::uint32_t> index_of(std::size_t offset,
                                                      const SlabGeometry& g) const noexcept;
  [[nodiscard]] std::size_t offset_of(std::uint32_t index, const SlabGeometry& g) const {
    return colour_bytes + std::size_t{index} * g.object_bytes;
  }
  [[nodiscard]] bool is_free(std::uint32_t index) const noexcept {
    return index >= carved || (free_bits[index / 64] >> (index % 64) & 1) != 0;
  }
  /// Bit per page that no object in use touches.
  [[nodiscard]] std::uint16_t idle_pages(const SlabGeometry& g) const noexcept;
  /// Bit per page that object `index` touches.
  [[nodiscard]] std::uint16_t pages_of(std::uint32_t index, const SlabGeometry& g) const noexcept;

  [[nodiscard]] std::optional<Violation> find_violation(const SlabGeometry& g) const noexcept;
};
static_assert(sizeof(Slab) <= 64);

}  // namespace sqlitemem
