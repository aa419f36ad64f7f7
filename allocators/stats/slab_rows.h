// The tables slab_allocator_stats and allocation_patterns: size classes, and what is asked of them.
#pragma once

#include "allocators/slab/totals.h"
#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct SlabAllocatorStatsRow {
  std::uint64_t size_class = 0, object_bytes = 0;
  std::string purpose;
  std::optional<std::uint64_t> objects_per_slab;
  std::uint64_t slabs = 0, live_objects = 0, cached_objects = 0, free_objects = 0;
  std::uint64_t live_bytes = 0, reserved_bytes = 0, requested_bytes = 0;
  std::uint64_t allocations = 0, frees = 0, magazine_hits = 0;
  std::optional<double> magazine_hit_ratio;
  std::uint64_t depot_exchanges = 0, magazine_capacity = 0;
  std::optional<double> utilization_ratio;
  Flag is_learned, is_page_run;
  std::optional<std::string> stats_reset;

  static constexpr auto describe() {
    using R = SlabAllocatorStatsRow;
    // clang-format off
    return describe_table<R>("slab_allocator_stats", "slab",
        "One row per size class in use, by size: slabs up to 4608 bytes, page runs above. Counters "
        "run since stats_reset. Empty in observing mode.", {
        {"size_class", &R::size_class, Role::label, "",
         "The class, named by the size of its objects."},
        {"object_bytes", &R::object_bytes, Role::detail, "bytes",
         "Bytes that each object may use."},
        {"purpose", &R::purpose, Role::detail, "", "What a database typically keeps in this size."},
        {"objects_per_slab", &R::objects_per_slab, Role::detail, "", "NULL for page runs."},
        {"slabs", &R::slabs, Role::gauge, "", "Slabs held now."},
        {"live_objects", &R::live_objects, Role::gauge, "", "Handed out and not freed."},
        {"cached_objects", &R::cached_objects, Role::gauge, "",
         "Free, in magazines and the depot."},
        {"free_objects", &R::free_objects, Role::gauge, "", "Free, in slabs."},
        {"live_bytes", &R::live_bytes, Role::gauge, "bytes", "live_objects * object_bytes."},
        {"reserved_bytes", &R::reserved_bytes, Role::gauge, "bytes", "Slabs or runs held, whole."},
        {"requested_bytes", &R::requested_bytes, Role::counter, "",
         "Sum of the sizes asked for, over all allocations."},
        {"allocations", &R::allocations, Role::counter, "", "Objects handed out."},
        {"frees", &R::frees, Role::counter, "", "Objects taken back."},
        {"magazine_hits", &R::magazine_hits, Role::counter, "",
         "Allocations and frees that needed neither the depot nor a slab."},
        {"magazine_hit_ratio", &R::magazine_hit_ratio, Role::detail, "ratio",
         "magazine_hits / (allocations + frees); NULL before the first."},
        {"depot_exchanges", &R::depot_exchanges, Role::counter, "",
         "Magazines given to or taken from the depot."},
        {"magazine_capacity", &R::magazine_capacity, Role::gauge, "",
         "Objects per magazine at present: it adapts, up to the option of the class."},
        {"utilization_ratio", &R::utilization_ratio, Role::gauge, "ratio",
         "live_bytes / reserved_bytes; NULL if nothing is reserved."},
        {"is_learned", &R::is_learned, Role::detail, "", "1: an exact class added at run time."},
        {"is_page_run", &R::is_page_run, Role::detail, "", "1: page runs, 0: slabs."},
        {"stats_reset", &R::stats_reset, Role::detail, "",
         "When reset_memory_stats() last ran; NULL: counters run since the heap started."},
    });
    // clang-format on
  }
  static std::vector<SlabAllocatorStatsRow> snapshot(Sources& sources, Arguments arguments);
};

/// The text of `purpose`.
std::string purpose_of(const SizeClassTotals& size_class);

struct AllocationPatternsRow {
  std::uint64_t request_bytes = 0, allocations = 0;
  std::optional<double> share_ratio;
  std::uint64_t class_bytes = 0, waste_bytes = 0;
  std::optional<std::string> suggestion;

  static constexpr auto describe() {
    using R = AllocationPatternsRow;
    // clang-format off
    return describe_table<R>("allocation_patterns", "",
        "The sizes that the program asks for, most frequent first. The sizes are sampled within a "
        "class and scaled to its exact count. Empty in observing mode.", {
        {"request_bytes", &R::request_bytes, Role::label, "bytes", "The size asked for."},
        {"allocations", &R::allocations, Role::counter, "", "How often, estimated."},
        {"share_ratio", &R::share_ratio, Role::gauge, "ratio", "Share of all allocations."},
        {"class_bytes", &R::class_bytes, Role::gauge, "bytes", "What such a request gets now."},
        {"waste_bytes", &R::waste_bytes, Role::gauge, "bytes",
         "class_bytes - request_bytes: lost to rounding, per allocation."},
        {"suggestion", &R::suggestion, Role::detail, "",
         "What would waste less, in words; NULL where nothing worth doing is known."},
    }, {
        {"max_rows", ArgumentType::integer, false, "At most so many rows; 0 or more."},
    });
    // clang-format on
  }
  static std::vector<AllocationPatternsRow> snapshot(Sources& sources, Arguments arguments);
};

/// The text of `suggestion`; `share` is the size's part of all allocations.
std::optional<std::string> suggestion_for(const RequestPattern& pattern, double share);

}  // namespace sqlitemem::stats
