// Every figure of the heap against an independent count.
#include <algorithm>
#include <map>
#include <vector>

#include "allocators/manager/memory_manager.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::OptionScope;
using tests::OwnHeap;
using tests::Random;

/// What a class should report.
struct Expected {
  std::uint64_t allocations = 0, frees = 0, requested_bytes = 0;
};

std::string difference(OwnHeap& heap, const std::map<std::uint64_t, Expected>& expected) {
  for (const SizeClassTotals& row : heap->size_classes()) {
    const auto found = expected.find(row.object_bytes);
    const Expected should = found == expected.end() ? Expected{} : found->second;
    const auto differs = [&](const char* what, std::uint64_t is, std::uint64_t wanted) {
      return "class " + std::to_string(row.object_bytes) + ": " + what + " " + std::to_string(is) +
             ", should be " + std::to_string(wanted);
    };
    if (row.allocations != should.allocations)
      return differs("allocations", row.allocations, should.allocations);
    if (row.frees != should.frees) return differs("frees", row.frees, should.frees);
    if (row.live_objects != should.allocations - should.frees)
      return differs("live", row.live_objects, should.allocations - should.frees);
    if (row.requested_bytes != should.requested_bytes)
      return differs("requested_bytes", row.requested_bytes, should.requested_bytes);
    if (row.magazine_hits > row.allocations + row.frees)
      return differs("magazine_hits", row.magazine_hits, row.allocations + row.frees);
    if (!row.is_run && row.live_objects + row.cached_objects + row.free_objects !=
                           row.slabs * row.objects_per_slab)
      return differs("objects in slabs", row.live_objects + row.cached_objects + row.free_objects,
                     row.slabs * row.objects_per_slab);
  }
  return {};
}

struct Counted {
  void* address;
  std::uint64_t class_bytes;
};

/// The estimate for requests of `bytes`, which must be a multiple of 8.
double estimate(OwnHeap& heap, std::uint64_t bytes) {
  for (const RequestPattern& pattern : heap->request_patterns()) {
    if (pattern.request_bytes == bytes) return static_cast<double>(pattern.allocations);
  }
  return 0;
}

}  // namespace

TEST_CASE("Statistics: every class counts exactly what was done", "[manager][statistics]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  Random random(seed);
  OwnHeap heap;
  std::map<std::uint64_t, Expected> expected;
  std::vector<Counted> live;
  for (int step = 0; step < 20'000; ++step) {
    if (random.below(100) < (step / 4000 % 2 == 0 ? 60U : 40U) || live.empty()) {
      const std::size_t bytes = random.size_up_to(max_cached_bytes);
      void* block = heap.allocate(bytes);
      REQUIRE(block != nullptr);
      const std::uint64_t class_bytes = heap->usable_bytes(block);
      ++expected[class_bytes].allocations;
      expected[class_bytes].requested_bytes += bytes;
      live.push_back({block, class_bytes});
    } else {
      std::swap(live[random.below(live.size())], live.back());
      heap.release(live.back().address);
      ++expected[live.back().class_bytes].frees;
      live.pop_back();
    }
    if (step % 3000 == 0) heap.collect();
    if (step % 1000 == 0) REQUIRE(difference(heap, expected) == "");
  }
  CHECK(difference(heap, expected) == "");
  heap->thread_exits(heap.cache);
  CHECK(difference(heap, expected) == "");
}

TEST_CASE("Statistics: a reset zeroes the counters and leaves what lives",
          "[manager][statistics]") {
  OwnHeap heap;
  std::vector<void*> blocks;
  for (int i = 0; i < 500; ++i) {
    for (const std::size_t bytes : {std::size_t{100}, 9 * kib, 50 * kib, 300 * kib})
      if (i < 20 || bytes < kib) blocks.push_back(heap.allocate(bytes));
  }
  void* gone = heap.allocate(mib);
  heap.release(gone);
  CHECK(heap.allocate(SIZE_MAX) == nullptr);
  const HeapTotals before = heap->totals();
  CHECK(before.largest_request_bytes == mib);
  CHECK(before.peak_live_bytes >= before.live_bytes + mib);
  heap->reset_statistics();
  const HeapTotals after = heap->totals();
  CHECK(after.allocations == 0);
  CHECK(after.frees == 0);
  CHECK(after.failures == 0);
  CHECK(after.largest_request_bytes == 0);
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.live_objects == before.live_objects);
  CHECK(after.peak_live_bytes == before.live_bytes);
  CHECK(after.held_bytes == before.held_bytes);
  CHECK(after.peak_held_bytes == before.held_bytes);
  CHECK(heap->request_patterns().empty());
  for (const SizeClassTotals& row : heap->size_classes()) {
    CAPTURE(row.object_bytes);
    CHECK(row.allocations + row.frees + row.requested_bytes + row.magazine_hits +
              row.depot_exchanges ==
          0);
  }
  for (void* block : blocks) heap.release(block);
  CHECK(heap->totals().frees == blocks.size());
  CHECK(heap->totals().live_objects == 0);
}

TEST_CASE("Statistics: a resize in place counts as one free and one allocation",
          "[manager][statistics]") {
  OwnHeap heap;
  void* block = heap.allocate(8 * kib);
  const HeapTotals before = heap->totals();
  REQUIRE(heap.resize(block, 19 * kib) == block);
  REQUIRE(heap.resize(block, 90 * kib) == block);
  REQUIRE(heap.resize(block, 10'100) == block);
  const HeapTotals after = heap->totals();
  CHECK(after.allocations == before.allocations + 3);
  CHECK(after.frees == before.frees + 3);
  CHECK(after.live_objects == 1);
  CHECK(after.live_bytes == 10 * kib);
  for (const SizeClassTotals& row : heap->size_classes()) {
    if (row.object_bytes == 10 * kib) CHECK(row.requested_bytes == 10'100);
  }
}

TEST_CASE("Statistics: patterns of a random mix are estimated within a tenth",
          "[manager][statistics]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  Random random(seed);
  OwnHeap heap;
  const std::vector<std::size_t> sizes = {40, 104, 112, 600, 640, 4368};
  std::map<std::size_t, std::uint64_t> counts;
  for (int i = 0; i < 2'000'000; ++i) {
    const std::size_t bytes = sizes[random.below(sizes.size())];
    ++counts[bytes];
    heap.release(heap.allocate(bytes));
  }
  for (const auto& [bytes, count] : counts) {
    CAPTURE(bytes);
    CHECK(estimate(heap, bytes) == Approx(static_cast<double>(count)).epsilon(0.1));
  }
}

TEST_CASE("Statistics: patterns of sizes that alternate are estimated within a tenth",
          "[manager][statistics]") {
  const auto sizes =
      GENERATE(std::vector<std::size_t>{104, 112}, std::vector<std::size_t>{264, 272, 280, 288},
               std::vector<std::size_t>{456, 512, 456});
  CAPTURE(sizes);
  OwnHeap heap;
  std::map<std::size_t, std::uint64_t> counts;
  for (int i = 0; i < 1'000'000; ++i) {
    const std::size_t bytes = sizes[static_cast<std::size_t>(i) % sizes.size()];
    ++counts[bytes];
    heap.release(heap.allocate(bytes));
  }
  for (const auto& [bytes, count] : counts) {
    CAPTURE(bytes);
    CHECK(estimate(heap, bytes) == Approx(static_cast<double>(count)).epsilon(0.1));
  }
}

TEST_CASE("Statistics: requests above 32 KiB are all counted", "[manager][statistics]") {
  OwnHeap heap;
  for (int i = 0; i < 30; ++i) heap.release(heap.allocate(36 * kib));
  for (int i = 0; i < 7; ++i) heap.release(heap.allocate(mib));
  CHECK(estimate(heap, 36 * kib) == 30);
  CHECK(estimate(heap, mib) == 7);
  CHECK(heap->totals().largest_request_bytes == mib);
  for (const RequestPattern& pattern : heap->request_patterns())
    CHECK(pattern.class_bytes == heap->round_up(pattern.request_bytes));
}

TEST_CASE("Statistics: the peak is never below a sampled total, and near the true peak",
          "[manager][statistics]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  const OptionScope keep(&Config::purge_delay, 3600 * 1000);
  Random random(seed);
  OwnHeap heap;
  std::uint64_t live_bytes = 0, true_peak = 0;
  std::vector<void*> live;
  const auto release_some = [&](std::size_t left) {
    while (live.size() > left) {
      live_bytes -= heap->usable_bytes(live.back());
      heap.release(live.back());
      live.pop_back();
    }
  };
  for (int wave = 0; wave < 12; ++wave) {
    const std::size_t bytes = random.below(2) == 0 ? random.between(1, 4608) : 64;
    const std::uint64_t goal = random.between(1, 12) * mib;
    while (live_bytes < goal) {
      live.push_back(heap.allocate(bytes));
      live_bytes += heap->usable_bytes(live.back());
      true_peak = std::max(true_peak, live_bytes);
    }
    release_some(random.below(2) == 0 ? 0 : live.size() / 3);
    if (random.below(3) == 0) heap.collect();
  }
  release_some(0);
  const HeapTotals totals = heap->totals();
  CHECK(totals.live_bytes == 0);
  CHECK(totals.peak_live_bytes <= true_peak);
  CHECK(totals.peak_live_bytes + true_peak / 64 + mib >= true_peak);
}

TEST_CASE("Statistics: a peak made of blocks that were cached is not missed",
          "[manager][statistics]") {
  const OptionScope keep(&Config::purge_delay, 3600 * 1000);
  OwnHeap heap;
  std::vector<void*> small, medium;
  const auto fill = [&](std::vector<void*>& blocks, std::size_t bytes) {
    for (std::size_t sum = 0; sum < 16 * mib; sum += bytes) blocks.push_back(heap.allocate(bytes));
  };
  const auto drop = [&](std::vector<void*>& blocks) {
    for (void* block : blocks) heap.release(block);
    blocks.clear();
  };
  fill(small, 4096);
  drop(small);
  fill(medium, 2048);  // Now 32 MiB are out, half of them cached.
  fill(small, 4096);   // Now all of them live.
  drop(small);
  drop(medium);
  CHECK(heap->totals().peak_live_bytes + mib >= 32 * mib);
}

}  // namespace sqlitemem
