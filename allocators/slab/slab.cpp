// Bitmap arithmetic of one slab.
#include "allocators/slab/slab.h"

#include <algorithm>
#include <bit>

namespace sqlitemem {
namespace {

/// Bits [first, last] of a 16-page mask.
constexpr std::uint16_t page_mask(std::size_t first, std::size_t last) {
  return static_cast<std::uint16_t>(((std::uint32_t{2} << last) - 1) &
                                    ~((std::uint32_t{1} << first) - 1));
}

}  // namespace

SlabGeometry SlabGeometry::of(std::size_t object_bytes) noexcept {
  SlabGeometry g;
  g.object_bytes = static_cast<std::uint32_t>(object_bytes);
  g.capacity = static_cast<std::uint32_t>(chunk_bytes / object_bytes);
  const std::size_t slack = chunk_bytes - g.capacity * object_bytes;
  g.colours = object_bytes % page_bytes == 0 ? 1 : static_cast<std::uint32_t>(slack / 64 + 1);
  g.bitmap_words = static_cast<std::uint32_t>(divide_up(g.capacity, 64));
  g.reciprocal = (std::uint64_t{1} << 32) / (object_bytes / class_granule_bytes) + 1;
  return g;
}

std::uint32_t Slab::take(const SlabGeometry& g) noexcept {
  if (free_count == 0) return carved++;
  std::uint32_t word = 0;
  while (free_bits[word] == 0) ++word;
  SQLITEMEM_CHECK(word < g.bitmap_words, word, g.bitmap_words);
  const auto bit = static_cast<std::uint32_t>(std::countr_zero(free_bits[word]));
  free_bits[word] &= free_bits[word] - 1;
  --free_count;
  return word * 64 + bit;
}

bool Slab::give(std::uint32_t index) noexcept {
  std::uint64_t& word = free_bits[index / 64];
  const std::uint64_t bit = std::uint64_t{1} << (index % 64);
  if (index >= carved || (word & bit) != 0) return false;
  word |= bit;
  ++free_count;
  return true;
}

std::optional<std::uint32_t> Slab::index_of(std::size_t offset,
                                            const SlabGeometry& g) const noexcept {
  if (offset < colour_bytes || offset % class_granule_bytes != 0) return std::nullopt;
  const std::size_t unit = (offset - colour_bytes) / class_granule_bytes;
  const auto index = static_cast<std::uint32_t>((unit * g.reciprocal) >> 32);
  if (index >= g.capacity || offset_of(index, g) != offset) return std::nullopt;
  return index;
}

std::uint16_t Slab::pages_of(std::uint32_t index, const SlabGeometry& g) const noexcept {
  const std::size_t first = offset_of(index, g);
  return page_mask(first / page_bytes, (first + g.object_bytes - 1) / page_bytes);
}

std::uint16_t Slab::idle_pages(const SlabGeometry& g) const noexcept {
  std::uint16_t busy = 0;
  for (std::uint32_t word = 0; word * 64 < carved; ++word) {
    std::uint64_t used_bits = ~free_bits[word];
    const std::uint32_t left = carved - word * 64;
    if (left < 64) used_bits &= (std::uint64_t{1} << left) - 1;
    while (used_bits != 0) {
      const auto index = word * 64 + static_cast<std::uint32_t>(std::countr_zero(used_bits));
      const std::uint16_t pages = pages_of(index, g);
      busy |= pages;
      used_bits &= used_bits - 1;
      if (g.object_bytes < page_bytes && used_bits != 0) {
        // Skip the other objects of this page: it is busy already.
        const std::size_t page_end = (offset_of(index, g) / page_bytes + 1) * page_bytes;
        const std::size_t skip_to =
            (page_end - colour_bytes) / g.object_bytes;  // Overlaps the next page, or starts it.
        if (skip_to > index + 1 && skip_to < word * 64 + 64) {
          used_bits &= ~((std::uint64_t{1} << (skip_to - word * 64)) - 1);
        } else if (skip_to >= word * 64 + 64) {
          used_bits = 0;
        }
      }
    }
  }
  return static_cast<std::uint16_t>(~busy);
}

std::optional<Violation> Slab::find_violation(const SlabGeometry& g) const noexcept {
  if (carved > g.capacity) return Violation{"slab: carved <= capacity", g.capacity, carved};
  std::uint32_t bits = 0;
  for (std::uint32_t word = 0; word < g.bitmap_words; ++word) {
    bits += static_cast<std::uint32_t>(std::popcount(free_bits[word]));
    const std::uint32_t first = word * 64;
    const std::uint64_t beyond = carved <= first        ? ~std::uint64_t{0}
                                 : carved - first >= 64 ? 0
                                                        : ~std::uint64_t{0} << (carved - first);
    if ((free_bits[word] & beyond) != 0) {
      return Violation{"slab: an object never carved is not marked free", 0,
                       free_bits[word] & beyond};
    }
  }
  if (bits != free_count) return Violation{"slab: free_count == bits set", bits, free_count};
  return std::nullopt;
}

}  // namespace sqlitemem
