// What pool_bench measures. To add a test: a line in the list, and its operation in tests.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "bench/support/options.h"

namespace sqlitemem::bench {

/// One operation is a fetch and an unpin unless said otherwise.
enum class Operation : std::uint8_t {
  hit,              ///< Of a random page of those that are there.
  pinned,           ///< Only the fetch of a page that is pinned.
  miss_sequential,  ///< The cache is full: a page goes for each that comes.
  miss_random,      ///< Of 16 times as many pages as the cache holds: one in 16 is a hit.
  absent,           ///< createFlag 0, of a page that is not there.
  create_destroy,   ///< A cache comes, has three pages, and goes.
};

struct PageCacheTest {
  std::string_view name;
  Operation operation;
  std::uint32_t pages;        ///< That the cache holds.
  std::uint32_t repetitions;  ///< Per slice, of which there are nine.
  int threads = 0;            ///< 0: CPU time of the one thread; else wall time, a cache for each.
  bool is_counted = false;    ///< Its instructions are counted, too.
};

inline constexpr std::array page_cache_tests = std::to_array<PageCacheTest>({
    {"hit_64", Operation::hit, 64, 400'000, 0, true},
    {"hit_2000", Operation::hit, 2'000, 300'000, 0, true},
    {"hit_50000", Operation::hit, 50'000, 200'000},
    {"hit_250000", Operation::hit, 250'000, 200'000},
    {"pinned", Operation::pinned, 64, 500'000, 0, true},
    {"miss_sequential_2000", Operation::miss_sequential, 2'000, 100'000, 0, true},
    {"miss_sequential_50000", Operation::miss_sequential, 50'000, 100'000},
    {"miss_random_2000", Operation::miss_random, 2'000, 100'000, 0, true},
    {"miss_random_50000", Operation::miss_random, 50'000, 100'000},
    {"absent_2000", Operation::absent, 2'000, 300'000, 0, true},
    {"absent_50000", Operation::absent, 50'000, 200'000},
    {"create_destroy", Operation::create_destroy, 2'000, 10'000, 0, true},
    {"hit_64_1_thread", Operation::hit, 64, 400'000, 1},
    {"hit_64_2_threads", Operation::hit, 64, 400'000, 2},
    {"hit_50000_1_thread", Operation::hit, 50'000, 200'000, 1},
    {"hit_50000_2_threads", Operation::hit, 50'000, 200'000, 2},
    {"miss_random_2000_1_thread", Operation::miss_random, 2'000, 100'000, 1},
    {"miss_random_2000_2_threads", Operation::miss_random, 2'000, 100'000, 2},
    {"miss_random_50000_1_thread", Operation::miss_random, 50'000, 100'000, 1},
    {"miss_random_50000_2_threads", Operation::miss_random, 50'000, 100'000, 2},
});

/// In a worker. Prints nanoseconds per operation and thread; with threads also those of CPU time,
/// as <name>_cpu. With --count=N: runs N operations and prints nothing.
void run_page_cache_test(const PageCacheTest& test, const Options& options);

}  // namespace sqlitemem::bench
