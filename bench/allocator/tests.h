// The allocator tests. To add one: a function here, and a line in the list `tests` of main.cpp.
#pragma once

#include <cstdint>
#include <string_view>

#include "bench/allocator/subject.h"
#include "bench/support/emit.h"

namespace sqlitemem::bench {

/// What one worker is asked to do.
struct TestRun {
  const Subject& subject;
  std::uint64_t size_bytes;  ///< Of the objects, where the test has one size.
  double effort;             ///< 1 normally, less with --quick.
  std::uint64_t count = 0;   ///< Repetitions for the instruction counts; 0 elsewhere.

  [[nodiscard]] std::uint64_t scaled(std::uint64_t repetitions) const {
    const auto scaled = static_cast<std::uint64_t>(static_cast<double>(repetitions) * effort);
    return scaled == 0 ? 1 : scaled;
  }
};

struct AllocatorTest {
  std::string_view name;
  void (*run)(const TestRun& run, std::string_view name);
  std::uint64_t size_bytes = 0;
  bool is_timed = true;  ///< False: only for counting instructions.
};

// Each emits `name` in nanoseconds of CPU time, and what else it measures under names that begin
// with it.
void test_hot_pair(const TestRun& run, std::string_view name);
void test_random_order(const TestRun& run, std::string_view name);
void test_size_mix(const TestRun& run, std::string_view name);
void test_handover(const TestRun& run, std::string_view name);
void test_large_churn_touched(const TestRun& run, std::string_view name);
void test_large_churn_untouched(const TestRun& run, std::string_view name);
void test_growth_alone(const TestRun& run, std::string_view name);
void test_growth_of_eight(const TestRun& run, std::string_view name);
void test_large_growth(const TestRun& run, std::string_view name);
void test_large_growth_of_two(const TestRun& run, std::string_view name);
void test_large_growth_touched(const TestRun& run, std::string_view name);
void test_pair_instructions(const TestRun& run, std::string_view name);
void test_mix_instructions(const TestRun& run, std::string_view name);

}  // namespace sqlitemem::bench
