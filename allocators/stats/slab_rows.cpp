// Fills slab_allocator_stats and allocation_patterns.
#include "allocators/stats/slab_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "allocators/base/bytes.h"
#include "allocators/slab/size_classes.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

struct Purpose {
  std::uint64_t object_bytes;
  std::string_view text;
};
// What a database engine keeps in objects of these sizes.
constexpr auto purposes = std::to_array<Purpose>({
    {64, "lock entries"},
    {128, "page headers"},
    {192, "version records"},
    {256, "small rows"},
    {384, "transaction metadata"},
    {512, "medium rows and small index nodes"},
    {1024, "large rows"},
    {2048, "index nodes"},
    {4096, "index nodes and whole pages"},
});

// Below these a suggestion would be noise: rounding is never free, and a rare size saves nothing.
constexpr double worthwhile_share = 0.01;
constexpr double worthwhile_saving = 0.04;

}  // namespace

std::string purpose_of(const SizeClassTotals& size_class) {
  if (size_class.is_learned) return "learned: the exact size of frequent requests";
  if (size_class.is_run) return "page runs";
  for (const Purpose& purpose : purposes) {
    if (purpose.object_bytes == size_class.object_bytes) return std::string(purpose.text);
  }
  return "general";
}

std::optional<std::string> suggestion_for(const RequestPattern& pattern, double share) {
  const std::uint64_t exact_bytes = round_up(pattern.request_bytes, class_granule_bytes);
  const std::uint64_t saved_bytes = at_least_zero(pattern.class_bytes, exact_bytes);
  if (saved_bytes == 0 || share < worthwhile_share) return std::nullopt;
  const double saving = static_cast<double>(saved_bytes) / static_cast<double>(pattern.class_bytes);
  if (saving < worthwhile_saving) return std::nullopt;
  if (exact_bytes > max_slab_object_bytes) {
    return fmt::format("asking for {} bytes would use the block in full ({:.0f} % is rounding)",
                       pattern.class_bytes, 100 * saving);
  }
  return fmt::format("a learned class of {} bytes would save {:.0f} %", exact_bytes, 100 * saving);
}

std::vector<SlabAllocatorStatsRow> SlabAllocatorStatsRow::snapshot(Sources& sources, Arguments) {
  std::vector<SlabAllocatorStatsRow> rows;
  const HeapReading* heap = sources.reading().heap();
  if (heap == nullptr) return rows;
  const std::optional<std::string> reset = statistics_reset_at();
  for (const SizeClassTotals& from : heap->figures.classes) {
    if (from.allocations == 0 && from.reserved_bytes == 0 && from.live_objects == 0) continue;
    SlabAllocatorStatsRow row;
    row.size_class = row.object_bytes = from.object_bytes;
    row.purpose = purpose_of(from);
    if (!from.is_run) row.objects_per_slab = from.objects_per_slab;
    row.slabs = from.slabs;
    row.live_objects = from.live_objects;
    row.cached_objects = from.cached_objects;
    row.free_objects = from.free_objects;
    row.live_bytes = from.live_objects * from.object_bytes;
    row.reserved_bytes = from.reserved_bytes;
    row.requested_bytes = from.requested_bytes;
    row.allocations = from.allocations;
    row.frees = from.frees;
    row.magazine_hits = from.magazine_hits;
    row.magazine_hit_ratio = ratio(from.magazine_hits, from.allocations + from.frees);
    row.depot_exchanges = from.depot_exchanges;
    row.magazine_capacity = from.magazine_capacity;
    row.utilization_ratio = ratio(row.live_bytes, from.reserved_bytes);
    row.is_learned = from.is_learned;
    row.is_page_run = from.is_run;
    row.stats_reset = reset;
    rows.push_back(std::move(row));
  }
  std::ranges::stable_sort(rows, {}, &SlabAllocatorStatsRow::object_bytes);
  return rows;
}

std::vector<AllocationPatternsRow> AllocationPatternsRow::snapshot(Sources& sources,
                                                                   Arguments arguments) {
  const auto* max_rows = std::get_if<std::int64_t>(&arguments[0]);
  if (max_rows != nullptr && *max_rows < 0) {
    throw Refusal(fmt::format("max_rows must be 0 or more, not {}", *max_rows));
  }
  std::vector<AllocationPatternsRow> rows;
  std::vector<RequestPattern> patterns = sources.reading().request_patterns();
  std::ranges::sort(patterns, [](const RequestPattern& left, const RequestPattern& right) {
    return left.allocations != right.allocations ? left.allocations > right.allocations
                                                 : left.request_bytes < right.request_bytes;
  });
  std::uint64_t all = 0;
  for (const RequestPattern& pattern : patterns) all += pattern.allocations;
  if (max_rows != nullptr && patterns.size() > static_cast<std::uint64_t>(*max_rows)) {
    patterns.resize(static_cast<std::size_t>(*max_rows));
  }
  for (const RequestPattern& pattern : patterns) {
    AllocationPatternsRow row;
    row.request_bytes = pattern.request_bytes;
    row.allocations = pattern.allocations;
    row.share_ratio = ratio(pattern.allocations, all);
    row.class_bytes = pattern.class_bytes;
    row.waste_bytes = at_least_zero(pattern.class_bytes, pattern.request_bytes);
    row.suggestion = suggestion_for(pattern, row.share_ratio.value_or(0));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sqlitemem::stats
