// What the manager says: totals, peaks, residency, broken rules, and corruption that callers
// caused.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "allocators/base/clock.h"
#include "allocators/base/greatest.h"
#include "allocators/manager/memory_manager.h"

namespace sqlitemem {
namespace {

/// Peaks are looked for again after this much growth, or 1/64 of what is there.
constexpr std::uint64_t peak_step_bytes = 64 * kib;

std::string_view kind_text(CorruptionKind kind) {
  switch (kind) {
    case CorruptionKind::double_free:
      return "double free";
    case CorruptionKind::interior_pointer:
      return "interior pointer";
    case CorruptionKind::not_a_block:
      break;
  }
  return "not a block of this heap";
}

}  // namespace

std::uint64_t MemoryManager::live_bytes() noexcept {
  return slabs_.live().bytes + large_run_bytes_.load(std::memory_order_relaxed) +
         large_.live_bytes();
}

std::uint64_t MemoryManager::out_bytes() const noexcept {
  return slabs_.out_bytes() + large_run_bytes_.load(std::memory_order_relaxed) +
         large_.live_bytes();
}

bool MemoryManager::fits_live_limit(std::size_t bytes, std::size_t& max_batch) noexcept {
  const std::uint64_t limit = live_limit_.load(std::memory_order_relaxed);
  if (limit == 0) return true;
  const std::uint64_t other = other_live_bytes();
  const std::uint64_t at_most = other + out_bytes();
  const std::uint64_t live = at_most + bytes <= limit ? at_most : other + live_bytes();
  if (live + bytes > limit) return false;
  // What goes into a magazine is handed out without asking again: keep it within what is left.
  max_batch = std::max<std::size_t>(1, (limit - live) / bytes / 2);
  return true;
}

bool MemoryManager::fits_limits(std::uint64_t bytes) noexcept {
  if (budget_.held_bytes() + bytes > budget_.in_force()) return false;
  const std::uint64_t limit = live_limit_.load(std::memory_order_relaxed);
  return limit == 0 || other_live_bytes() + live_bytes() + bytes <= limit;
}

void MemoryManager::raise_peak() noexcept {
  const SlabHeap::LiveTotals slabs = slabs_.live();
  const std::uint64_t bytes =
      slabs.bytes + large_run_bytes_.load(std::memory_order_relaxed) + large_.live_bytes();
  raise_to(peak_live_bytes_, bytes);
  raise_to(peak_live_objects_, slabs.objects + large_run_objects_.load(std::memory_order_relaxed) +
                                   large_.live_objects());
}

void MemoryManager::note_growth() noexcept {
  const std::uint64_t at_most = out_bytes();
  const std::uint64_t fruitless = fruitless_out_bytes_.load(std::memory_order_relaxed);
  if (fruitless != 0 && fruitless < at_most) [[unlikely]]
    fruitless_out_bytes_.store(at_most, std::memory_order_relaxed);
  if (at_most <= next_peak_check_.load(std::memory_order_relaxed)) [[likely]]
    return;
  next_peak_check_.store(at_most + std::max(peak_step_bytes, at_most / 64),
                         std::memory_order_relaxed);
  raise_peak();
}

HeapTotals MemoryManager::totals() noexcept {
  HeapTotals totals;
  if (!is_started()) return totals;
  const SlabHeap::LiveTotals slabs = slabs_.live();
  const LargeObjectTotals large = large_.totals();
  totals.live_bytes =
      slabs.bytes + large_run_bytes_.load(std::memory_order_relaxed) + large.live_bytes;
  totals.live_objects =
      slabs.objects + large_run_objects_.load(std::memory_order_relaxed) + large.live_objects;
  raise_to(peak_live_bytes_, totals.live_bytes);
  raise_to(peak_live_objects_, totals.live_objects);
  totals.peak_live_bytes = peak_live_bytes_.load(std::memory_order_relaxed);
  totals.peak_live_objects = peak_live_objects_.load(std::memory_order_relaxed);
  totals.cached_bytes = slabs.cached_bytes;
  totals.held_bytes = budget_.held_bytes();
  totals.peak_held_bytes = budget_.peak_bytes();
  totals.metadata_bytes = metadata_.mapped_bytes();
  totals.reserved_bytes = region_.bytes();
  totals.limit_bytes = budget_.limit() == MemoryBudget::unlimited ? 0 : budget_.limit();
  totals.largest_request_bytes = slabs_.largest_request_bytes();
  totals.allocations = slabs.allocations + large_run_allocations_.load(std::memory_order_relaxed) +
                       large.allocations;
  totals.frees = slabs.frees + large_run_frees_.load(std::memory_order_relaxed) + large.frees;
  totals.failures = failures_.load(std::memory_order_relaxed);
  totals.last_refused_bytes = last_refused_bytes_.load(std::memory_order_relaxed);
  totals.corruptions = corruptions_.load(std::memory_order_relaxed);
  totals.threads = slabs_.threads();
  return totals;
}

ChunkArea MemoryManager::area_of(const void* block) const noexcept {
  if (!region_.contains(block)) return ChunkArea::outside;
  if (region_.slabs.contains(block)) return ChunkArea::slabs;
  return region_.runs.contains(block) ? ChunkArea::runs : ChunkArea::large;
}

ResidentBytes MemoryManager::resident() noexcept {
  if (!is_started()) return {};
  return {.slabs = chunks_.resident_bytes(),
          .runs = runs_.resident_bytes(),
          .large = large_.resident_bytes(),
          .metadata = metadata_.resident_bytes()};
}

std::vector<AreaFill> MemoryManager::fill_maps(std::size_t most_cells) {
  std::vector<AreaFill> areas;
  if (!is_started()) return areas;
  areas.push_back({"slabs", FillMap(chunks_.chunks() * chunk_bytes, chunk_bytes, most_cells)});
  slabs_.add_to(areas.back().map);
  areas.push_back({"runs", FillMap(runs_.totals().segments * mib, chunk_bytes, most_cells)});
  runs_.add_to(areas.back().map);
  areas.push_back({"large", FillMap(large_.span_bytes(), chunk_bytes, most_cells)});
  large_.add_to(areas.back().map);
  return areas;
}

std::vector<SizeClassTotals> MemoryManager::size_classes() {
  return is_started() ? slabs_.size_classes() : std::vector<SizeClassTotals>{};
}

std::vector<RequestPattern> MemoryManager::request_patterns() {
  std::vector<RequestPattern> patterns = slabs_.requests().patterns();
  for (RequestPattern& pattern : patterns) pattern.class_bytes = round_up(pattern.request_bytes);
  return patterns;
}

void MemoryManager::reset_statistics() noexcept {
  if (!is_started()) return;
  slabs_.reset_statistics();
  large_.reset_statistics();
  large_run_allocations_.store(0, std::memory_order_relaxed);
  large_run_frees_.store(0, std::memory_order_relaxed);
  failures_.store(0, std::memory_order_relaxed);
  last_refused_bytes_.store(0, std::memory_order_relaxed);
  budget_.reset_peak();
  reset_peaks();
}

void MemoryManager::reset_peaks() noexcept {
  if (!is_started()) return;
  slabs_.requests().reset_largest();
  peak_live_bytes_.store(0, std::memory_order_relaxed);
  peak_live_objects_.store(0, std::memory_order_relaxed);
  next_peak_check_.store(0, std::memory_order_relaxed);
  raise_peak();
}

std::optional<Violation> MemoryManager::find_violation(const ThreadCache* own) noexcept {
  if (!is_started()) return std::nullopt;
  if (auto broken = chunks_.find_violation()) return broken;
  if (auto broken = slabs_.find_violation(own, true)) return broken;
  if (auto broken = runs_.find_violation()) return broken;
  return large_.find_violation();
}

std::size_t MemoryManager::object_bytes_around(const void* block) const noexcept {
  if (!region_.contains(block)) return 0;
  const ClassIndex index = code_of(block);
  if (index == run_area_code) return runs_.bytes_around(block);
  if (index == large_area_code) return large_.bytes_around(block);
  return slabs_.table().object_bytes(index);
}

void MemoryManager::report(const BadBlocks& bad) noexcept {
  for (std::size_t i = 0; i < std::min(bad.count, bad.first.size()); ++i) {
    const BadBlock& block = bad.first[i];
    const CorruptionKind kind =
        block.kind == BadBlock::Kind::double_free ? CorruptionKind::double_free
        : block.kind == BadBlock::Kind::interior  ? CorruptionKind::interior_pointer
                                                  : CorruptionKind::not_a_block;
    report({.kind = kind,
            .address = reinterpret_cast<std::uintptr_t>(block.block),
            .object_bytes = object_bytes_around(block.block),
            .rule = block.rule});
  }
  corruptions_.fetch_add(at_least_zero(bad.count, bad.first.size()), std::memory_order_relaxed);
}

void MemoryManager::report(const CorruptionReport& corruption) noexcept {
  corruptions_.fetch_add(1, std::memory_order_relaxed);
  if (on_corruption_ != nullptr) on_corruption_(corruption);
  if (option_as<OnCorruption>(&Config::on_corruption) != OnCorruption::abort) return;
  std::array<char, 256> line{};
  const fmt::format_int class_bytes(corruption.object_bytes);
  const auto text = fmt::format_to_n(
      line.data(), line.size(),
      "sqlitemem: heap corruption: {} at {:#x}, size class {}: broken rule: {}\n",
      kind_text(corruption.kind), corruption.address,
      corruption.object_bytes == 0 ? "unknown" : class_bytes.c_str(), corruption.rule);
  static_cast<void>(!::write(STDERR_FILENO, line.data(), std::min(text.size, line.size())));
  std::abort();
}

}  // namespace sqlitemem
