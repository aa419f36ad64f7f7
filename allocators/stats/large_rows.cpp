// Fills large_object_stats, large_objects and fragmentation_stats.
#include "allocators/stats/large_rows.h"

#include <algorithm>

#include "allocators/base/bytes.h"
#include "allocators/stats/heap_figures.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

using Bytes = std::optional<std::uint64_t>;

FragmentationStatsRow compare(std::string_view component, Bytes wanted, Bytes held,
                              Bytes reclaimable, std::string_view note,
                              std::uint64_t kept_free = 0) {
  FragmentationStatsRow row;
  row.component = component;
  row.wanted_bytes = wanted;
  row.held_bytes = held;
  row.reclaimable_bytes = reclaimable;
  row.note = note;
  if (wanted && held) {
    const std::uint64_t judged = at_least_zero(*held, kept_free);
    row.kept_free_bytes = kept_free;
    row.waste_bytes = at_least_zero(judged, *wanted);
    row.fragmentation_ratio = ratio_missing(*wanted, judged);
    row.status = fragmentation_status(*wanted, judged);
  }
  return row;
}

/// What rounding to block sizes costs live slabs and cached runs, by the ratio over all
/// allocations.
Bytes wanted_before_rounding(const HeapFigures& figures) {
  const auto requested = ratio(figures.slab_requested_bytes, figures.slab_given_bytes);
  if (!requested) return std::nullopt;
  const auto live = static_cast<double>(figures.slab_live_bytes + figures.run_live_bytes);
  return static_cast<std::uint64_t>(live * std::min(*requested, 1.0));
}

FragmentationStatsRow compare_pool(Sources& sources) {
  const PoolReading* pool = sources.reading().pool();
  if (pool == nullptr) return compare("buffer_pool", {}, {}, {}, sources.pool_note());
  const PoolTotals& totals = pool->totals;
  return compare("buffer_pool", totals.used_bytes + totals.unevictable_bytes, totals.held_bytes,
                 totals.free_bytes, "Pages with their headers against memory held for frames.",
                 totals.free_bytes);
}

FragmentationStatsRow compare_c_library(const CLibraryMemory& memory) {
  return compare("c_library", memory.used_bytes, memory.held_bytes, memory.reclaimable_bytes,
                 memory.held_bytes
                     ? "mallinfo2: blocks in use against memory held by the C library's malloc; "
                       "reclaimable is the free end of its main heap."
                     : "The C library's malloc is not in use, or does not say.");
}

}  // namespace

std::string fragmentation_status(std::uint64_t wanted_bytes, std::uint64_t held_bytes) {
  if (held_bytes < mib) return "Small";  // Too little to judge: one page is a large share of it.
  const double fragmentation = ratio_missing(wanted_bytes, held_bytes).value_or(0);
  if (fragmentation < 0.20) return "Good";
  return fragmentation < 0.35 ? "Fair" : "Poor";
}

std::vector<LargeObjectStatsRow> LargeObjectStatsRow::snapshot(Sources& sources, Arguments) {
  LargeObjectStatsRow row;
  const HeapReading* heap = sources.reading().heap();
  if (heap == nullptr) return {row};
  const LargeObjectTotals& totals = heap->figures.large;
  row.allocations = totals.allocations;
  row.frees = totals.frees;
  row.live_objects = totals.live_objects;
  row.live_bytes = totals.live_bytes;
  row.requested_bytes = totals.requested_bytes;
  row.mapped_bytes = totals.mapped_bytes;
  row.kept_free_bytes = at_least_zero(totals.mapped_bytes, totals.live_bytes);
  row.free_regions = totals.free_regions;
  row.largest_free_bytes = totals.largest_free_bytes;
  row.free_list_hits = totals.free_list_hits;
  row.free_list_hit_ratio = ratio(totals.free_list_hits, totals.allocations);
  row.coalesces = totals.coalesces;
  row.coalescing_efficiency = ratio(totals.merged_frees, totals.coalescible_frees);
  for (const OptionSpec& spec : options) {
    if (spec.value == &Config::allocation_strategy) {
      row.strategy = format_option(spec, option(spec.value));
    }
  }
  row.huge_page_bytes = totals.huge_page_bytes;
  row.huge_page_utilization = ratio(totals.huge_page_bytes, totals.live_bytes);
  row.decommitted_bytes = totals.decommitted_bytes;
  row.fragmentation_ratio = ratio_missing(totals.live_bytes, totals.mapped_bytes);
  row.in_place_growths = totals.in_place_growths;
  row.moved_growths = totals.moved_growths;
  row.copied_growths = totals.copied_growths;
  row.stats_reset = statistics_reset_at();
  return {row};
}

std::vector<LargeObjectsRow> LargeObjectsRow::snapshot(Sources& sources, Arguments) {
  std::vector<LargeObjectsRow> rows;
  const HeapReading* heap = sources.reading().heap();
  if (heap == nullptr) return rows;
  for (const LargeObjectInfo& object : heap->large_objects) {
    LargeObjectsRow row;
    row.object_id = object.object_id;
    row.size_bytes = object.size_bytes;
    row.mapped_bytes = object.mapped_bytes;
    row.age_seconds =
        static_cast<double>(at_least_zero(heap->taken_at_ns, object.allocated_at_ns)) / 1e9;
    row.is_huge_page = object.is_huge_page;
    rows.push_back(row);
  }
  std::ranges::sort(rows, {}, &LargeObjectsRow::object_id);
  return rows;
}

std::vector<FragmentationStatsRow> FragmentationStatsRow::snapshot(Sources& sources, Arguments) {
  std::vector<FragmentationStatsRow> rows;
  const HeapReading* heap = sources.reading().heap();
  const ResidentReading& memory = sources.reading().resident();
  if (heap == nullptr) {
    for (const std::string_view component :
         {"rounding", "slabs", "page_runs", "large_objects", "heap", "resident"}) {
      rows.push_back(compare(component, {}, {}, {}, sources.heap_note()));
    }
    rows.push_back(compare_pool(sources));
    rows.push_back(compare_c_library(memory.c_library));
    return rows;
  }
  const HeapFigures& figures = heap->figures;
  const ResidentBytes& resident = memory.heap;
  const std::uint64_t live =
      figures.slab_live_bytes + figures.run_live_bytes + figures.large.live_bytes;
  rows.push_back(
      compare("rounding", wanted_before_rounding(figures),
              figures.slab_live_bytes + figures.run_live_bytes, std::uint64_t{0},
              "Sizes asked for against block sizes, by their ratio over all allocations."));
  rows.push_back(compare("slabs", figures.slab_live_bytes, figures.slab_held_bytes, {},
                         "Live objects against the pages of slabs that were touched."));
  rows.push_back(compare("page_runs", figures.run_live_bytes, figures.run_held_bytes,
                         figures.runs.dirty_free_bytes, "Live runs against pages held for runs."));
  const std::uint64_t kept = figures.large.dirty_free_bytes;
  const std::uint64_t kept_resident = at_least_zero(resident.large, figures.large.live_bytes);
  rows.push_back(compare("large_objects", figures.large.live_bytes, figures.large.mapped_bytes,
                         kept, "Live objects against pages held.", kept));
  rows.push_back(compare(
      "heap", live, figures.slab_held_bytes + figures.run_held_bytes + figures.large.mapped_bytes,
      {}, "All three together.", kept));
  rows.push_back(compare("resident", live, resident.slabs + resident.runs + resident.large, {},
                         "Live bytes against the heap's resident pages, bookkeeping excluded.",
                         kept_resident));
  rows.push_back(compare_pool(sources));
  rows.push_back(compare_c_library(memory.c_library));
  return rows;
}

}  // namespace sqlitemem::stats
