// The table heap_stats: the heap as a whole, in one row.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct HeapStatsRow {
  std::optional<std::uint64_t> live_bytes, live_objects, peak_live_bytes, peak_live_objects;
  std::optional<std::uint64_t> cached_bytes, held_bytes, peak_held_bytes, limit_bytes;
  std::optional<std::uint64_t> bookkeeping_bytes, allocations, frees, failures, corruptions;
  std::optional<std::uint64_t> largest_request_bytes, threads;
  std::optional<std::string> stats_reset;

  static constexpr auto describe() {
    using R = HeapStatsRow;
    // clang-format off
    return describe_table<R>("heap_stats", "heap",
        "One row on the heap as a whole. Counters run since stats_reset. All NULL in observing "
        "mode.", {
        {"live_bytes", &R::live_bytes, Role::gauge, "bytes",
         "Handed out and not freed, whole blocks."},
        {"live_objects", &R::live_objects, Role::gauge, "", "Blocks handed out and not freed."},
        {"peak_live_bytes", &R::peak_live_bytes, Role::gauge, "bytes",
         "The highest live_bytes, looked at whenever the heap takes pages and at every reading."},
        {"peak_live_objects", &R::peak_live_objects, Role::gauge, "",
         "The highest live_objects, likewise."},
        {"cached_bytes", &R::cached_bytes, Role::gauge, "bytes",
         "Free blocks in magazines and depots."},
        {"held_bytes", &R::held_bytes, Role::gauge, "bytes",
         "Taken from the operating system; what memory_limit limits."},
        {"peak_held_bytes", &R::peak_held_bytes, Role::gauge, "bytes", "The highest held_bytes."},
        {"limit_bytes", &R::limit_bytes, Role::gauge, "bytes",
         "Option memory_limit; NULL if there is none."},
        {"bookkeeping_bytes", &R::bookkeeping_bytes, Role::gauge, "bytes",
         "Our own records, not part of held_bytes."},
        {"allocations", &R::allocations, Role::counter, "", "Blocks handed out."},
        {"frees", &R::frees, Role::counter, "", "Blocks taken back."},
        {"failures", &R::failures, Role::counter, "",
         "Requests refused: limit, no memory, or too large. SQLite reports them as SQLITE_NOMEM."},
        {"corruptions", &R::corruptions, Role::counter, "",
         "Double frees and corrupt pointers found since the start."},
        {"largest_request_bytes", &R::largest_request_bytes, Role::gauge, "bytes",
         "The largest single request."},
        {"threads", &R::threads, Role::gauge, "", "Threads that have magazines."},
        {"stats_reset", &R::stats_reset, Role::detail, "",
         "When reset_memory_stats() last ran; NULL: counters run since the heap started."},
    });
    // clang-format on
  }
  static std::vector<HeapStatsRow> snapshot(Sources& sources, Arguments arguments);
};

}  // namespace sqlitemem::stats
