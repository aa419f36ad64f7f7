// The tables large_object_stats, large_objects and fragmentation_stats.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct LargeObjectStatsRow {
  std::optional<std::uint64_t> allocations, frees, live_objects, live_bytes, requested_bytes;
  std::optional<std::uint64_t> mapped_bytes, kept_free_bytes, free_regions, largest_free_bytes,
      free_list_hits;
  std::optional<double> free_list_hit_ratio;
  std::optional<std::uint64_t> coalesces;
  std::optional<double> coalescing_efficiency;
  std::optional<std::string> strategy;
  std::optional<std::uint64_t> huge_page_bytes;
  std::optional<double> huge_page_utilization;
  std::optional<std::uint64_t> decommitted_bytes;
  std::optional<double> fragmentation_ratio;
  std::optional<std::uint64_t> in_place_growths, moved_growths, copied_growths;
  std::optional<std::string> stats_reset;

  static constexpr auto describe() {
    using R = LargeObjectStatsRow;
    // clang-format off
    return describe_table<R>("large_object_stats", "large",
        "One row on the objects above large_object_threshold. Counters run since stats_reset. "
        "All NULL in observing mode.", {
        {"allocations", &R::allocations, Role::counter, "", "Large objects handed out."},
        {"frees", &R::frees, Role::counter, "", "Large objects taken back."},
        {"live_objects", &R::live_objects, Role::gauge, "", "Handed out and not freed."},
        {"live_bytes", &R::live_bytes, Role::gauge, "bytes", "Their bytes, in whole pages."},
        {"requested_bytes", &R::requested_bytes, Role::gauge, "bytes",
         "Their bytes, as asked for."},
        {"mapped_bytes", &R::mapped_bytes, Role::gauge, "bytes",
         "live_bytes + kept_free_bytes; the mapped_bytes of large_objects add up to live_bytes."},
        {"kept_free_bytes", &R::kept_free_bytes, Role::gauge, "bytes",
         "Free and not yet returned to the operating system: kept for re-use, as the options "
         "large_object_retain and purge_delay say."},
        {"free_regions", &R::free_regions, Role::gauge, "", "Gaps between live objects."},
        {"largest_free_bytes", &R::largest_free_bytes, Role::gauge, "bytes", "The largest gap."},
        {"free_list_hits", &R::free_list_hits, Role::counter, "",
         "Allocations served from a gap, not by extending the area."},
        {"free_list_hit_ratio", &R::free_list_hit_ratio, Role::gauge, "ratio",
         "free_list_hits / allocations; NULL before the first allocation."},
        {"coalesces", &R::coalesces, Role::counter, "", "Merges of two adjacent gaps."},
        {"coalescing_efficiency", &R::coalescing_efficiency, Role::gauge, "ratio",
         "Frees merged with every free neighbour / frees that had a free neighbour "
         "(merged_frees / coalescible_frees); NULL before the first of these."},
        {"strategy", &R::strategy, Role::detail, "",
         "Which gap an object is put into: option allocation_strategy."},
        {"huge_page_bytes", &R::huge_page_bytes, Role::gauge, "bytes",
         "Live bytes for which huge pages were asked."},
        {"huge_page_utilization", &R::huge_page_utilization, Role::gauge, "ratio",
         "huge_page_bytes / live_bytes; NULL without live objects."},
        {"decommitted_bytes", &R::decommitted_bytes, Role::counter, "",
         "Bytes returned to the operating system."},
        {"fragmentation_ratio", &R::fragmentation_ratio, Role::gauge, "ratio",
         "1 - live_bytes / mapped_bytes; NULL if nothing is mapped."},
        {"in_place_growths", &R::in_place_growths, Role::counter, "",
         "Objects that grew into the gap behind them."},
        {"moved_growths", &R::moved_growths, Role::counter, "",
         "Objects that grew by moving their pages, without copying."},
        {"copied_growths", &R::copied_growths, Role::counter, "",
         "Objects that grew by copying."},
        {"stats_reset", &R::stats_reset, Role::detail, "",
         "When reset_memory_stats() last ran; NULL: counters run since the heap started."},
    });
    // clang-format on
  }
  static std::vector<LargeObjectStatsRow> snapshot(Sources& sources, Arguments arguments);
};

struct LargeObjectsRow {
  std::uint64_t object_id = 0, size_bytes = 0, mapped_bytes = 0;
  double age_seconds = 0;
  Flag is_huge_page;

  static constexpr auto describe() {
    using R = LargeObjectsRow;
    // clang-format off
    return describe_table<R>("large_objects", "",
        "One row per live large object, oldest first. Empty in observing mode.", {
        {"object_id", &R::object_id, Role::label, "", "A small number, in order of allocation."},
        {"size_bytes", &R::size_bytes, Role::gauge, "bytes", "As asked for."},
        {"mapped_bytes", &R::mapped_bytes, Role::gauge, "bytes",
         "In whole pages: its part of live_bytes in large_object_stats."},
        {"age_seconds", &R::age_seconds, Role::gauge, "seconds", "Since it was allocated."},
        {"is_huge_page", &R::is_huge_page, Role::gauge, "", "1: huge pages were asked for."},
    });
    // clang-format on
  }
  static std::vector<LargeObjectsRow> snapshot(Sources& sources, Arguments arguments);
};

struct FragmentationStatsRow {
  std::string component;
  std::optional<std::uint64_t> wanted_bytes, held_bytes, kept_free_bytes, waste_bytes;
  std::optional<double> fragmentation_ratio;
  std::optional<std::uint64_t> reclaimable_bytes;
  std::optional<std::string> status, note;

  static constexpr auto describe() {
    using R = FragmentationStatsRow;
    // clang-format off
    return describe_table<R>("fragmentation_stats", "fragmentation",
        "Bytes held against bytes wanted, part by part; each row compares different things, do not "
        "add them. In observing mode only the C library's heap can be judged.", {
        {"component", &R::component, Role::label, "",
         "rounding (block sizes), slabs, page_runs, large_objects, heap (all of these), resident "
         "(the heap's pages in memory), buffer_pool, c_library."},
        {"wanted_bytes", &R::wanted_bytes, Role::gauge, "bytes", "What is in use."},
        {"held_bytes", &R::held_bytes, Role::gauge, "bytes", "What is held for it."},
        {"kept_free_bytes", &R::kept_free_bytes, Role::gauge, "bytes",
         "Of these, free large-object memory that is kept on purpose (options large_object_retain "
         "and purge_delay): no fragmentation."},
        {"waste_bytes", &R::waste_bytes, Role::gauge, "bytes",
         "held_bytes - wanted_bytes - kept_free_bytes."},
        {"fragmentation_ratio", &R::fragmentation_ratio, Role::gauge, "ratio",
         "waste_bytes / (wanted_bytes + waste_bytes); NULL if both are 0."},
        {"reclaimable_bytes", &R::reclaimable_bytes, Role::gauge, "bytes",
         "What could be returned to the operating system now; NULL if only trying can tell."},
        {"status", &R::status, Role::detail, "",
         "By fragmentation_ratio: Good below 0.20, Fair below 0.35, Poor above; Small if "
         "wanted_bytes + waste_bytes are less than 1 MiB."},
        {"note", &R::note, Role::detail, "", "What is compared, or why nothing can be."},
    });
    // clang-format on
  }
  static std::vector<FragmentationStatsRow> snapshot(Sources& sources, Arguments arguments);
};

/// The verdict of fragmentation_stats. `held_bytes` without what is kept free on purpose.
std::string fragmentation_status(std::uint64_t wanted_bytes, std::uint64_t held_bytes);

}  // namespace sqlitemem::stats
