// Spreads bytes over cells so that nothing is lost by rounding.
#include "allocators/pages/fill_map.h"

#include <algorithm>

namespace sqlitemem {
namespace {

__extension__ using Wide = unsigned __int128;

/// Of `amount` spread over `bytes`, what lies before `position`.
std::uint64_t bytes_before(std::uint64_t amount, std::uint64_t position, std::uint64_t bytes) {
  return static_cast<std::uint64_t>(Wide{amount} * position / bytes);
}

}  // namespace

FillMap::FillMap(std::uint64_t span_bytes, std::uint64_t unit_bytes, std::size_t most_cells)
    : span_bytes_(span_bytes), cell_bytes_(unit_bytes) {
  const auto cells_needed = [&] { return (span_bytes - 1) / cell_bytes_ + 1; };
  if (span_bytes == 0) return;
  while (cells_needed() > most_cells) cell_bytes_ *= 2;
  cells_.resize(static_cast<std::size_t>(cells_needed()));
}

void FillMap::add(std::uint64_t offset, std::uint64_t bytes, FillCell fill) noexcept {
  if (offset >= span_bytes_) return;
  const std::uint64_t end = offset + std::min(bytes, span_bytes_ - offset);
  for (std::uint64_t at = offset; at < end;) {
    FillCell& cell = cells_[static_cast<std::size_t>(at / cell_bytes_)];
    const std::uint64_t next = std::min(end, (at / cell_bytes_ + 1) * cell_bytes_);
    const auto part = [&](std::uint64_t amount) {
      return bytes_before(amount, next - offset, bytes) - bytes_before(amount, at - offset, bytes);
    };
    cell.used_bytes += part(fill.used_bytes);
    cell.held_bytes += part(fill.held_bytes);
    at = next;
  }
}

FillMap FillMap::with_at_most(std::size_t most_cells) const {
  if (cells_.size() <= most_cells) return *this;
  FillMap joined(span_bytes_, cell_bytes_, most_cells);
  for (std::size_t index = 0; index < cells_.size(); ++index) {
    const std::uint64_t begin = index * cell_bytes_;
    joined.add(begin, std::min(cell_bytes_, span_bytes_ - begin), cells_[index]);
  }
  return joined;
}

FillCell FillMap::sum() const noexcept {
  FillCell all;
  for (const FillCell& cell : cells_) {
    all.used_bytes += cell.used_bytes;
    all.held_bytes += cell.held_bytes;
  }
  return all;
}

}  // namespace sqlitemem
