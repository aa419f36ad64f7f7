// What slabs and page runs report about themselves: plain numbers, copied out under the locks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sqlitemem {

/// One size class: slabs up to 4608 bytes, page runs above. Counters run since reset_statistics().
struct SizeClassTotals {
  std::uint64_t object_bytes = 0;
  std::uint64_t objects_per_slab = 0;  ///< 0 for page runs.
  std::uint64_t slabs = 0;             ///< Slabs held now.
  std::uint64_t live_objects = 0;      ///< Handed out, not freed.
  std::uint64_t cached_objects = 0;    ///< Free, in magazines and the depot.
  std::uint64_t free_objects = 0;      ///< Free, in slabs.
  std::uint64_t reserved_bytes = 0;    ///< Slabs or runs held, whole.
  std::uint64_t requested_bytes = 0;   ///< Sum of what callers asked for, over `allocations`.
  std::uint64_t allocations = 0, frees = 0;
  std::uint64_t magazine_hits = 0;    ///< Allocations and frees that needed neither depot nor slab.
  std::uint64_t depot_exchanges = 0;  ///< Magazines given to or taken from the depot.
  std::uint64_t magazine_capacity = 0;  ///< Present target, objects per magazine.
  bool is_run = false;
  bool is_learned = false;
};

/// How often one request size occurs. Sampled within a size class and scaled to the class's exact
/// count.
struct RequestPattern {
  std::uint64_t request_bytes = 0;
  std::uint64_t allocations = 0;  ///< Estimated.
  std::uint64_t class_bytes = 0;  ///< What such a request gets now.
};

/// All page runs together.
struct RunTotals {
  std::uint64_t segments = 0;
  std::uint64_t live_runs = 0,
                live_bytes = 0;        ///< Runs handed out by the run heap, magazines included.
  std::uint64_t free_bytes = 0;        ///< In segments, not handed out.
  std::uint64_t dirty_free_bytes = 0;  ///< Of free_bytes, in pages charged to the budget.
  std::uint64_t largest_free_bytes = 0;
};

}  // namespace sqlitemem
