// What page runs say of themselves: totals, how full they are, and the walk that checks their
// rules.
#include <algorithm>
#include <bit>

#include "allocators/slab/run_heap.h"
#include "allocators/slab/slab.h"

namespace sqlitemem {

RunTotals RunHeap::totals() const noexcept {
  const LockGuard guard(lock_);
  RunTotals totals;
  totals.segments = segment_count_;
  totals.live_bytes = live_granules_ * run_granule_bytes;
  for (std::uint32_t index = 0; index < segment_count_; ++index) {
    const RunSegment& segment = *segments_[index].load(std::memory_order_relaxed);
    totals.live_runs += segment.live_runs;
    totals.free_bytes += std::uint64_t{segment.free_granules} * run_granule_bytes;
    for (std::size_t from = 0;;) {
      const auto [begin, end] = segment.next_free(from);
      if (begin == RunSegment::granules) break;
      totals.largest_free_bytes =
          std::max<std::uint64_t>(totals.largest_free_bytes, (end - begin) * run_granule_bytes);
      for (std::size_t page = divide_up(begin, RunSegment::granules_per_page);
           page < end / RunSegment::granules_per_page; ++page) {
        if ((segment.charged[page / 64] >> (page % 64) & 1) != 0)
          totals.dirty_free_bytes += page_bytes;
      }
      from = end;
    }
  }
  return totals;
}

void RunHeap::add_to(FillMap& map) const noexcept {
  constexpr std::size_t granules_per_word = 64, pages_per_word = 64;
  constexpr std::size_t word_bytes = granules_per_word * run_granule_bytes;
  constexpr std::size_t word_pages = word_bytes / page_bytes;
  constexpr std::uint64_t word_mask = (std::uint64_t{1} << word_pages) - 1;
  const LockGuard guard(lock_);
  for (std::uint32_t index = 0; index < segment_count_; ++index) {
    const RunSegment& segment = *segments_[index].load(std::memory_order_relaxed);
    for (std::size_t word = 0; word < segment.used.size(); ++word) {
      const std::size_t page = word * word_pages;
      const std::uint64_t charged =
          segment.charged[page / pages_per_word] >> (page % pages_per_word) & word_mask;
      const auto granules = static_cast<std::uint64_t>(std::popcount(segment.used[word]));
      map.add(index * mib + word * word_bytes, word_bytes,
              {.used_bytes = granules * run_granule_bytes,
               .held_bytes = static_cast<std::uint64_t>(std::popcount(charged)) * page_bytes});
    }
  }
}

std::uint64_t RunHeap::resident_bytes() const noexcept {
  const LockGuard guard(lock_);  // The frontier moves.
  const auto bytes = static_cast<std::size_t>(area_->frontier() - area_->begin());
  return bytes == 0 ? 0 : pages_->resident_bytes(area_->begin(), bytes);
}

std::optional<Violation> RunHeap::find_violation_in(std::uint32_t index) const noexcept {
  const RunSegment& segment = *segments_[index].load(std::memory_order_relaxed);
  std::size_t used = 0, largest = 0, runs = 0;
  for (std::size_t granule = 0; granule < RunSegment::granules;) {
    const std::uint8_t length = segment.length[granule].load(std::memory_order_relaxed);
    const auto address = reinterpret_cast<std::uintptr_t>(address_of(index, granule));
    if (length == 0) {
      if (segment.is_used(granule))
        return Violation{"run: a granule in use belongs to a run", 0, 1, address};
      const std::size_t end = segment.next_free(granule).end;
      for (std::size_t i = granule; i < end; ++i) {
        if (segment.length[i].load(std::memory_order_relaxed) != 0) {
          return Violation{"run: a run covers bits set", 1, 0,
                           reinterpret_cast<std::uintptr_t>(address_of(index, i))};
        }
      }
      largest = std::max(largest, end - granule);
      granule = end;
      continue;
    }
    const std::size_t count = std::size_t{length} + RunSegment::length_bias;
    if (granule + count > RunSegment::granules)
      return Violation{"run: ends in its segment", RunSegment::granules, granule + count, address};
    for (std::size_t i = granule; i < granule + count; ++i) {
      if (!segment.is_used(i)) return Violation{"run: a run covers bits set", 1, 0, address};
      if (i > granule && segment.length[i].load(std::memory_order_relaxed) != 0)
        return Violation{"run: runs do not overlap", 0, 1, address};
      const std::size_t page = i / RunSegment::granules_per_page;
      if ((segment.charged[page / 64] >> (page % 64) & 1) == 0)
        return Violation{"run: its pages are charged", 1, 0, address};
    }
    used += count, ++runs, granule += count;
  }
  if (segment.free_granules != RunSegment::granules - used)
    return Violation{"run: free_granules == zero bits", RunSegment::granules - used,
                     segment.free_granules};
  if (segment.live_runs != runs)
    return Violation{"run: live_runs == runs described", runs, segment.live_runs};
  if (largest_free_[index] < largest)
    return Violation{"run: largest_free is an upper bound", largest, largest_free_[index]};
  return std::nullopt;
}

std::optional<Violation> RunHeap::find_violation() const noexcept {
  const LockGuard guard(lock_);
  std::uint64_t free_granules = 0;
  for (std::uint32_t index = 0; index < segment_count_; ++index) {
    if (const auto broken = find_violation_in(index)) return broken;
    free_granules += segments_[index].load(std::memory_order_relaxed)->free_granules;
  }
  const std::uint64_t live = std::uint64_t{segment_count_} * RunSegment::granules - free_granules;
  if (live != live_granules_)
    return Violation{"run: live granules == sum over segments", live, live_granules_};
  return std::nullopt;
}

}  // namespace sqlitemem
