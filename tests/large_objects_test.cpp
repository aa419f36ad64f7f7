// Large objects: edge cases by name, strategies, growth, release to the OS, the limit, exhaustion,
// threads.
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/large_heap.h"
#include "tests/support/model.h"

namespace sqlitemem {

/// Breaks fields on purpose, so that the checker can be checked.
struct LargeObjectsTestAccess {
  static LargeRegion& first(LargeObjects& objects) { return *objects.map_.first_; }
  static FreeRegions& free(LargeObjects& objects) { return objects.map_.free_; }
  static std::uint64_t& charged(LargeObjects& objects) { return objects.charged_pages_; }
  static std::uint64_t& requested(LargeObjects& objects) { return objects.requested_bytes_; }
  static std::uint64_t& free_pages(LargeObjects& objects) { return objects.map_.free_.pages_; }
  static PageBits& dirty(LargeObjects& objects) { return objects.map_.dirty_; }
  static LargeRegion*& start(LargeObjects& objects, std::uint32_t page) {
    return objects.map_.starts_[page];
  }
};

namespace {

using tests::LargeHeap;
using tests::OptionScope;
using Release = LargeObjects::ReleaseResult;
using LargeAccess = LargeObjectsTestAccess;

TEST_CASE("LargeObjects: an object is page-aligned, whole pages, zero when new", "[large]") {
  LargeHeap heap;
  auto* const object = static_cast<char*>(heap.objects.allocate(300'000));
  REQUIRE(object != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(object) % page_bytes == 0);
  CHECK(heap.objects.usable_bytes(object) == round_up(300'000, page_bytes));
  CHECK(object[0] == 0);
  std::memset(object, 1, heap.objects.usable_bytes(object));
  CHECK(heap.objects.release(object) == Release::ok);
  CHECK(heap.objects.usable_bytes(object) == 0);
}

TEST_CASE("LargeObjects: the smallest, the largest and the impossible request", "[large]") {
  LargeHeap heap;
  void* const smallest = heap.objects.allocate(0);
  CHECK(heap.objects.usable_bytes(smallest) == page_bytes);
  CHECK(heap.objects.allocate(SIZE_MAX) == nullptr);
  CHECK(heap.objects.allocate(heap.area_bytes()) == nullptr);  // One page is taken.
  CHECK(heap.objects.release(smallest) == Release::ok);
  void* const largest = heap.objects.allocate(heap.area_bytes());
  CHECK(largest != nullptr);
  CHECK(heap.objects.allocate(1) == nullptr);
  CHECK(heap.objects.resize(largest, SIZE_MAX) == nullptr);
  CHECK_FALSE(heap.objects.find_violation());
}

TEST_CASE("LargeObjects: a double free and an interior pointer change nothing", "[large]") {
  LargeHeap heap;
  auto* const object = static_cast<char*>(heap.objects.allocate(mib));
  const void* const other = heap.objects.allocate(mib);
  CHECK(heap.objects.release(object + 1) == Release::interior);
  CHECK(heap.objects.release(object + page_bytes) == Release::interior);
  CHECK(heap.objects.usable_bytes(object + page_bytes) == 0);
  CHECK(heap.objects.release(object) == Release::ok);
  CHECK(heap.objects.release(object) == Release::not_live);
  CHECK(heap.objects.release(object + page_bytes) == Release::not_live);
  CHECK(heap.objects.release(heap.region.large.end() - page_bytes) == Release::not_live);
  CHECK(heap.objects.resize(object, mib) == nullptr);
  CHECK(heap.objects.usable_bytes(other) == mib);
  CHECK(heap.objects.totals().frees == 1);
  CHECK_FALSE(heap.objects.find_violation());
}

TEST_CASE("LargeObjects: neighbours merge at once, on both sides", "[large]") {
  LargeHeap heap;
  std::vector<void*> row;
  for (int i = 0; i < 4; ++i) row.push_back(heap.objects.allocate(mib));
  heap.objects.release(row[0]);
  heap.objects.release(row[2]);
  CHECK(heap.objects.totals().free_regions == 2);
  heap.objects.release(row[1]);
  const LargeObjectTotals totals = heap.objects.totals();
  CHECK(totals.free_regions == 1);
  CHECK(totals.largest_free_bytes == 3 * mib);
  CHECK(totals.coalesces == 2);
  CHECK(totals.coalescible_frees == 1);
  CHECK(totals.merged_frees == 1);
  CHECK(heap.objects.allocate(3 * mib) == row[0]);
  CHECK(heap.objects.totals().free_list_hits == 1);
}

/// Leaves three dirty holes of 3, 1 and 5 MiB, in this order of address.
std::vector<void*> make_holes(LargeHeap& heap) {
  std::vector<void*> holes;
  for (const std::size_t size : {3 * mib, mib, 5 * mib}) {
    holes.push_back(heap.objects.allocate(size));
    REQUIRE(heap.objects.allocate(page_bytes) != nullptr);
  }
  for (void* const hole : holes) heap.objects.release(hole);
  return holes;
}

TEST_CASE("LargeObjects: each strategy picks its own hole", "[large]") {
  struct Expected {
    AllocationStrategy strategy;
    std::size_t hole;
  };
  const auto [strategy, hole] = GENERATE(Expected{AllocationStrategy::best_fit, 1},
                                         Expected{AllocationStrategy::first_fit, 0},
                                         Expected{AllocationStrategy::worst_fit, 2});
  const OptionScope setting(&Config::allocation_strategy, strategy);
  LargeHeap heap;
  const std::vector<void*> holes = make_holes(heap);
  CHECK(heap.objects.allocate(mib) == holes[hole]);
}

TEST_CASE("LargeObjects: best fit prefers memory that is still resident", "[large]") {
  LargeHeap heap;
  const std::vector<void*> holes = make_holes(heap);
  heap.objects.purge(0, UINT64_MAX);
  void* const again = heap.objects.allocate(5 * mib);
  REQUIRE(again == holes[2]);
  heap.objects.release(again);                    // Dirty now; the others are clean.
  CHECK(heap.objects.allocate(mib) == holes[2]);  // Not the exact fit, but no page fault.
}

TEST_CASE("LargeObjects: growth takes the free region behind, or the frontier", "[large]") {
  LargeHeap heap;
  auto* const object = static_cast<char*>(heap.objects.allocate(mib));
  object[mib - 1] = 'x';
  CHECK(heap.objects.resize(object, 3 * mib) == object);
  CHECK(heap.objects.usable_bytes(object) == 3 * mib);
  CHECK(object[mib - 1] == 'x');
  CHECK(heap.objects.resize(object, mib) == object);
  CHECK(heap.objects.totals().free_bytes == 2 * mib);
  void* const behind = heap.objects.allocate(mib);
  CHECK(behind == object + mib);
  heap.objects.release(behind);
  CHECK(heap.objects.resize(object, 2 * mib) == object);
  CHECK(heap.objects.totals().in_place_growths == 2);
  CHECK_FALSE(heap.objects.find_violation());
}

TEST_CASE("LargeObjects: blocked growth moves or copies, and keeps every byte", "[large]") {
  const bool can_move = GENERATE(true, false);
  LargeHeap heap;
  heap.pages.can_move = can_move;
  auto* object = static_cast<unsigned char*>(heap.objects.allocate(mib));
  for (std::size_t i = 0; i < mib; ++i) object[i] = static_cast<unsigned char>(i * 7 / 5);
  for (std::size_t bytes = 2 * mib; bytes <= 16 * mib; bytes += mib) {
    REQUIRE(heap.objects.allocate(page_bytes) != nullptr);  // In the way at first.
    object = static_cast<unsigned char*>(heap.objects.resize(object, bytes));
    REQUIRE(object != nullptr);
    REQUIRE_FALSE(heap.objects.find_violation());
  }
  std::size_t kept = 0;
  while (kept < mib && object[kept] == static_cast<unsigned char>(kept * 7 / 5)) ++kept;
  CHECK(kept == mib);
  const LargeObjectTotals totals = heap.objects.totals();
  CHECK(totals.moved_growths + totals.copied_growths >= 1);
  if (!can_move) CHECK(totals.moved_growths == 0);
  for (const LargeObjectInfo& row : heap.objects.objects()) {
    if (row.mapped_bytes > page_bytes) CHECK(row.object_id == 1);  // It is still the same object.
  }
  CHECK(totals.live_objects == 16);
}

TEST_CASE("LargeObjects: a failed growth leaves the object as it was", "[large]") {
  LargeHeap heap;
  auto* const object = static_cast<char*>(heap.objects.allocate(mib));
  std::memset(object, 'k', mib);
  heap.budget.set_limit(mib);
  CHECK(heap.objects.resize(object, 2 * mib) == nullptr);
  CHECK(heap.objects.usable_bytes(object) == mib);
  CHECK(object[mib - 1] == 'k');
  CHECK(heap.budget.held_bytes() == mib);
  CHECK_FALSE(heap.objects.find_violation());
}

TEST_CASE("LargeObjects: purging returns resident memory, the idle first", "[large]") {
  LargeHeap heap;
  std::vector<char*> row;
  for (int i = 0; i < 4; ++i) {
    row.push_back(static_cast<char*>(heap.objects.allocate(2 * mib)));
    std::memset(row.back(), 1, 2 * mib);
  }
  const std::uint64_t tables = heap.objects.table_resident_bytes();
  CHECK(tables > 0);
  CHECK(heap.objects.resident_bytes() == 8 * mib);
  heap.objects.release(row[0]);
  heap.objects.release(row[2]);
  CHECK(heap.objects.resident_bytes() == 8 * mib);
  CHECK(heap.objects.totals().dirty_free_bytes == 4 * mib);
  CHECK(heap.objects.purge(1'000'000'000, 0) == 0);  // Not idle for a second.
  CHECK(heap.objects.purge(1'000'000'000, UINT64_MAX) == 4 * mib);
  CHECK(heap.objects.resident_bytes() == 4 * mib);
  CHECK(heap.budget.held_bytes() == 4 * mib);
  CHECK(heap.objects.totals().decommitted_bytes == 4 * mib);
  CHECK(row[1][0] == 1);
  heap.objects.release(row[1]);
  CHECK(heap.objects.coalesce_all() == 2 * mib);
  CHECK(heap.objects.coalesce_all() == 0);
  CHECK_FALSE(heap.objects.find_violation());
}

TEST_CASE("LargeObjects: what the OS will not take back stays charged", "[large]") {
  LargeHeap heap;
  heap.pages.can_decommit = false;
  void* const object = heap.objects.allocate(2 * mib);
  heap.objects.release(object);
  CHECK(heap.objects.coalesce_all() == 0);
  CHECK(heap.budget.held_bytes() == 2 * mib);
  CHECK_FALSE(heap.objects.find_violation());
}

TEST_CASE("LargeObjects: the limit refuses, and free dirty memory makes room", "[large]") {
  LargeHeap heap;
  heap.budget.set_limit(8 * mib);
  void* const half = heap.objects.allocate(4 * mib);
  void* const other = heap.objects.allocate(4 * mib);
  REQUIRE(other != nullptr);
  CHECK(heap.objects.allocate(page_bytes) == nullptr);
  heap.objects.release(half);
  CHECK(heap.budget.held_bytes() == 8 * mib);  // Dirty still.
  // Does not fit into the hole, so that the hole's memory must go.
  heap.objects.release(other);
  REQUIRE(heap.objects.allocate(mib) != nullptr);
  CHECK(heap.objects.allocate(7 * mib) != nullptr);
  CHECK(heap.budget.held_bytes() == 8 * mib);
  CHECK_FALSE(heap.objects.find_violation());
}

TEST_CASE("LargeObjects: a request that the limit refuses is no hit", "[large]") {
  LargeHeap heap;
  void* const whole = heap.objects.allocate(8 * mib);
  heap.objects.release(whole);
  heap.objects.purge(0, 0);
  heap.budget.set_limit(4 * mib);
  for (int i = 0; i < 3; ++i) CHECK(heap.objects.allocate(8 * mib) == nullptr);
  CHECK(heap.objects.allocate(mib) != nullptr);
  CHECK(heap.objects.totals().allocations == 2);
  CHECK(heap.objects.totals().free_list_hits == 1);
}

TEST_CASE("LargeObjects: steady churn keeps fragmentation low and memory warm", "[large]") {
  LargeHeap heap(gib);
  std::mt19937 random(1);
  std::vector<void*> live(64, nullptr);
  double fragmentation_sum = 0;
  int decommits_before = 0;
  constexpr int warm_up = 500, steps = 2000;
  for (int step = 0; step < steps; ++step) {
    void*& slot = live[random() % live.size()];
    if (slot != nullptr) heap.objects.release(slot);
    slot = heap.objects.allocate(256 * kib + random() % (8 * mib - 256 * kib));
    REQUIRE(slot != nullptr);
    if (step == warm_up) {
      heap.objects.reset_statistics();
      decommits_before = heap.pages.decommits;
    }
    const LargeObjectTotals now = heap.objects.totals();
    if (step >= warm_up)
      fragmentation_sum +=
          1 - static_cast<double>(now.live_bytes) / static_cast<double>(now.mapped_bytes);
  }
  const LargeObjectTotals totals = heap.objects.totals();
  CHECK(fragmentation_sum / (steps - warm_up) <= 0.15);
  // Not a few pages at each dip of what is live: that was more than one system call an object.
  CHECK(heap.pages.decommits - decommits_before < (steps - warm_up) / 2);
  CHECK(static_cast<double>(totals.free_list_hits) >=
        0.75 * static_cast<double>(totals.allocations));
  CHECK(totals.merged_frees == totals.coalescible_frees);
  CHECK(totals.mapped_bytes == heap.budget.held_bytes());
}

TEST_CASE("LargeObjects: huge pages are asked for when aligned and large enough", "[large]") {
  const OptionScope setting(&Config::huge_pages, 1);
  LargeHeap heap;
  REQUIRE(heap.objects.allocate(page_bytes) != nullptr);  // Puts the frontier off alignment.
  REQUIRE(heap.objects.allocate(mib) != nullptr);
  CHECK(heap.pages.advices == 0);
  void* const object = heap.objects.allocate(5 * mib);
  CHECK(reinterpret_cast<std::uintptr_t>(object) % (2 * mib) == 0);
  CHECK(heap.pages.advised_address == object);
  CHECK(heap.pages.advised_bytes == 4 * mib);
  CHECK(heap.objects.totals().huge_page_bytes == 4 * mib);
  CHECK(heap.objects.objects().back().is_huge_page);
  CHECK(heap.objects.resize(object, 7 * mib) == object);
  CHECK(heap.objects.totals().huge_page_bytes == 6 * mib);
  CHECK_FALSE(heap.objects.find_violation());
  CHECK(heap.objects.resize(object, 3 * mib) == object);
  CHECK(heap.objects.totals().huge_page_bytes == 2 * mib);
  heap.objects.release(object);
  CHECK(heap.objects.totals().huge_page_bytes == 0);
  heap.pages.can_advise = false;
  REQUIRE(heap.objects.allocate(4 * mib) != nullptr);
  CHECK(heap.objects.totals().huge_page_bytes == 0);
  CHECK_FALSE(heap.objects.find_violation());
}

TEST_CASE("LargeObjects: ids count up in order of allocation", "[large]") {
  LargeHeap heap;
  void* const first = heap.objects.allocate(300 * kib);
  REQUIRE(heap.objects.allocate(400 * kib) != nullptr);
  heap.objects.release(first);
  REQUIRE(heap.objects.allocate(500 * kib) != nullptr);
  std::vector<LargeObjectInfo> rows = heap.objects.objects();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].object_id + rows[1].object_id == 2 + 3);
  CHECK(rows[0].size_bytes + rows[1].size_bytes == 900 * kib);
  CHECK(heap.objects.totals().requested_bytes == 900 * kib);
}

TEST_CASE("LargeObjects: the checker names what is broken", "[large][corruption]") {
  LargeHeap heap;
  REQUIRE(heap.objects.allocate(mib) != nullptr);
  void* const hole = heap.objects.allocate(mib);
  REQUIRE(heap.objects.allocate(mib) != nullptr);
  heap.objects.release(hole);
  LargeObjects& objects = heap.objects;
  const auto broken_rule = [&] {
    const auto broken = objects.find_violation();
    return broken ? std::string(broken->rule) : std::string();
  };
  REQUIRE(broken_rule().empty());
  LargeRegion& live = LargeAccess::first(objects);
  ++live.pages;
  CHECK_FALSE(broken_rule().empty());
  --live.pages;
  ++live.first_page;
  CHECK(broken_rule() == "regions tile the area without gap or overlap");
  --live.first_page;
  live.live_pages = 1;
  CHECK(broken_rule() == "the lock-free size is the region's");
  live.live_pages = live.pages;
  LargeAccess::start(objects, 0) = nullptr;
  CHECK(broken_rule() == "the table points to each live object");
  LargeAccess::start(objects, 0) = &live;
  LargeAccess::dirty(objects).clear({.first = 3, .pages = 1});
  CHECK(broken_rule() == "every page of a live object is charged");
  LargeAccess::dirty(objects).set({.first = 3, .pages = 1});
  LargeRegion& free = *live.above;
  --free.dirty_pages;
  CHECK(broken_rule() == "a free region knows its dirty pages");
  ++free.dirty_pages;
  free.most_movable = free.dirty_pages - 1;
  CHECK(broken_rule() == "no movable run is longer than a free region says");
  free.most_movable = free.dirty_pages;
  live.is_live = false;
  CHECK_FALSE(broken_rule().empty());
  live.is_live = true;
  ++LargeAccess::free_pages(objects);
  CHECK(broken_rule() == "free pages are counted");
  --LargeAccess::free_pages(objects);
  ++LargeAccess::charged(objects);
  CHECK(broken_rule() == "the budget was charged for live and dirty free pages");
  --LargeAccess::charged(objects);
  ++LargeAccess::requested(objects);
  CHECK(broken_rule() == "requested bytes are counted");
  --LargeAccess::requested(objects);
  CHECK(broken_rule().empty());
}

}  // namespace
}  // namespace sqlitemem
