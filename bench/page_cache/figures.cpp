// THE place to add or change a target of pool_bench: one line each.
#include "bench/page_cache/figures.h"

#include "bench/page_cache/subjects.h"

namespace sqlitemem::bench {

std::vector<Figure> page_cache_figures() {
  using enum Comparison;
  const auto ours = our_pool;
  const std::vector<std::string_view> sqlite = {stock}, group = {shared_group}, alone = {our_pool};
  const auto less = Better::lower;
  // clang-format off
  return {
      {"hit, 64 hot pages, ns", "hit_64", ours, ratio, 1.1, sqlite},
      {"hit, 50,000 pages at random, ns", "hit_50000", ours, ratio, 0.7, sqlite},
      {"fetch of a pinned page, ns", "pinned", ours, ratio, 1.3, sqlite},
      {"miss, 2,000 pages, sequential, ns", "miss_sequential_2000", ours, ratio, 1.2, sqlite},
      {"miss, 50,000 pages, sequential, ns", "miss_sequential_50000", ours, ratio, 1.2, sqlite},
      {"miss, 2,000 pages, at random, ns", "miss_random_2000", ours, ratio, 1.2, sqlite},
      {"miss, 50,000 pages, at random, ns", "miss_random_50000", ours, ratio, 1.2, sqlite},
      {"hit, 64 hot pages: 2 threads, times 1 thread, wall", "hit_64_2_threads", ours, ratio, 1.25,
       alone, less, "hit_64_1_thread"},
      {"hit, 50,000 pages: 2 threads, times 1 thread, wall", "hit_50000_2_threads", ours, ratio,
       1.25, alone, less, "hit_50000_1_thread"},
      {"miss, 2,000 pages: 2 threads, times 1 thread, wall", "miss_random_2000_2_threads", ours,
       ratio, 1.25, alone, less, "miss_random_2000_1_thread"},
      {"miss, 50,000 pages: 2 threads, times 1 thread, wall", "miss_random_50000_2_threads", ours,
       ratio, 1.25, alone, less, "miss_random_50000_1_thread"},
      {"hit, 64 hot pages, times the shared group's speed", "hit_64", ours, times_better, 4.0,
       group},
      {"hit, 50,000 pages, times the shared group's speed", "hit_50000", ours, times_better, 4.0,
       group},
      {"hit, 64 pages, 2 threads, times the group's speed", "hit_64_2_threads", ours, times_better,
       4.0, group},
      {"hit, 50,000 pages, 2 threads, times the group's", "hit_50000_2_threads", ours,
       times_better, 4.0, group},
  };
  // clang-format on
}

}  // namespace sqlitemem::bench
