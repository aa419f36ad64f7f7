// THE place to add or change a target of allocator_bench: one line each.
#include "bench/allocator/figures.h"

#include "bench/allocator/subject.h"

namespace sqlitemem::bench {

std::vector<Figure> allocator_figures() {
  using enum Comparison;
  const std::vector<std::string_view> caching = {"tcmalloc", "mimalloc", "jemalloc"};
  const std::vector<std::string_view> four = {"glibc", "tcmalloc", "mimalloc", "jemalloc"};
  const std::vector<std::string_view> glibc = {"glibc"}, mimalloc = {"mimalloc"};
  const std::vector<std::string_view> off = {ours_without_statistics};
  // clang-format off
  return {
      {"hot pair 64 B, ns", "hot_64", ours, ratio, 1.10, caching},
      {"hot pair 256 B, ns", "hot_256", ours, ratio, 1.10, caching},
      {"hot pair 1024 B, ns", "hot_1024", ours, ratio, 1.10, caching},
      {"hot pair 4368 B, ns", "hot_4368", ours, ratio, 1.10, caching},
      {"hot pair 4368 B, times glibc's speed", "hot_4368", ours, times_better, 3.0, glibc},
      {"random order, 64 B, ns", "random_order_64", ours, ratio, 1.0, four},
      {"random order, 256 B, ns", "random_order_256", ours, ratio, 1.0, four},
      {"random order, 1024 B, ns", "random_order_1024", ours, ratio, 1.0, four},
      {"random order, 4368 B, ns", "random_order_4368", ours, ratio, 1.0, four},
      {"size mix, 64 MB live, ns", "mix", ours, ratio, 0.85, four},
      {"size mix, RSS/live", "mix_rss_per_live", ours, at_most, 1.12},
      {"mix, 90 % freed, purge: RSS/live", "mix_rss_per_live_after_purge", ours, at_most, 2.4},
      {"large, pages touched, ns", "large_touched", ours, ratio, 0.9, four},
      {"large, untouched, ns", "large_untouched", ours, ratio, 0.9, four},
      {"large, fragmentation", "large_touched_fragmentation", ours, at_most, 0.15},
      {"large, free-list hit ratio", "large_touched_free_list_hit_ratio", ours, at_least, 0.75},
      {"large, coalescing efficiency", "large_touched_coalescing_efficiency", ours, at_least,
       0.85},
      {"handover, times mimalloc's speed", "handover", ours, times_better, 2.0, mimalloc},
      {"growth to 64 KiB, one buffer, ns", "growth_alone", ours, ratio, 0.6, mimalloc},
      {"growth to 64 KiB, eight buffers, ns", "growth_of_eight", ours, ratio, 0.6, mimalloc},
      {"growth to 16 MiB, one buffer, ns", "large_growth", ours, ratio, 0.7, glibc},
      {"growth to 16 MiB, two buffers, ns", "large_growth_of_two", ours, ratio, 0.7, glibc},
      {"growth to 16 MiB, pages touched, ns", "large_growth_touched", ours, ratio, 0.7, glibc},
      {"statistics, hot pair 64 B, ns", "hot_64", ours, ratio, 1.02, off},
      {"statistics, hot pair 4368 B, ns", "hot_4368", ours, ratio, 1.02, off},
      {"statistics, size mix, ns", "mix", ours, ratio, 1.02, off},
      {"statistics, hot pair 64 B, instructions", "instructions_hot_64", ours, ratio, 1.02, off},
      {"statistics, size mix, instructions", "instructions_mix", ours, ratio, 1.02, off},
  };
  // clang-format on
}

}  // namespace sqlitemem::bench
