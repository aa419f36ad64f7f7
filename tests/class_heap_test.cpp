// One size class and the chunk pool below it: models, budget, and what the checkers find.
#include "allocators/slab/class_heap.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::OptionScope;
using tests::Random;

/// One class over a region of its own.
struct OneClass {
  explicit OneClass(ClassIndex index, std::size_t object_bytes) {
    metadata.start(os_pages());
    REQUIRE(region.start(os_pages(), 64 * mib, SIZE_MAX, mib));
    REQUIRE(chunks.start(region.slabs, os_pages(), budget, chunk_map.data()));
    REQUIRE(runs.start(region.runs, metadata, os_pages(), budget, chunk_map.data() + 256));
    heap.configure(index, object_bytes);
  }
  ~OneClass() {
    runs.stop();
    chunks.stop();
    region.stop();
    metadata.stop();
  }
  OneClass(const OneClass&) = delete;
  OneClass& operator=(const OneClass&) = delete;

  std::vector<void*> take(std::size_t count) {
    std::vector<void*> objects(count);
    std::size_t new_slabs = 0;
    const LockGuard guard(heap.lock);
    objects.resize(heap.take_objects(backing(), objects.data(), count, new_slabs));
    return objects;
  }
  BadBlocks give(const std::vector<void*>& objects) {
    BadBlocks bad;
    const LockGuard guard(heap.lock);
    heap.return_objects(backing(), objects.data(), objects.size(), bad);
    return bad;
  }
  std::string rule() {
    const LockGuard guard(heap.lock);
    auto broken = heap.find_violation(backing());
    if (!broken) broken = chunks.find_violation();
    return broken ? std::string(broken->rule) : std::string();
  }
  std::uint64_t slabs() {
    const LockGuard guard(heap.lock);
    return heap.slabs();
  }
  Backing backing() {
    return {.chunks = &chunks,
            .runs = &runs,
            .metadata = &metadata,
            .budget = &budget,
            .out_bytes = &out_bytes};
  }

  std::vector<std::atomic<ClassIndex>> chunk_map = std::vector<std::atomic<ClassIndex>>(512);
  std::atomic<std::int64_t> out_bytes{0};
  MetadataHeap metadata;
  MemoryBudget budget;
  Region region;
  ChunkPool chunks;
  RunHeap runs;
  ClassHeap heap;
};

constexpr ClassIndex class_of_64 = 4;
static_assert(fixed_class_bytes[class_of_64 - first_fixed_class] == 64);

}  // namespace

TEST_CASE("ClassHeap: any order of taking and returning agrees with a set of addresses",
          "[class][property]") {
  const auto bytes = GENERATE(16U, 64U, 448U, 1152U, 4096U, 4608U);
  const auto seed = GENERATE(1U, 2U);
  CAPTURE(bytes, seed);
  Random random(seed);
  OneClass one(class_of_64, bytes);
  std::set<void*> known;
  std::vector<void*> out;
  for (int step = 0; step < 300; ++step) {
    if (random.below(10) < (step < 150 ? 7U : 3U)) {
      for (void* object : one.take(random.between(1, 200))) {
        REQUIRE(known.insert(object).second);
        out.push_back(object);
      }
    } else {
      std::vector<void*> batch;
      for (std::size_t i = random.between(1, 200); i > 0 && !out.empty(); --i) {
        std::swap(out[random.below(out.size())], out.back());
        known.erase(out.back());
        batch.push_back(out.back());
        out.pop_back();
      }
      REQUIRE(one.give(batch).count == 0);
    }
    if (step % 40 == 0) {
      const LockGuard guard(one.heap.lock);
      one.heap.purge_slabs(one.backing());
    }
    REQUIRE(one.rule().empty());
    REQUIRE(one.out_bytes.load() == static_cast<std::int64_t>(out.size() * bytes));
  }
  REQUIRE(one.give(out).count == 0);
  CHECK(one.rule().empty());
  CHECK(one.slabs() == 0);
  one.chunks.purge(0, ~std::uint64_t{0});
  CHECK(one.budget.held_bytes() == 0);
  CHECK(one.chunks.resident_bytes() == 0);
}

TEST_CASE("ClassHeap: pages without an object in use are given back and charged again",
          "[class][budget]") {
  OneClass one(class_of_64, 64);
  auto objects = one.take(1024);
  CHECK(one.budget.held_bytes() == 64 * kib);
  std::sort(objects.begin(), objects.end());
  objects.erase(objects.begin() + 512);  // It keeps the slab, and one page of it.
  REQUIRE(one.give(objects).count == 0);
  {
    const LockGuard guard(one.heap.lock);
    CHECK(one.heap.purge_slabs(one.backing()) == 60 * kib);
  }
  CHECK(one.budget.held_bytes() == 4 * kib);
  CHECK(one.take(1023).size() == 1023);
  CHECK(one.budget.held_bytes() == 64 * kib);
  CHECK(one.rule().empty());
}

TEST_CASE("ClassHeap: a refused page leaves no slab and no charge behind", "[class][faults]") {
  OneClass one(class_of_64, 4608);
  one.budget.set_limit(12 * kib);
  const auto objects = one.take(14);
  CHECK(objects.size() == 2);  // The third would touch the fourth page.
  CHECK(one.rule().empty());
  CHECK(one.take(1).empty());
  CHECK(one.rule().empty());
  REQUIRE(one.give(objects).count == 0);
  one.chunks.purge(0, ~std::uint64_t{0});
  CHECK(one.budget.held_bytes() == 0);
  one.budget.set_limit(0);
  CHECK(one.take(1).empty());
  CHECK(one.slabs() == 0);
  CHECK(one.budget.held_bytes() == 0);
  CHECK(one.rule().empty());
}

TEST_CASE("ClassHeap: a wrong pointer is refused, named, and stays out", "[class][corruption]") {
  OneClass one(class_of_64, 448);
  const auto objects = one.take(3);
  auto* middle = static_cast<std::byte*>(objects[1]);
  const auto refused = [&](void* object, BadBlock::Kind kind, std::string_view rule) {
    const BadBlocks bad = one.give({object});
    return bad.count == 1 && bad.first[0].kind == kind && bad.first[0].rule == rule &&
           bad.first[0].block == object;
  };
  CHECK(
      refused(middle + 16, BadBlock::Kind::interior, "a freed pointer is the start of an object"));
  CHECK(refused(middle + 1, BadBlock::Kind::interior, "a freed pointer is the start of an object"));
  REQUIRE(one.give({middle}).count == 0);
  CHECK(refused(middle, BadBlock::Kind::double_free, "a freed block was handed out"));
  CHECK(refused(middle + 40 * 448, BadBlock::Kind::double_free, "a freed block was handed out"));
  REQUIRE(one.give({objects[0], objects[2]}).count == 0);
  CHECK(refused(middle, BadBlock::Kind::double_free, "the slab of a freed block is there"));
  CHECK(one.rule().empty());
}

TEST_CASE("ClassHeap: the depot returns what stayed unused, and keeps the working set",
          "[class][depot]") {
  OneClass one(class_of_64, 64);
  BadBlocks bad;
  const auto fill = [&](int magazines) {
    for (int i = 0; i < magazines; ++i) {
      const auto objects = one.take(14);
      const LockGuard guard(one.heap.lock);
      Magazine* magazine = one.heap.take_empty(one.backing(), 14);
      REQUIRE(magazine != nullptr);
      std::copy(objects.begin(), objects.end(), magazine->objects());
      magazine->count = 14;
      one.heap.push_full(one.backing(), magazine);
    }
  };
  fill(10);
  {
    const LockGuard guard(one.heap.lock);
    one.heap.reap(one.backing(), false, bad);  // The first look: nothing has stayed yet.
    REQUIRE(one.heap.depot_objects() == 140);
    Magazine* a = one.heap.pop_full(one.backing());
    Magazine* b = one.heap.pop_full(one.backing());
    one.heap.push_full(one.backing(), b);
    one.heap.push_full(one.backing(), a);
    CHECK(one.heap.reap(one.backing(), false, bad) == 8 * 14 * 64);
    CHECK(one.heap.depot_objects() == 28);
    CHECK(one.heap.reap(one.backing(), true, bad) == 28 * 64);
  }
  CHECK(bad.count == 0);
  CHECK(one.slabs() == 0);
  CHECK(one.rule().empty());
  CHECK(one.metadata.used_bytes() == 0);
}

TEST_CASE("ClassHeap: a flipped bit or counter is found and named", "[class][corruption]") {
  OneClass one(class_of_64, 64);
  const auto objects = one.take(20);
  REQUIRE(one.give({objects[4]}).count == 0);
  REQUIRE(one.rule().empty());
  Slab& slab = one.chunks.slab(0);
  SECTION("an object in use is marked free, and counted") {
    slab.free_bits[0] ^= 1;
    ++slab.free_count;
    CHECK(one.rule() == "class: objects_out == objects used in its slabs");
  }
  SECTION("the class of a listed slab") {
    ++slab.class_index;
    CHECK(one.rule() == "class: a listed slab is of this class");
  }
  SECTION("the bucket of a slab") {
    ++slab.bucket;
    CHECK(one.rule() == "class: a slab is in the bucket of its fill");
  }
  SECTION("the links of a slab") {
    slab.prev = 7;
    CHECK(one.rule() == "class: the list of slabs is doubly linked");
  }
  SECTION("a slab is its own successor") {
    slab.next = 0;
    CHECK_FALSE(one.rule().empty());
  }
  SECTION("the chunk map") {
    one.chunk_map[0] = 9;
    CHECK(one.rule() == "chunk: the map says what the descriptor says");
  }
  SECTION("the count of a magazine in the depot") {
    const LockGuard guard(one.heap.lock);
    Magazine* magazine = one.heap.take_empty(one.backing(), 14);
    std::copy_n(objects.begin(), 4, magazine->objects());
    magazine->count = 4;
    one.heap.push_full(one.backing(), magazine);
    REQUIRE_FALSE(one.heap.find_violation(one.backing()));
    magazine->count = 3;
    CHECK(one.heap.find_violation(one.backing())->rule ==
          "depot: full_objects == objects in full magazines");
    magazine->count = 2000;
    CHECK(one.heap.find_violation(one.backing())->rule ==
          "depot: a magazine holds at most its capacity");
  }
}

TEST_CASE("ChunkPool: any order of taking and giving back agrees with a list",
          "[chunks][property]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  Random random(seed);
  OneClass one(class_of_64, 64);
  std::vector<std::uint32_t> taken;
  std::uint64_t charged_taken = 0, charged_free = 0;
  for (int step = 0; step < 1500; ++step) {
    if (random.below(5) < 3) {
      const auto index = static_cast<ClassIndex>(random.between(1, 50));
      const std::uint32_t chunk = one.chunks.take(index);
      if (chunk == no_chunk) {
        REQUIRE(taken.size() == 256);
        continue;
      }
      REQUIRE(std::find(taken.begin(), taken.end(), chunk) == taken.end());
      REQUIRE(one.chunk_map[chunk] == index);
      taken.push_back(chunk);
      auto& pages = one.chunks.slab(chunk).charged_pages;
      const auto before = static_cast<std::uint64_t>(std::popcount(pages));
      charged_free -= before * page_bytes;
      REQUIRE(one.budget.charge((pages_per_chunk - before) * page_bytes));
      pages = 0xffff;
      charged_taken += chunk_bytes;
    } else if (!taken.empty()) {
      std::swap(taken[random.below(taken.size())], taken.back());
      one.chunks.give(taken.back());
      REQUIRE(one.chunk_map[taken.back()] == no_class);
      taken.pop_back();
      charged_taken -= chunk_bytes, charged_free += chunk_bytes;
    }
    if (step % 100 == 99) {
      REQUIRE(one.chunks.purge(0, ~std::uint64_t{0}) == charged_free);
      charged_free = 0;
    }
    REQUIRE_FALSE(one.chunks.find_violation());
    REQUIRE(one.chunks.dirty_free_bytes() == charged_free);
    REQUIRE(one.budget.held_bytes() == charged_taken + charged_free);
    REQUIRE(one.chunks.chunks() == one.chunks.free_chunks() + taken.size());
  }
}

TEST_CASE("ChunkPool: the warmest chunk is re-used, the coldest is purged", "[chunks]") {
  const OptionScope keep(&Config::purge_delay, 1000);
  OneClass one(class_of_64, 64);
  const std::uint32_t a = one.chunks.take(1);
  const std::uint32_t b = one.chunks.take(1);
  REQUIRE(one.budget.charge(2 * page_bytes));
  one.chunks.slab(a).charged_pages = one.chunks.slab(b).charged_pages = 1;
  one.chunks.give(a);
  one.chunks.give(b);
  one.chunks.slab(a).freed_at_ns -= 1'000'000'000;
  CHECK(one.chunks.purge(500'000'000, one.chunks.slab(b).freed_at_ns) == page_bytes);
  CHECK(one.chunks.slab(a).charged_pages == 0);
  CHECK(one.chunks.slab(b).charged_pages == 1);
  CHECK(one.chunks.take(2) == b);
  CHECK_FALSE(one.chunks.find_violation());
}

TEST_CASE("ChunkPool: with a purge delay of 0 a freed chunk goes back at once", "[chunks]") {
  const OptionScope at_once(&Config::purge_delay, 0);
  OneClass one(class_of_64, 64);
  REQUIRE(one.give(one.take(1024)).count == 0);
  CHECK(one.budget.held_bytes() == 0);
  CHECK(one.chunks.resident_bytes() == 0);
}

}  // namespace sqlitemem
