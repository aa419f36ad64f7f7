// One reading of the whole heap, with the sums that several tables need.
#pragma once

#include <cstdint>
#include <vector>

#include "allocators/manager/memory_manager.h"

namespace sqlitemem::stats {

/// Live: handed out to the program. Cached: free, in magazines. The parts are read one after
/// another while threads run, so sums may be off by what happened meanwhile.
struct HeapFigures {
  HeapTotals totals;
  std::vector<SizeClassTotals> classes;  ///< Slab and run classes, by size.
  RunTotals runs;
  LargeObjectTotals large;
  std::uint64_t slab_live_bytes = 0, slab_live_objects = 0, slab_reserved_bytes = 0;
  std::uint64_t slab_held_bytes = 0;  ///< Pages of slabs that were touched: what the limit counts.
  std::uint64_t run_held_bytes = 0;
  std::uint64_t run_live_bytes = 0;  ///< Without what magazines hold.
  std::uint64_t run_cached_bytes = 0;
  std::uint64_t slab_requested_bytes = 0, slab_given_bytes = 0;  ///< Over all counted allocations.
};

/// Free memory in slabs that no collection can return, because an object in use is in each of them:
/// at least so much. Idle memory does not count: whole free pages, empty slabs, and slabs that only
/// magazines keep, of which there can be no more than objects in magazines. Nor does the slab of a
/// class that is being filled.
std::uint64_t scattered_free_bytes(const HeapFigures& figures);

/// `pool_held_bytes`: what the buffer pool holds of the heap's budget.
HeapFigures read_heap(MemoryManager& heap, std::uint64_t pool_held_bytes);

}  // namespace sqlitemem::stats
