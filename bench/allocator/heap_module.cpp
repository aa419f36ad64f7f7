// Our heap as a shared library, built twice: with statistics and without.
#include "bench/allocator/heap_module.h"

#include <cstdio>
#include <string>

#include "allocators/manager/process_heap.h"

namespace sqlitemem::bench {
namespace {

LargeFigures large_figures() noexcept {
  const LargeObjectTotals totals = process_heap().large();
  return {.allocations = totals.allocations,
          .free_list_hits = totals.free_list_hits,
          .coalescible_frees = totals.coalescible_frees,
          .merged_frees = totals.merged_frees,
          .requested_bytes = totals.requested_bytes,
          .mapped_bytes = totals.mapped_bytes,
          .free_bytes = totals.free_bytes,
          .largest_free_bytes = totals.largest_free_bytes,
          .free_regions = totals.free_regions};
}

constexpr HeapFunctions functions{.allocate = heap_allocate,
                                  .release = heap_release,
                                  .resize = heap_resize,
                                  .collect = []() noexcept { heap_collect(); },
                                  .large = large_figures};

}  // namespace
}  // namespace sqlitemem::bench

extern "C" __attribute__((visibility("default"))) const sqlitemem::bench::HeapFunctions*
sqlitemem_bench_heap() {
  using sqlitemem::MemoryManager;
  std::string problems;
  sqlitemem::read_environment(&problems);
  if (!problems.empty()) std::fprintf(stderr, "%s\n", problems.c_str());
  const MemoryManager::StartResult result = sqlitemem::start_process_heap();
  const bool is_running = result == MemoryManager::StartResult::ok ||
                          result == MemoryManager::StartResult::already_started;
  return is_running ? &sqlitemem::bench::functions : nullptr;
}
