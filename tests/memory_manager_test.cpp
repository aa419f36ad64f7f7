// The manager against a model: every route, every edge, nothing lost.
#include "allocators/manager/memory_manager.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::LiveBlocks;
using tests::OptionScope;
using tests::OwnHeap;
using tests::Random;

/// Sizes at which a route or a class begins or ends.
std::vector<std::size_t> edge_sizes() {
  std::vector<std::size_t> sizes = {1, 15, 16, 17};
  for (const std::size_t bytes : fixed_class_bytes)
    sizes.insert(sizes.end(), {bytes - 1, bytes, bytes + 1});
  for (std::size_t kilobytes = 5; kilobytes <= 33; ++kilobytes)
    sizes.insert(sizes.end(), {kilobytes * kib - 1, kilobytes * kib, kilobytes * kib + 1});
  for (const std::size_t bytes :
       {64 * kib, 100 * kib, 255 * kib, 256 * kib, 257 * kib, mib, 3 * mib + 5})
    sizes.insert(sizes.end(), {bytes - 1, bytes, bytes + 1});
  return sizes;
}

}  // namespace

TEST_CASE("MemoryManager: any order of calls keeps every block's contents and every rule",
          "[manager][property]") {
  const auto seed = GENERATE(1U, 2U, 3U, 4U);
  const auto most = GENERATE(4608U, 40960U, 1200U * 1024);
  CAPTURE(seed, most);
  Random random(seed);
  OwnHeap heap;
  LiveBlocks live;
  for (int step = 0; step < 6000; ++step) {
    const std::size_t what = random.below(100);
    const bool grows = step / 1000 % 2 == 0;
    if (what < (grows ? 55U : 30U) || live.empty()) {
      REQUIRE(live.allocate(*heap, heap.cache, random.size_up_to(most)));
    } else if (what < 85) {
      REQUIRE(live.release(*heap, heap.cache, random.below(live.size())));
    } else if (what < 99) {
      REQUIRE(live.resize(*heap, heap.cache, random.below(live.size()), random.size_up_to(most)));
    } else {
      heap.collect();
    }
    if (step % 250 == 0) {
      REQUIRE(heap.broken_rule() == "");
      REQUIRE(heap->totals().live_objects == live.size());
    }
  }
  REQUIRE(live.release_all(*heap, heap.cache));
  REQUIRE(heap->totals().live_bytes == 0);
  heap.collect();
  CHECK(heap.broken_rule() == "");
  const HeapTotals totals = heap->totals();
  CHECK(totals.live_bytes == 0);
  CHECK(totals.live_objects == 0);
  CHECK(totals.cached_bytes == 0);
  CHECK(totals.held_bytes == 0);
  CHECK(totals.frees == totals.allocations);
  CHECK(totals.failures == 0);
  CHECK(totals.corruptions == 0);
  const ResidentBytes resident = heap->resident();
  CHECK(resident.slabs + resident.runs + resident.large == 0);
}

TEST_CASE("MemoryManager: at every edge a block is aligned, large enough and as announced",
          "[manager]") {
  OwnHeap heap;
  for (const std::size_t bytes : edge_sizes()) {
    const std::size_t announced = heap->round_up(bytes);
    auto* block = static_cast<unsigned char*>(heap.allocate(bytes));
    CAPTURE(bytes, announced);
    REQUIRE(block != nullptr);
    REQUIRE(heap->usable_bytes(block) == announced);
    REQUIRE(announced >= bytes);
    REQUIRE(reinterpret_cast<std::uintptr_t>(block) % 16 == 0);
    if (bytes % page_bytes == 0) REQUIRE(reinterpret_cast<std::uintptr_t>(block) % page_bytes == 0);
    REQUIRE(heap->owns(block));
    std::memset(block, 0x5a, announced);
    REQUIRE(heap->round_up(announced) == announced);
    heap.release(block);
  }
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("MemoryManager: sizes that make no sense are refused and counted", "[manager]") {
  OwnHeap heap;
  CHECK(heap.allocate(0) == nullptr);
  CHECK(heap->totals().failures == 0);  // Nothing was asked for.
  std::uint64_t failures = 0;
  for (const std::size_t bytes :
       {std::size_t{INT_MAX} + 1, SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 14, SIZE_MAX - 15,
        SIZE_MAX - 16, SIZE_MAX / 2, static_cast<std::size_t>(-1),
        static_cast<std::size_t>(INT_MIN), static_cast<std::size_t>(-4096)}) {
    CAPTURE(bytes);
    CHECK(heap.allocate(bytes) == nullptr);
    CHECK(heap->totals().failures == ++failures);
  }
  void* block = heap.allocate(100);
  CHECK(heap.resize(block, SIZE_MAX) == nullptr);
  CHECK(heap.resize(block, std::size_t{INT_MAX} + 1) == nullptr);
  CHECK(heap->usable_bytes(block) == 112);
  CHECK(heap->totals().live_objects == 1);
  CHECK(heap.resize(block, 0) == nullptr);
  CHECK(heap->totals().live_objects == 0);
  CHECK(heap.resize(nullptr, 0) == nullptr);
  heap.release(nullptr);
  CHECK(heap.broken_rule() == "");
  CHECK(heap->totals().corruptions == 0);
}

TEST_CASE("MemoryManager: the largest request works where there is room", "[manager]") {
  OwnHeap heap({.region_bytes = 16 * gib});
  void* block = heap.allocate(INT_MAX);
  REQUIRE(block != nullptr);
  CHECK(heap->usable_bytes(block) == heap->round_up(INT_MAX));
  heap.release(block);
  OwnHeap little({.region_bytes = 64 * mib});
  CHECK(little.allocate(INT_MAX) == nullptr);
  CHECK(little->totals().failures == 1);
}

TEST_CASE("MemoryManager: resizing keeps the contents between any two routes", "[manager]") {
  OwnHeap heap;
  const std::vector<std::size_t> sizes = {1,       64,       4096,     4608,    4609,
                                          20'000,  32 * kib, 33 * kib, 200'000, 256 * kib,
                                          300'000, mib,      5 * mib};
  for (const std::size_t from : sizes) {
    for (const std::size_t to : sizes) {
      tests::MarkedBlock block{heap.allocate(from), from, 0xa7};
      CAPTURE(from, to);
      REQUIRE(block.address != nullptr);
      block.fill();
      block.address = heap.resize(block.address, to);
      REQUIRE(block.address != nullptr);
      REQUIRE(heap->usable_bytes(block.address) >= to);
      REQUIRE(block.is_intact(std::min(from, to)));
      heap.release(block.address);
    }
  }
  CHECK(heap->totals().live_bytes == 0);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("MemoryManager: a page run grows in place while what follows is free", "[manager]") {
  OwnHeap heap;
  void* block = heap.allocate(40 * kib);
  CHECK(heap.resize(block, 100 * kib) == block);
  CHECK(heap.resize(block, 200 * kib) == block);
  CHECK(heap.resize(block, 10 * kib) == block);
  CHECK(heap->usable_bytes(block) == 10 * kib);
  CHECK(heap->totals().live_bytes == 10 * kib);
  CHECK(heap->totals().live_objects == 1);
  heap.release(block);
  CHECK(heap->totals().live_bytes == 0);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("MemoryManager: buffers that grow in turn are not copied at each step", "[manager]") {
  OwnHeap heap;
  std::vector<void*> buffers(8);
  for (void*& buffer : buffers) {
    buffer = heap.allocate(4000);
    std::memset(buffer, 1, 4000);
  }
  int moves = 0;
  for (std::size_t bytes = 6000; bytes <= 64 * kib; bytes = bytes * 3 / 2) {
    for (void*& buffer : buffers) {
      void* const grown = heap.resize(buffer, bytes);
      REQUIRE(grown != nullptr);
      moves += grown == buffer ? 0 : 1;
      buffer = grown;
      CHECK(heap->usable_bytes(buffer) >= bytes);
      CHECK(static_cast<unsigned char*>(buffer)[3999] == 1);
    }
  }
  CHECK(moves <= 16);  // Out of the slab, and at most once more; it was at each of six steps.
  CHECK(heap->totals().live_objects == 8);
  CHECK(heap.broken_rule() == "");
  for (void* buffer : buffers) heap.release(buffer);
  heap.collect();
  CHECK(heap->totals().live_objects == 0);
  CHECK(heap->totals().held_bytes == 0);
}

TEST_CASE("MemoryManager: freed memory goes back to the operating system", "[manager]") {
  OwnHeap heap;
  LiveBlocks live;
  for (const std::size_t bytes : {64U, 1024U, 4096U, 12'000U, 100'000U}) {
    for (std::size_t sum = 0; sum < 4 * mib; sum += bytes)
      REQUIRE(live.allocate(*heap, heap.cache, bytes));
  }
  const auto resident = [&] {
    const ResidentBytes now = heap->resident();
    return now.slabs + now.runs + now.large;
  };
  const std::uint64_t full = resident();
  CHECK(full >= 20 * mib);
  CHECK(full <= heap->totals().held_bytes);
  REQUIRE(live.release_all(*heap, heap.cache));
  const CollectResult result = heap.collect();
  CHECK(result.released() + 64 * kib >= full);
  CHECK(resident() == 0);
  CHECK(heap->totals().held_bytes == 0);
}

TEST_CASE("MemoryManager: a stopped heap starts again as new", "[manager]") {
  OwnHeap heap;
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    LiveBlocks live;
    for (std::size_t bytes = 16; bytes < 100'000; bytes += 1000)
      REQUIRE(live.allocate(*heap, heap.cache, bytes));
    for (int i = 0; i < 40; ++i)
      REQUIRE(live.release(*heap, heap.cache, static_cast<std::size_t>(i)));
    REQUIRE(heap.broken_rule() == "");
    heap->stop();
    CHECK_FALSE(heap->is_started());
    CHECK(heap->totals().live_bytes == 0);
    heap.cache = &no_cache;
    REQUIRE(heap->start(OwnHeap::small()) == MemoryManager::StartResult::ok);
    CHECK(heap->start(OwnHeap::small()) == MemoryManager::StartResult::already_started);
    CHECK(heap.broken_rule() == "");
    CHECK(heap->totals().live_bytes == 0);
    CHECK(heap->totals().held_bytes == 0);
    CHECK(heap->totals().threads == 0);
    CHECK(heap->totals().allocations == 0);
  }
}

TEST_CASE("MemoryManager: a heap that was never started owns nothing and gives nothing",
          "[manager]") {
  const auto heap = std::make_unique<MemoryManager>();
  ThreadCache* cache = &no_cache;
  CHECK(heap->allocate(cache, 64) == nullptr);
  CHECK_FALSE(heap->owns(&cache));
  CHECK(heap->usable_bytes(nullptr) == 0);
  CHECK_FALSE(heap->find_violation());
  CHECK(heap->totals().live_bytes == 0);
  CHECK(heap->collect(cache).released() == 0);
}

TEST_CASE("MemoryManager: past the live limit requests are refused, and freeing makes room",
          "[manager][limit]") {
  OwnHeap heap;
  const std::size_t bytes = GENERATE(64U, 1024U, 4096U, 20'000U, 100'000U);
  CAPTURE(bytes);
  constexpr std::uint64_t limit = 8 * mib;
  heap->set_live_limit(limit);
  std::vector<void*> blocks;
  while (void* block = heap.allocate(bytes)) {
    blocks.push_back(block);
    REQUIRE(blocks.size() * bytes < 2 * limit);
  }
  CHECK(heap->totals().live_bytes <= limit + 64 * kib);
  CHECK(heap->totals().live_bytes + 256 * kib >= limit);
  CHECK(heap->totals().failures == 1);
  for (std::size_t i = 0; i < blocks.size() / 2; ++i) heap.release(blocks[i]);
  CHECK(heap.allocate(bytes) != nullptr);
  CHECK(heap.allocate(3000) != nullptr);
  heap->set_live_limit(0);
  for (std::size_t i = 0; i < 2 * blocks.size(); ++i) REQUIRE(heap.allocate(bytes) != nullptr);
}

TEST_CASE(
    "MemoryManager: with mixed sizes the live limit is overshot by no more than magazines hold",
    "[manager][limit][property]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  Random random(seed);
  OwnHeap heap;
  constexpr std::uint64_t limit = 8 * mib;
  heap->set_live_limit(limit);
  std::vector<std::pair<void*, std::size_t>> live;
  std::uint64_t live_bytes = 0, most_live = 0;
  for (int step = 0; step < 60'000; ++step) {
    // Waves of 64 frees, so that magazines are full when the limit is near.
    if (step / 64 % 3 != 0 || live.empty()) {
      void* block = heap.allocate(random.size_up_to(40'000));
      if (block == nullptr) continue;
      live.emplace_back(block, heap->usable_bytes(block));
      live_bytes += live.back().second;
      most_live = std::max(most_live, live_bytes);
    } else {
      std::swap(live[random.below(live.size())], live.back());
      live_bytes -= live.back().second;
      heap.release(live.back().first);
      live.pop_back();
    }
  }
  CHECK(heap->totals().live_bytes == live_bytes);
  CHECK(heap->totals().failures > 100);
  CHECK(most_live + mib >= limit);
  CHECK(most_live <= limit + 512 * kib);
}

TEST_CASE("MemoryManager: runs that grow in place stay under the live limit", "[manager][limit]") {
  OwnHeap heap;
  constexpr std::uint64_t limit = 4 * mib;
  std::vector<void*> blocks;
  for (int i = 0; i < 100; ++i) {
    blocks.push_back(heap.allocate(250 * kib));
    blocks.back() = heap.resize(blocks.back(), 10 * kib);  // Room to grow behind each.
  }
  heap->set_live_limit(limit);
  for (void*& block : blocks) {
    if (void* grown = heap.resize(block, 200 * kib)) block = grown;
  }
  CHECK(heap->totals().live_bytes <= limit);
  CHECK(heap->totals().live_bytes + 256 * kib >= limit);
  CHECK(heap->totals().failures > 0);
}

}  // namespace sqlitemem
