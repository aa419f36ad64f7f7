// What the loadable modules with our heap export: plain functions, called through pointers like
// malloc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sqlitemem::bench {

/// Counters of the large objects, as LargeObjectTotals has them.
struct LargeFigures {
  std::uint64_t allocations = 0, free_list_hits = 0;
  std::uint64_t coalescible_frees = 0, merged_frees = 0;
  std::uint64_t requested_bytes = 0, mapped_bytes = 0;
  std::uint64_t free_bytes = 0, largest_free_bytes = 0, free_regions = 0;
};

/// Addresses of the heap's own functions, with nothing in between: a call costs what a call of
/// malloc in a shared library costs.
struct HeapFunctions {
  void* (*allocate)(std::size_t bytes) noexcept;
  void (*release)(void* block) noexcept;
  void* (*resize)(void* block, std::size_t bytes) noexcept;
  void (*collect)() noexcept;
  LargeFigures (*large)() noexcept;
};

/// The one exported function: starts the heap; nullptr if that fails.
inline constexpr const char* heap_module_entry = "sqlitemem_bench_heap";
using HeapModuleEntry = const HeapFunctions* (*)();

}  // namespace sqlitemem::bench
