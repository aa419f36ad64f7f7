// Adds up the size classes once for all tables.
#include "allocators/stats/heap_figures.h"

#include <algorithm>

namespace sqlitemem::stats {

HeapFigures read_heap(MemoryManager& heap, std::uint64_t pool_held_bytes) {
  HeapFigures figures;
  figures.classes = heap.size_classes();
  figures.runs = heap.runs();
  figures.large = heap.large();
  figures.totals = heap.totals();
  for (const SizeClassTotals& size_class : figures.classes) {
    if (size_class.is_run) {
      figures.run_cached_bytes += size_class.cached_objects * size_class.object_bytes;
    } else {
      figures.slab_live_bytes += size_class.live_objects * size_class.object_bytes;
      figures.slab_live_objects += size_class.live_objects;
      figures.slab_reserved_bytes += size_class.reserved_bytes;
    }
    figures.slab_requested_bytes += size_class.requested_bytes;
    figures.slab_given_bytes += size_class.allocations * size_class.object_bytes;
  }
  figures.run_live_bytes = at_least_zero(figures.runs.live_bytes, figures.run_cached_bytes);
  figures.run_held_bytes = figures.runs.live_bytes + figures.runs.dirty_free_bytes;
  // The limit counts all three together; what is left when the others are taken off is the slabs'.
  figures.slab_held_bytes = std::max(
      figures.slab_live_bytes,
      at_least_zero(figures.totals.held_bytes,
                    figures.run_held_bytes + figures.large.mapped_bytes + pool_held_bytes));
  return figures;
}

}  // namespace sqlitemem::stats
