// How full a stretch of memory is, piece by piece: what a picture of fragmentation is drawn from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sqlitemem {

/// Bytes of a piece.
struct FillCell {
  std::uint64_t used_bytes = 0;  ///< Handed out; what threads keep in magazines counts as that.
  std::uint64_t held_bytes = 0;  ///< Taken from the operating system, used or not.
};

/// A stretch of addresses in cells of equal size. Made before a lock is taken, because it allocates
/// (with the caller's allocator); add() does not, so that it may be called inside.
class FillMap {
 public:
  FillMap() = default;
  /// Covers [0, span_bytes) with at most `most_cells` cells (1 or more), each `unit_bytes` times
  /// the least power of two that suffices.
  FillMap(std::uint64_t span_bytes, std::uint64_t unit_bytes, std::size_t most_cells);

  /// Of the `bytes` (1 or more) from `offset` on so many are used and held; they are taken as
  /// evenly spread. What lies behind the span has come since the map was made, and is left out.
  void add(std::uint64_t offset, std::uint64_t bytes, FillCell fill) noexcept;

  /// The same stretch with at most `most_cells` cells, by joining neighbours.
  [[nodiscard]] FillMap with_at_most(std::size_t most_cells) const;

  [[nodiscard]] std::uint64_t cell_bytes() const noexcept { return cell_bytes_; }
  [[nodiscard]] std::uint64_t span_bytes() const noexcept { return span_bytes_; }
  [[nodiscard]] const std::vector<FillCell>& cells() const noexcept { return cells_; }
  [[nodiscard]] FillCell sum() const noexcept;

 private:
  std::uint64_t span_bytes_ = 0, cell_bytes_ = 0;
  std::vector<FillCell> cells_;
};

/// One part of the memory: slabs, runs, large or pool.
struct AreaFill {
  std::string_view area;
  FillMap map;
};

}  // namespace sqlitemem
