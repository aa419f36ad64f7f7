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

std::uint64_t scattered_free_bytes(const HeapFigures& figures) {
  std::uint64_t scattered = 0;
  for (const SizeClassTotals& each : figures.classes) {
    if (each.is_run || each.slabs < 2 || each.objects_per_slab == 0) continue;
    const std::uint64_t needed =
        (each.live_objects + each.objects_per_slab - 1) / each.objects_per_slab;
    const std::uint64_t pinned = std::max(needed, at_least_zero(each.slabs, each.cached_objects));
    const std::uint64_t pinned_bytes =
        at_least_zero(pinned, 1) * (each.reserved_bytes / each.slabs);
    scattered += at_least_zero(pinned_bytes, each.live_objects * each.object_bytes);
  }
  return std::min(scattered, at_least_zero(figures.slab_held_bytes, figures.slab_live_bytes));
}

}  // namespace sqlitemem::stats
