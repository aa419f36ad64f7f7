// What arena_bench measures: one transaction's memory, from an arena and from others.
#pragma once

#include <array>
#include <string_view>

#include "bench/support/options.h"

namespace sqlitemem::bench {

inline constexpr std::string_view arena_subject = "arena";  ///< Chunks from our heap.
inline constexpr std::string_view heap_subject = "heap";    ///< Each object from our heap.
inline constexpr std::string_view malloc_subject = "malloc";
inline constexpr std::array arena_subjects = {arena_subject, heap_subject, malloc_subject};

/// One transaction each: `objects` of 104 bytes on average, multiples of 8 drawn beforehand.
struct ArenaTest {
  std::string_view name;
  std::size_t objects;
  std::size_t repetitions;  ///< Transactions.
};
inline constexpr auto arena_tests = std::to_array<ArenaTest>({
    {"10_kb", 96, 20'000},
    {"500_kb", 4'808, 800},
    {"5_mb", 48'080, 80},
    {"10_mb", 100'000, 40},
});

/// Prints, of each transaction's median: ns per allocation in a transaction like the ones before,
/// ns of a rollback, and bytes held per byte asked for, less one.
void run_arena_test(const ArenaTest& test, const Options& options);

}  // namespace sqlitemem::bench
