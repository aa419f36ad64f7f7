// Each option of the core is seen to take effect.
#include <algorithm>
#include <vector>

#include "allocators/manager/memory_manager.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::CacheScope;
using tests::LiveBlocks;
using tests::OptionScope;
using tests::OwnHeap;

SizeClassTotals class_of(OwnHeap& heap, std::size_t object_bytes) {
  for (const SizeClassTotals& row : heap->size_classes()) {
    if (row.object_bytes == object_bytes) return row;
  }
  FAIL("no class of " << object_bytes << " bytes");
  return {};
}

std::vector<void*> allocate_many(OwnHeap& heap, std::size_t count, std::size_t bytes) {
  std::vector<void*> blocks(count);
  for (void*& block : blocks) REQUIRE((block = heap.allocate(bytes)) != nullptr);
  return blocks;
}

void release_all(OwnHeap& heap, const std::vector<void*>& blocks) {
  for (void* block : blocks) heap.release(block);
}

/// Which option rules the magazines of a size.
struct MagazineOption {
  OptionValue Config::*option;
  std::size_t bytes;
};

double hit_ratio(OwnHeap& heap, const MagazineOption& magazine, int capacity) {
  const OptionScope scope(magazine.option, capacity);
  heap->apply_config();
  heap.collect();
  heap->reset_statistics();
  for (int round = 0; round < 40; ++round)
    release_all(heap, allocate_many(heap, 300, magazine.bytes));
  const SizeClassTotals row = class_of(heap, magazine.bytes);
  CHECK(row.magazine_capacity == static_cast<std::uint64_t>(capacity));
  return static_cast<double>(row.magazine_hits) / static_cast<double>(row.allocations + row.frees);
}

}  // namespace

TEST_CASE("Options: each magazine option sets the capacity of its classes and their hit ratio",
          "[manager][options]") {
  const auto magazine = GENERATE(MagazineOption{&Config::lock_entry_magazine, 64},
                                 MagazineOption{&Config::page_header_magazine, 128},
                                 MagazineOption{&Config::version_record_magazine, 192},
                                 MagazineOption{&Config::small_row_magazine, 256},
                                 MagazineOption{&Config::transaction_magazine, 384},
                                 MagazineOption{&Config::medium_row_magazine, 512},
                                 MagazineOption{&Config::large_row_magazine, 1024},
                                 MagazineOption{&Config::index_node_magazine, 4096});
  CAPTURE(magazine.bytes);
  OwnHeap heap;
  // Enough are out that the population allows large magazines.
  const std::vector<void*> population = allocate_many(heap, 8192, magazine.bytes);
  const double small = hit_ratio(heap, magazine, 4);
  const double large = hit_ratio(heap, magazine, 256);
  CHECK(small < 0.90);
  CHECK(large > 0.97);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("Options: page_run_magazine sets how many runs a thread keeps", "[manager][options]") {
  const auto keeps = [](int capacity) {
    const OptionScope scope(&Config::page_run_magazine, capacity);
    OwnHeap heap;
    const std::vector<void*> population = allocate_many(heap, 3000, 8 * kib);
    release_all(heap, {population.begin(), population.begin() + 500});
    CHECK(class_of(heap, 8 * kib).magazine_capacity == static_cast<std::uint64_t>(capacity));
    CHECK(heap.broken_rule() == "");
    return class_of(heap, 8 * kib).cached_objects;
  };
  CHECK(keeps(2) <= 4);
  CHECK(keeps(64) >= 32);
}

TEST_CASE("Options: a magazine whose class shrank meanwhile does not overflow",
          "[manager][options]") {
  const std::size_t bytes = GENERATE(64U, 4096U, 8192U);
  CAPTURE(bytes);
  const OptionScope runs(&Config::page_run_magazine, 1024);
  const OptionScope nodes(&Config::index_node_magazine, 1024);
  const OptionScope locks(&Config::lock_entry_magazine, 1024);
  OwnHeap heap;
  CacheScope other(*heap);
  const std::vector<void*> blocks = allocate_many(heap, 6000, bytes);
  // This thread fills a large magazine while there are many; the other one then frees the most.
  for (std::size_t i = 0; i < 350; ++i) heap.release(blocks[i]);
  for (std::size_t i = 1500; i < blocks.size(); ++i) heap->release(other.cache, blocks[i]);
  heap->thread_exits(other.cache);
  other.cache = &no_cache;
  for (std::size_t i = 350; i < 1500; ++i) {
    heap.release(blocks[i]);
    if (i % 16 == 0) REQUIRE(heap.broken_rule() == "");
  }
  heap.collect();
  CHECK(heap->totals().corruptions == 0);
  CHECK(heap->totals().live_objects == 0);
  CHECK(heap->totals().held_bytes == 0);
}

TEST_CASE("Options: large_object_threshold decides what is a large object", "[manager][options]") {
  const OptionScope scope(&Config::large_object_threshold, 64 * kib);
  OwnHeap heap;
  void* at = heap.allocate(64 * kib);
  CHECK(heap->large().live_objects == 0);
  void* above = heap.allocate(64 * kib + 1);
  CHECK(heap->large().live_objects == 1);
  CHECK(heap->usable_bytes(above) == 68 * kib);
  {
    const OptionScope higher(&Config::large_object_threshold, 128 * kib);
    void* run = heap.allocate(100 * kib);
    CHECK(heap->large().live_objects == 1);
    heap.release(run);
  }
  void* run_made_large = heap.resize(at, 65 * kib);
  CHECK(heap->large().live_objects == 2);
  heap.release(run_made_large);
  heap.release(above);
  CHECK(heap->totals().live_bytes == 0);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("Options: allocation_strategy decides which free region is taken", "[manager][options]") {
  const auto strategy = GENERATE(AllocationStrategy::best_fit, AllocationStrategy::first_fit,
                                 AllocationStrategy::worst_fit);
  const OptionScope scope(&Config::allocation_strategy, strategy);
  OwnHeap heap;
  // Holes of 2, 1 and 3 MiB, kept apart by objects in use.
  std::vector<void*> holes;
  for (const std::size_t bytes : {2 * mib, mib, 3 * mib}) {
    holes.push_back(heap.allocate(bytes));
    REQUIRE(heap.allocate(512 * kib) != nullptr);
  }
  release_all(heap, holes);
  void* block = heap.allocate(900 * kib);
  const std::size_t expected = strategy == AllocationStrategy::first_fit  ? 0
                               : strategy == AllocationStrategy::best_fit ? 1
                                                                          : 2;
  CHECK(block == holes[expected]);
}

TEST_CASE("Options: purge_delay 0 gives memory back at once, a long one keeps it",
          "[manager][options]") {
  const auto checks = GENERATE(HeapChecks::exchange, HeapChecks::every_call);
  const OptionScope checks_scope(&Config::heap_checks, checks);
  const auto held_after_release = [](int delay_ms) {
    const OptionScope scope(&Config::purge_delay, delay_ms);
    OwnHeap heap;
    for (const std::size_t bytes : {std::size_t{64}, std::size_t{4096}, 20 * kib, 100 * kib, mib})
      release_all(heap, allocate_many(heap, 4 * mib / bytes, bytes));
    CHECK(heap.broken_rule() == "");
    return heap->totals().held_bytes;
  };
  CHECK(held_after_release(0) < 2 * mib);
  CHECK(held_after_release(3600 * 1000) >= 8 * mib);
}

TEST_CASE("Options: past memory_limit there is no memory, and room again after it is raised",
          "[manager][options][limit]") {
  const std::size_t bytes = GENERATE(std::size_t{100}, 4 * kib, 10 * kib, 100 * kib, mib);
  CAPTURE(bytes);
  const OptionScope limit(&Config::memory_limit, 8 * mib);
  OwnHeap heap;
  std::vector<void*> blocks;
  while (void* block = heap.allocate(bytes)) blocks.push_back(block);
  CHECK(heap->totals().held_bytes <= 8 * mib);
  CHECK(heap->totals().live_bytes + mib >= 8 * mib - 256 * kib);
  CHECK(heap->totals().limit_bytes == 8 * mib);
  CHECK(heap->totals().failures == 1);
  CHECK(heap.broken_rule() == "");
  {
    const OptionScope more(&Config::memory_limit, 16 * mib);
    heap->apply_config();
    void* block = heap.allocate(bytes);
    CHECK(block != nullptr);
    heap.release(block);
  }
  heap->apply_config();
  release_all(heap, blocks);
  CHECK(heap.allocate(2 * mib) != nullptr);  // What was cached makes room by itself.
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("Options: with heap_checks=every_call the size of a freed object is not told",
          "[manager][options]") {
  const OptionScope checks(&Config::heap_checks, HeapChecks::every_call);
  const OptionScope report(&Config::on_corruption, OnCorruption::report);
  OwnHeap heap;
  const std::size_t bytes = GENERATE(64U, 1000U, 4368U, 9000U);
  CAPTURE(bytes);
  void* block = heap.allocate(bytes);
  void* other = heap.allocate(bytes);
  CHECK(heap->usable_bytes(block) == heap->round_up(bytes));
  REQUIRE(tests::CorruptionLog::count() == 0);
  heap.release(block);
  CHECK(heap->usable_bytes(block) == 0);
  CHECK(heap->usable_bytes(static_cast<std::byte*>(other) + 1) == 0);
  CHECK(heap.resize(block, bytes * 4) == nullptr);
  REQUIRE(tests::CorruptionLog::count() == 3);
  CHECK(tests::CorruptionLog::at(0).kind == CorruptionKind::not_a_block);
  CHECK(tests::CorruptionLog::at(1).object_bytes == heap->usable_bytes(other));
  heap.release(other);
  CHECK(heap->totals().live_objects == 0);
}

TEST_CASE("Options: heap_checks=every_call finds a double free at once", "[manager][options]") {
  const OptionScope checks(&Config::heap_checks, HeapChecks::every_call);
  const OptionScope report(&Config::on_corruption, OnCorruption::report);
  OwnHeap heap;
  const std::size_t bytes = GENERATE(64U, 1000U, 4368U, 9000U, 40'000U, 400'000U);
  CAPTURE(bytes);
  void* block = heap.allocate(bytes);
  void* other = heap.allocate(bytes);
  heap.release(block);
  heap.release(heap.allocate(2000));
  heap.release(other);
  REQUIRE(tests::CorruptionLog::count() == 0);
  heap.release(block);
  REQUIRE(tests::CorruptionLog::count() == 1);
  CHECK(tests::CorruptionLog::at(0).kind == CorruptionKind::double_free);
  CHECK(heap->totals().live_objects == 0);
  CHECK(heap->totals().cached_bytes == 0);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("Options: learned_classes bounds how many sizes get a class of their own",
          "[manager][options]") {
  const auto most = GENERATE(0, 1, 8);
  CAPTURE(most);
  const OptionScope scope(&Config::learned_classes, most);
  OwnHeap heap;
  LiveBlocks live;
  for (const std::size_t bytes :
       {1040U, 1168U, 1300U, 1450U, 2064U, 2320U, 2600U, 2900U, 4112U, 4368U}) {
    for (int i = 0; i < 400; ++i) REQUIRE(live.allocate(*heap, heap.cache, bytes));
  }
  std::size_t learned = 0;
  for (const SizeClassTotals& row : heap->size_classes()) learned += row.is_learned ? 1 : 0;
  CHECK(learned == static_cast<std::size_t>(most));
  if (most != 0) CHECK(heap->round_up(1040) == 1040);
  if (most == 0) CHECK(heap->round_up(1040) == 1152);
  REQUIRE(live.release_all(*heap, heap.cache));
  heap.collect();
  CHECK(heap->totals().held_bytes == 0);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("Options: region_size decides how much address space is reserved", "[manager][options]") {
  const OptionScope scope(&Config::region_size, 64 * mib);
  OwnHeap heap(MemoryManager::Settings{});
  CHECK(heap->totals().reserved_bytes == 64 * mib);
  CHECK(heap.allocate(40 * mib) == nullptr);
  CHECK(heap.allocate(20 * mib) != nullptr);
}

}  // namespace sqlitemem
