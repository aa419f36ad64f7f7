// One block again and again, and a thousand blocks freed in random order.
#include <algorithm>
#include <array>

#include "bench/allocator/tests.h"
#include "bench/allocator/touch.h"
#include "bench/support/clock.h"
#include "bench/support/plain_array.h"
#include "bench/support/random.h"

namespace sqlitemem::bench {
namespace {

constexpr std::size_t slices = 9;

/// A worker's own median over slices: one interrupt or one migration spoils one slice, not the
/// round.
template <class Slice>
double median_ns_per_step(std::uint64_t steps, const Slice& run_slice) {
  std::array<double, slices> each{};
  run_slice();  // Warms caches, page tables and the allocator's free lists.
  for (double& ns : each) {
    const std::uint64_t started = thread_cpu_ns();
    run_slice();
    ns = static_cast<double>(thread_cpu_ns() - started) / static_cast<double>(steps);
  }
  std::sort(each.begin(), each.end());
  return each[slices / 2];
}

void run_pairs(const Subject& subject, std::size_t bytes, std::uint64_t pairs) {
  const auto allocate = subject.allocate;
  const auto release = subject.release;
  for (std::uint64_t i = 0; i < pairs; ++i) {
    void* block = allocate(bytes);
    touch_first(block, i);
    release(block);
  }
}

constexpr std::size_t crowd = 1000;

/// Different orders in turn, so that neither the branch predictor nor the prefetcher learns one.
constexpr std::size_t orders = 32;

void fill_orders(PlainArray<std::uint16_t>& order) {
  Random random(7);
  for (std::size_t which = 0; which < orders; ++which) {
    const auto one = order.all().subspan(which * crowd, crowd);
    for (std::size_t i = 0; i < crowd; ++i) one[i] = static_cast<std::uint16_t>(i);
    random.shuffle(one);
  }
}

}  // namespace

void test_hot_pair(const TestRun& run, std::string_view name) {
  const std::uint64_t pairs = run.scaled(1'000'000);
  emit(name, median_ns_per_step(pairs, [&] { run_pairs(run.subject, run.size_bytes, pairs); }));
}

void test_pair_instructions(const TestRun& run, std::string_view) {
  run_pairs(run.subject, run.size_bytes, run.count);
}

void test_random_order(const TestRun& run, std::string_view name) {
  PlainArray<std::uint16_t> order(crowd * orders);
  PlainArray<void*> blocks(crowd);
  fill_orders(order);
  const auto allocate = run.subject.allocate;
  const auto release = run.subject.release;
  const std::uint64_t passes = run.scaled(run.size_bytes > 4096 ? 64 : 320);
  const std::uint64_t pairs = passes * crowd;
  emit(name, median_ns_per_step(pairs, [&] {
         for (std::uint64_t pass = 0; pass < passes; ++pass) {
           for (std::size_t i = 0; i < crowd; ++i) {
             blocks[i] = allocate(run.size_bytes);
             touch_first(blocks[i], i);
           }
           const std::uint16_t* next = &order[(pass % orders) * crowd];
           for (std::size_t i = 0; i < crowd; ++i) release(blocks[next[i]]);
         }
       }));
}

}  // namespace sqlitemem::bench
