// Page runs against a plain list of intervals; what the budget was charged; what the checker finds.
#include "allocators/slab/run_heap.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "allocators/slab/slab.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::Random;

constexpr std::size_t area_mib = 4;

/// A run heap over a region of its own.
struct OneRunHeap {
  OneRunHeap() {
    metadata.start(os_pages());
    REQUIRE(region.start(os_pages(), Region::min_bytes, SIZE_MAX, mib));
    REQUIRE(region.runs.bytes_left() == area_mib * mib);
    // The first segment's descriptor will follow this block.
    probe = static_cast<std::byte*>(metadata.allocate(sizeof(RunSegment)));
    REQUIRE(runs.start(region.runs, metadata, os_pages(), budget, chunk_map.data()));
  }
  ~OneRunHeap() {
    runs.stop();
    region.stop();
    metadata.stop();
  }
  OneRunHeap(const OneRunHeap&) = delete;
  OneRunHeap& operator=(const OneRunHeap&) = delete;

  RunSegment& first_segment() {
    return *reinterpret_cast<RunSegment*>(probe + std::bit_ceil(sizeof(RunSegment)));
  }
  std::string rule() {
    const auto broken = runs.find_violation();
    return broken ? std::string(broken->rule) : std::string();
  }

  std::vector<std::atomic<ClassIndex>> chunk_map =
      std::vector<std::atomic<ClassIndex>>(area_mib * mib / chunk_bytes);
  MetadataHeap metadata;
  MemoryBudget budget;
  Region region;
  RunHeap runs;
  std::byte* probe = nullptr;
};

std::size_t random_granules(Random& random) {
  return random.below(4) == 0 ? random.between(min_run_granules, 256)
                              : random.between(min_run_granules, 40);
}

/// Runs by address, as they should be.
using Runs = std::map<std::byte*, std::size_t>;

bool overlaps(const Runs& live, std::byte* run, std::size_t granules) {
  const auto after = live.lower_bound(run);
  if (after != live.end() && after->first < run + granules * run_granule_bytes) return true;
  if (after == live.begin()) return false;
  const auto before = std::prev(after);
  return before->first + before->second * run_granule_bytes > run;
}

std::uint64_t granules_of(const Runs& live) {
  std::uint64_t sum = 0;
  for (const auto& [run, granules] : live) sum += granules;
  return sum;
}

bool is_aligned(const std::byte* run, std::size_t granules) {
  return granules % 4 != 0 || reinterpret_cast<std::uintptr_t>(run) % page_bytes == 0;
}

}  // namespace

TEST_CASE("RunSegment: marking and searching agree with an array of flags", "[runs][property]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  Random random(seed);
  const auto segment = std::make_unique<RunSegment>();
  std::vector<bool> used(RunSegment::granules);
  for (int step = 0; step < 400; ++step) {
    const std::size_t first = random.below(RunSegment::granules);
    const std::size_t count = random.between(1, std::min<std::size_t>(200, used.size() - first));
    const bool in_use = random.below(2) == 0;
    segment->mark(first, count, in_use);
    std::fill_n(used.begin() + static_cast<std::ptrdiff_t>(first), count, in_use);
    const std::size_t from = random.below(RunSegment::granules + 1);
    std::size_t begin = from;
    while (begin < used.size() && used[begin]) ++begin;
    std::size_t end = begin;
    while (end < used.size() && !used[end]) ++end;
    const auto found = segment->next_free(from);
    REQUIRE(found.begin == begin);
    REQUIRE(found.end == end);
  }
}

TEST_CASE("RunHeap: any order of allocate, resize and release agrees with a map of runs",
          "[runs][property]") {
  const auto seed = GENERATE(1U, 2U, 3U, 4U);
  CAPTURE(seed);
  Random random(seed);
  OneRunHeap heap;
  Runs live;
  for (int step = 0; step < 3000; ++step) {
    const std::size_t what = random.below(10);
    if (what < 5 || live.empty()) {
      const std::size_t granules = random_granules(random);
      auto* run = static_cast<std::byte*>(random.below(4) == 0 ? heap.runs.allocate_roomy(granules)
                                                               : heap.runs.allocate(granules));
      if (run != nullptr) {
        REQUIRE(is_aligned(run, granules));
        REQUIRE_FALSE(overlaps(live, run, granules));
        live[run] = granules;
      }
    } else {
      auto chosen = std::next(live.begin(), static_cast<std::ptrdiff_t>(random.below(live.size())));
      auto [run, granules] = *chosen;
      REQUIRE(heap.runs.granules_of(run) == granules);
      live.erase(chosen);
      if (what < 7) {
        const std::size_t wanted = random_granules(random);
        if (heap.runs.resize_in_place(run, wanted)) granules = wanted;
        REQUIRE(heap.runs.granules_of(run) == granules);
        REQUIRE(is_aligned(run, granules));
        REQUIRE_FALSE(overlaps(live, run, granules));
        live[run] = granules;
      } else {
        REQUIRE(heap.runs.release(run) == RunHeap::ReleaseResult::ok);
      }
    }
    if (step % 300 == 0) heap.runs.purge(0, ~std::uint64_t{0});
    REQUIRE(heap.rule().empty());
    REQUIRE(heap.runs.totals().live_bytes == granules_of(live) * run_granule_bytes);
    REQUIRE(heap.runs.totals().live_runs == live.size());
  }
  for (const auto& [run, granules] : live)
    REQUIRE(heap.runs.release(run) == RunHeap::ReleaseResult::ok);
  CHECK(heap.rule().empty());
  heap.runs.purge(0, ~std::uint64_t{0});
  CHECK(heap.budget.held_bytes() == 0);
  CHECK(heap.runs.resident_bytes() == 0);
  CHECK(heap.runs.totals().dirty_free_bytes == 0);
}

TEST_CASE("RunHeap: neighbours coalesce whoever is freed first", "[runs]") {
  OneRunHeap heap;
  std::vector<void*> runs;
  for (int i = 0; i < 32; ++i) runs.push_back(heap.runs.allocate(32));
  REQUIRE(heap.runs.totals().free_bytes == 0);
  for (const std::size_t i : {3U, 5U, 4U, 2U, 6U})
    REQUIRE(heap.runs.release(runs[i]) == RunHeap::ReleaseResult::ok);
  CHECK(heap.runs.totals().largest_free_bytes == 5 * 32 * kib);
  CHECK(heap.runs.allocate(160) == runs[2]);
}

TEST_CASE("RunHeap: runs that will grow have room behind them, and none is made for them",
          "[runs]") {
  OneRunHeap heap;
  CHECK(heap.runs.allocate_roomy(6) == nullptr);
  void* const plain = heap.runs.allocate(7);
  std::vector<void*> growing;
  for (int i = 0; i < 7; ++i) {
    growing.push_back(heap.runs.allocate_roomy(6));
    REQUIRE(growing.back() != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(growing.back()) % page_bytes == 0);
  }
  for (const std::size_t granules : {9U, 12U, 64U}) {
    for (void* run : growing) CHECK(heap.runs.resize_in_place(run, granules));
  }
  CHECK(heap.rule() == "");
  CHECK(heap.runs.allocate_roomy(200) == nullptr);
  for (void* run : growing) CHECK(heap.runs.release(run) == RunHeap::ReleaseResult::ok);
  CHECK(heap.runs.release(plain) == RunHeap::ReleaseResult::ok);
  CHECK(heap.rule() == "");
}

TEST_CASE("RunHeap: a full area refuses, and serves again after a release", "[runs][faults]") {
  OneRunHeap heap;
  std::vector<void*> runs;
  while (void* run = heap.runs.allocate(256)) runs.push_back(run);
  CHECK(runs.size() == area_mib * 4);
  CHECK(heap.budget.held_bytes() == area_mib * mib);
  CHECK(heap.runs.allocate(5) == nullptr);
  REQUIRE(heap.runs.release(runs[7]) == RunHeap::ReleaseResult::ok);
  CHECK(heap.runs.allocate(256) == runs[7]);
  CHECK(heap.rule().empty());
}

TEST_CASE("RunHeap: what is not the start of a live run is refused and nothing changes",
          "[runs][corruption]") {
  OneRunHeap heap;
  auto* run = static_cast<std::byte*>(heap.runs.allocate(8));
  CHECK(heap.runs.release(run + run_granule_bytes) == RunHeap::ReleaseResult::interior);
  CHECK(heap.runs.release(run + 16) == RunHeap::ReleaseResult::interior);
  CHECK(heap.runs.release(run + 8 * kib) == RunHeap::ReleaseResult::not_live);
  CHECK(heap.runs.release(run + 2 * mib) == RunHeap::ReleaseResult::not_live);
  CHECK(heap.runs.granules_of(run + 16) == 0);
  CHECK_FALSE(heap.runs.resize_in_place(run + run_granule_bytes, 16));
  CHECK(heap.runs.totals().live_runs == 1);
  CHECK(heap.runs.release(run) == RunHeap::ReleaseResult::ok);
  CHECK(heap.runs.release(run) == RunHeap::ReleaseResult::not_live);
  CHECK(heap.rule().empty());
}

TEST_CASE("RunHeap: the budget is charged for pages touched, and refunded when they go",
          "[runs][budget]") {
  OneRunHeap heap;
  heap.budget.set_limit(64 * kib);
  void* first = heap.runs.allocate(5);
  CHECK(heap.budget.held_bytes() == 8 * kib);
  void* second = heap.runs.allocate(5);  // 2 KiB of it lie in the first one's last page.
  CHECK(heap.budget.held_bytes() == 12 * kib);
  CHECK(heap.runs.allocate(64) == nullptr);
  CHECK(heap.budget.held_bytes() == 12 * kib);
  CHECK_FALSE(heap.runs.resize_in_place(second, 100));
  CHECK(heap.runs.resize_in_place(second, 21));
  CHECK(heap.budget.held_bytes() == 28 * kib);
  REQUIRE(heap.runs.release(first) == RunHeap::ReleaseResult::ok);
  CHECK(heap.budget.held_bytes() == 28 * kib);
  CHECK(heap.runs.purge(0, ~std::uint64_t{0}) == 4 * kib);  // The shared page stays.
  CHECK(heap.budget.held_bytes() == 24 * kib);
  CHECK(heap.rule().empty());
}

TEST_CASE("RunHeap: only segments idle for long enough are purged", "[runs]") {
  OneRunHeap heap;
  REQUIRE(heap.runs.release(heap.runs.allocate(32)) == RunHeap::ReleaseResult::ok);
  CHECK(heap.runs.purge(~std::uint64_t{0} >> 2, ~std::uint64_t{0} >> 2) == 0);
  CHECK(heap.runs.totals().dirty_free_bytes == 32 * kib);
  CHECK(heap.runs.purge(0, ~std::uint64_t{0}) == 32 * kib);
}

TEST_CASE("RunHeap: a flipped bit or counter is found and named", "[runs][corruption]") {
  OneRunHeap heap;
  REQUIRE(heap.runs.allocate(8) != nullptr);
  REQUIRE(heap.runs.allocate(8) != nullptr);
  REQUIRE(heap.rule().empty());
  RunSegment& segment = heap.first_segment();
  REQUIRE(segment.live_runs == 2);
  SECTION("a granule of a run is marked free") {
    segment.used[0] ^= std::uint64_t{1} << 3;
    CHECK(heap.rule() == "run: a run covers bits set");
  }
  SECTION("a free granule is marked in use") {
    segment.used[0] ^= std::uint64_t{1} << 40;
    CHECK(heap.rule() == "run: a granule in use belongs to a run");
  }
  SECTION("a length grows over the next run") {
    segment.length[0] = 12 - RunSegment::length_bias;
    CHECK(heap.rule() == "run: runs do not overlap");
  }
  SECTION("a length appears on a free granule") {
    segment.length[100] = 1;
    CHECK(heap.rule() == "run: a run covers bits set");
  }
  SECTION("a page of a run is not charged") {
    segment.charged[0] ^= 2;
    CHECK(heap.rule() == "run: its pages are charged");
  }
  SECTION("the free counter") {
    ++segment.free_granules;
    CHECK(heap.rule() == "run: free_granules == zero bits");
  }
  SECTION("the run counter") {
    ++segment.live_runs;
    CHECK(heap.rule() == "run: live_runs == runs described");
  }
}

}  // namespace sqlitemem
