// THE place to add or change a target of arena_bench: one line each.
#include "bench/arena/figures.h"

#include "bench/arena/tests.h"

namespace sqlitemem::bench {

std::vector<Figure> arena_figures() {
  using enum Comparison;
  const auto ours = arena_subject;
  const std::vector<std::string_view> others = {heap_subject, malloc_subject};
  // clang-format off
  return {
      {"allocation, 10 MB transaction, ns", "allocation_10_mb", ours, at_most, 2.0},
      {"allocation, 500 KB transaction, ns", "allocation_500_kb", ours, at_most, 2.0},
      {"rollback of 10 MB, 100,000 objects, ns", "rollback_10_mb", ours, at_most, 1000},
      {"the same, times as fast as freeing each", "rollback_10_mb", ours, times_better, 1000,
       others},
      {"overhead of a transaction of 10 KB", "overhead_10_kb", ours, at_most, 0.20},
      {"overhead of a transaction of 500 KB", "overhead_500_kb", ours, at_most, 0.05},
      {"overhead of a transaction of 5 MB", "overhead_5_mb", ours, at_most, 0.03},
  };
  // clang-format on
}

}  // namespace sqlitemem::bench
