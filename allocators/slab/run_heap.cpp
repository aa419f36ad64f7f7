// First fit over segment bitmaps; pages are charged when a run first touches them and refunded when
// purged.
#include "allocators/slab/run_heap.h"

#include <algorithm>
#include <bit>

#include "allocators/base/clock.h"
#include "allocators/slab/slab.h"

namespace sqlitemem {
namespace {

constexpr std::size_t chunks_per_segment = mib / chunk_bytes;

}  // namespace

void RunSegment::mark(std::size_t first, std::size_t count, bool in_use) noexcept {
  for (std::size_t granule = first, end = first + count; granule < end;) {
    const std::size_t bit = granule % 64;
    const std::size_t span = std::min(end - granule, 64 - bit);
    const std::uint64_t mask = (span == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << span) - 1)
                               << bit;
    if (in_use) {
      used[granule / 64] |= mask;
    } else {
      used[granule / 64] &= ~mask;
    }
    granule += span;
  }
}

RunSegment::FreeRun RunSegment::next_free(std::size_t from) const noexcept {
  if (from >= granules) return {granules, granules};
  std::size_t word = from / 64;
  std::uint64_t free_bits = ~used[word] & (~std::uint64_t{0} << (from % 64));
  while (free_bits == 0) {
    if (++word == used.size()) return {granules, granules};
    free_bits = ~used[word];
  }
  const std::size_t begin = word * 64 + static_cast<std::size_t>(std::countr_zero(free_bits));
  std::uint64_t used_bits = used[word] & (~std::uint64_t{0} << (begin % 64));
  while (used_bits == 0) {
    if (++word == used.size()) return {begin, granules};
    used_bits = used[word];
  }
  return {begin, word * 64 + static_cast<std::size_t>(std::countr_zero(used_bits))};
}

std::size_t RunSegment::free_run_begin(std::size_t granule) const noexcept {
  std::size_t word = granule / 64;
  std::uint64_t used_bits = used[word] & ((std::uint64_t{2} << (granule % 64)) - 1);
  while (used_bits == 0) {
    if (word == 0) return 0;
    used_bits = used[--word];
  }
  return word * 64 + 64 - static_cast<std::size_t>(std::countl_zero(used_bits));
}

bool RunHeap::start(Area& area, MetadataHeap& metadata, PageSource& pages, MemoryBudget& budget,
                    std::atomic<ClassIndex>* chunk_map_of_area) noexcept {
  area_ = &area, metadata_ = &metadata, pages_ = &pages, budget_ = &budget;
  chunk_map_ = chunk_map_of_area;
  const std::size_t segments = area.bytes_left() / mib;
  const std::size_t pointer_bytes = segments * sizeof(*segments_);
  table_bytes_ = round_up(pointer_bytes + segments * sizeof(*largest_free_), page_bytes);
  table_memory_ = static_cast<std::byte*>(pages.reserve(table_bytes_, page_bytes));
  if (table_memory_ == nullptr) return false;
  if (!pages.commit(table_memory_, table_bytes_)) {
    stop();
    return false;
  }
  segments_ = reinterpret_cast<std::atomic<RunSegment*>*>(table_memory_);
  largest_free_ = reinterpret_cast<std::uint16_t*>(table_memory_ + pointer_bytes);
  return true;
}

void RunHeap::stop() noexcept {
  const LockGuard guard(lock_);
  if (table_memory_ != nullptr) pages_->release(table_memory_, table_bytes_);
  table_memory_ = nullptr, segments_ = nullptr, largest_free_ = nullptr;
  segment_count_ = 0, live_granules_ = 0;
}

RunHeap::Place RunHeap::place_of(const void* run) const noexcept {
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(run) - area_->begin());
  return {static_cast<std::uint32_t>(offset / mib), offset % mib / run_granule_bytes};
}

std::byte* RunHeap::address_of(std::uint32_t segment, std::size_t granule) const noexcept {
  return area_->begin() + std::size_t{segment} * mib + granule * run_granule_bytes;
}

bool RunHeap::add_segment() noexcept {
  if (area_->bytes_left() < mib) return false;
  auto* segment = static_cast<RunSegment*>(metadata_->allocate(sizeof(RunSegment)));
  if (segment == nullptr) return false;
  if (area_->extend(mib) == nullptr) {
    metadata_->release(segment, sizeof(RunSegment));
    return false;
  }
  segment->free_granules = RunSegment::granules;
  largest_free_[segment_count_] = RunSegment::granules;
  segments_[segment_count_].store(segment, std::memory_order_release);
  for (std::size_t i = 0; i < chunks_per_segment; ++i) {
    chunk_map_[segment_count_ * chunks_per_segment + i].store(run_area_code,
                                                              std::memory_order_relaxed);
  }
  ++segment_count_;
  return true;
}

std::optional<std::size_t> RunHeap::find_in(std::uint32_t index, std::size_t count) noexcept {
  const RunSegment& segment = *segments_[index].load(std::memory_order_relaxed);
  const std::size_t alignment =
      count % RunSegment::granules_per_page == 0 ? RunSegment::granules_per_page : 1;
  std::size_t largest = 0;
  for (std::size_t from = 0;;) {
    const auto [begin, end] = segment.next_free(from);
    if (begin == RunSegment::granules) break;
    const std::size_t first = round_up(begin, alignment);
    if (first + count <= end) return first;
    largest = std::max(largest, end - begin);
    from = end;
  }
  // An aligned search may skip a run that is long enough: the bound stays what was seen, which is
  // exact.
  largest_free_[index] = static_cast<std::uint16_t>(largest);
  return std::nullopt;
}

bool RunHeap::charge_pages(RunSegment& segment, std::size_t first, std::size_t count) noexcept {
  const std::size_t first_page = first / RunSegment::granules_per_page;
  const std::size_t last_page = (first + count - 1) / RunSegment::granules_per_page;
  std::size_t fresh = 0;
  for (std::size_t page = first_page; page <= last_page; ++page) {
    fresh += (segment.charged[page / 64] >> (page % 64) & 1) == 0 ? 1 : 0;
  }
  if (fresh != 0 && !budget_->charge(fresh * page_bytes)) return false;
  for (std::size_t page = first_page; page <= last_page; ++page) {
    segment.charged[page / 64] |= std::uint64_t{1} << (page % 64);
  }
  return true;
}

void* RunHeap::allocate(std::size_t count) noexcept {
  const LockGuard guard(lock_);
  for (std::uint32_t index = 0;; ++index) {
    if (index == segment_count_ && !add_segment()) return nullptr;
    if (largest_free_[index] < count) continue;
    const auto found = find_in(index, count);
    if (found) return take({.segment = index, .granule = *found}, count);
  }
}

void* RunHeap::take(Place place, std::size_t count) noexcept {
  RunSegment& segment = *segments_[place.segment].load(std::memory_order_relaxed);
  if (!charge_pages(segment, place.granule, count)) return nullptr;
  segment.mark(place.granule, count, true);
  segment.free_granules -= static_cast<std::uint32_t>(count);
  ++segment.live_runs;
  live_granules_ += count;
  segment.length[place.granule].store(static_cast<std::uint8_t>(count - RunSegment::length_bias),
                                      std::memory_order_relaxed);
  return address_of(place.segment, place.granule);
}

// In the middle of the longest free run, so that what is before it, perhaps grown as well, keeps
// room too. On a page, so that it may grow to any size.
std::optional<std::size_t> RunHeap::find_roomy_in(std::uint32_t index, std::size_t count) noexcept {
  const RunSegment& segment = *segments_[index].load(std::memory_order_relaxed);
  RunSegment::FreeRun longest{0, 0};
  for (std::size_t from = 0; from < RunSegment::granules;) {
    const RunSegment::FreeRun run = segment.next_free(from);
    if (run.end - run.begin > longest.end - longest.begin) longest = run;
    from = run.end;
  }
  largest_free_[index] = static_cast<std::uint16_t>(longest.end - longest.begin);
  const std::size_t middle =
      longest.begin == 0 ? 0 : longest.begin + (longest.end - longest.begin) / 2;
  const std::size_t first = round_up(middle, RunSegment::granules_per_page);
  if (first + std::min(4 * count, max_run_bytes / run_granule_bytes) > longest.end)
    return std::nullopt;
  return first;
}

void* RunHeap::allocate_roomy(std::size_t count) noexcept {
  const LockGuard guard(lock_);
  for (std::uint32_t index = 0; index < segment_count_; ++index) {
    if (largest_free_[index] < 4 * count) continue;
    const auto found = find_roomy_in(index, count);
    if (found) return take({.segment = index, .granule = *found}, count);
  }
  return nullptr;
}

std::size_t RunHeap::granules_of(const void* run) const noexcept {
  if (reinterpret_cast<std::uintptr_t>(run) % run_granule_bytes != 0) return 0;
  const Place place = place_of(run);
  const RunSegment* segment = segments_[place.segment].load(std::memory_order_acquire);
  if (segment == nullptr) return 0;
  const std::uint8_t length = segment->length[place.granule].load(std::memory_order_relaxed);
  return length == 0 ? 0 : std::size_t{length} + RunSegment::length_bias;
}

std::size_t RunHeap::bytes_around(const void* address) const noexcept {
  const LockGuard guard(lock_);
  const Place place = place_of(address);
  const RunSegment* segment = segments_[place.segment].load(std::memory_order_relaxed);
  if (segment == nullptr || !segment->is_used(place.granule)) return 0;
  for (std::size_t first = place.granule;; --first) {
    const std::uint8_t length = segment->length[first].load(std::memory_order_relaxed);
    if (length != 0) return (std::size_t{length} + RunSegment::length_bias) * run_granule_bytes;
    if (first == 0) return 0;
  }
}

RunHeap::ReleaseResult RunHeap::release(void* run) noexcept {
  const LockGuard guard(lock_);
  const std::size_t count = granules_of(run);
  const Place place = place_of(run);
  RunSegment* segment = segments_[place.segment].load(std::memory_order_relaxed);
  if (count == 0) {
    const bool inside = segment != nullptr && segment->is_used(place.granule);
    return inside ? ReleaseResult::interior : ReleaseResult::not_live;
  }
  segment->length[place.granule].store(0, std::memory_order_relaxed);
  segment->mark(place.granule, count, false);
  segment->free_granules += static_cast<std::uint32_t>(count);
  --segment->live_runs;
  segment->last_free_ns = coarse_clock_ns();
  live_granules_ -= count;
  // The merged run: from the first free granule before it to the first used one behind it.
  const std::size_t begin = segment->free_run_begin(place.granule);
  const std::size_t merged = segment->next_free(begin).end - begin;
  largest_free_[place.segment] =
      static_cast<std::uint16_t>(std::max<std::size_t>(largest_free_[place.segment], merged));
  return ReleaseResult::ok;
}

bool RunHeap::resize_in_place(void* run, std::size_t count) noexcept {
  const LockGuard guard(lock_);
  const std::size_t now = granules_of(run);
  if (now == 0) return false;
  const Place place = place_of(run);
  RunSegment& segment = *segments_[place.segment].load(std::memory_order_relaxed);
  if (count % RunSegment::granules_per_page == 0 &&
      place.granule % RunSegment::granules_per_page != 0) {
    return false;  // The new size promises a page boundary.
  }
  if (count > now) {
    const auto [begin, end] = segment.next_free(place.granule + now);
    if (begin != place.granule + now || end - begin < count - now) return false;
    if (!charge_pages(segment, begin, count - now)) return false;
    segment.mark(begin, count - now, true);
    segment.free_granules -= static_cast<std::uint32_t>(count - now);
  } else if (count < now) {
    segment.mark(place.granule + count, now - count, false);
    segment.free_granules += static_cast<std::uint32_t>(now - count);
    segment.last_free_ns = coarse_clock_ns();
    const std::size_t freed =
        segment.next_free(place.granule + count).end - (place.granule + count);
    largest_free_[place.segment] =
        static_cast<std::uint16_t>(std::max<std::size_t>(largest_free_[place.segment], freed));
  }
  live_granules_ += count - now;
  segment.length[place.granule].store(static_cast<std::uint8_t>(count - RunSegment::length_bias),
                                      std::memory_order_relaxed);
  return true;
}

std::size_t RunHeap::purge_segment(std::uint32_t index) noexcept {
  RunSegment& segment = *segments_[index].load(std::memory_order_relaxed);
  std::size_t freed = 0;
  for (std::size_t from = 0;;) {
    const auto [begin, end] = segment.next_free(from);
    if (begin == RunSegment::granules) break;
    from = end;
    std::size_t page = divide_up(begin, RunSegment::granules_per_page);
    const std::size_t end_page = end / RunSegment::granules_per_page;
    const auto is_charged = [&](std::size_t p) {
      return (segment.charged[p / 64] >> (p % 64) & 1) != 0;
    };
    while (page < end_page) {
      while (page < end_page && !is_charged(page)) ++page;
      const std::size_t first = page;
      while (page < end_page && is_charged(page)) ++page;
      if (page == first) continue;
      const std::size_t bytes = (page - first) * page_bytes;
      if (!pages_->decommit(address_of(index, first * RunSegment::granules_per_page), bytes))
        continue;
      for (std::size_t p = first; p < page; ++p)
        segment.charged[p / 64] &= ~(std::uint64_t{1} << (p % 64));
      budget_->refund(bytes);
      freed += bytes;
    }
  }
  return freed;
}

std::size_t RunHeap::purge(std::uint64_t idle_ns, std::uint64_t now_ns) noexcept {
  const LockGuard guard(lock_);
  std::size_t freed = 0;
  for (std::uint32_t index = 0; index < segment_count_; ++index) {
    const RunSegment& segment = *segments_[index].load(std::memory_order_relaxed);
    if (segment.free_granules == 0 || segment.last_free_ns + idle_ns > now_ns) continue;
    freed += purge_segment(index);
  }
  return freed;
}

}  // namespace sqlitemem
