// How full memory is, piece by piece, against totals that are counted another way.
#include "allocators/pages/fill_map.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "allocators/manager/memory_manager.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"
#include "tests/support/pool.h"

namespace sqlitemem::tests {
namespace {

/// A heap with blocks of every kind in it, some of which were freed again.
class UsedHeap {
 public:
  explicit UsedHeap(std::uint64_t seed) : random_(seed) {
    REQUIRE(heap_->start({.region_bytes = 256 * mib}) == MemoryManager::StartResult::ok);
  }
  ~UsedHeap() { heap_->stop(); }
  UsedHeap(const UsedHeap&) = delete;
  UsedHeap& operator=(const UsedHeap&) = delete;

  void work() {
    for (int step = 0; step < 4000; ++step) {
      if (random_.next() % 5 < 2 && !blocks_.empty()) {
        const std::size_t at = random_.next() % blocks_.size();
        heap_->release(cache_, std::exchange(blocks_[at], blocks_.back()));
        blocks_.pop_back();
        continue;
      }
      const std::uint64_t kind = random_.next() % 100;
      const std::size_t most = kind < 90 ? 4 * kib : kind < 98 ? 100 * kib : 2 * mib;
      void* block = heap_->allocate(cache_, 1 + random_.next() % most);
      REQUIRE(block != nullptr);
      blocks_.push_back(block);
    }
  }
  MemoryManager& heap() { return *heap_; }
  void collect() { heap_->collect(cache_); }

 private:
  Random random_;
  std::unique_ptr<MemoryManager> heap_ = std::make_unique<MemoryManager>();
  ThreadCache* cache_ = &no_cache;
  std::vector<void*> blocks_;
};

FillCell sum_of(const std::vector<AreaFill>& areas, std::string_view name) {
  const auto area = std::ranges::find(areas, name, &AreaFill::area);
  REQUIRE(area != areas.end());
  return area->map.sum();
}

}  // namespace

TEST_CASE("Fill map: cells are powers of two of the unit, and no more than asked for", "[fill]") {
  const FillMap map(1000, 64, 8);
  CHECK(map.cell_bytes() == 128);
  CHECK(map.cells().size() == 8);
  CHECK(FillMap(1024, 64, 8).cells().size() == 8);
  CHECK(FillMap(1025, 64, 8).cells().size() == 5);
  CHECK(FillMap(0, 64, 8).cells().empty());
  CHECK(FillMap().sum().held_bytes == 0);
}

TEST_CASE("Fill map: what is spread over cells adds up again", "[fill][property]") {
  const auto seed = GENERATE(range(1, 6));
  CAPTURE(seed);
  Random random(static_cast<std::uint64_t>(seed));
  FillMap map(100'000, 64, 1 + random.next() % 300);
  FillCell expected;
  for (std::uint64_t offset = 0; offset < 100'000;) {
    const std::uint64_t bytes = std::min(1 + random.next() % 9000, 100'000 - offset);
    const FillCell fill{random.next() % (bytes + 1), random.next() % (bytes + 1)};
    map.add(offset, bytes, fill);
    expected.used_bytes += fill.used_bytes, expected.held_bytes += fill.held_bytes;
    offset += bytes;
  }
  for (const std::size_t most : {1000U, 17U, 2U, 1U}) {
    const FillMap fewer = map.with_at_most(most);
    CAPTURE(most);
    CHECK(fewer.cells().size() <= most);
    CHECK(fewer.sum().used_bytes == expected.used_bytes);
    CHECK(fewer.sum().held_bytes == expected.held_bytes);
    for (const FillCell& cell : fewer.cells()) CHECK(cell.used_bytes <= fewer.cell_bytes());
  }
}

TEST_CASE("Fill map: what lies behind the span is left out", "[fill]") {
  FillMap map(256, 64, 4);
  map.add(192, 128, {.used_bytes = 128, .held_bytes = 128});
  map.add(256, 64, {.used_bytes = 64, .held_bytes = 64});
  CHECK(map.sum().used_bytes == 64);
  CHECK(map.cells()[3].held_bytes == 64);
  CHECK(map.cells()[0].held_bytes == 0);
}

TEST_CASE("Fill map: the heap's areas show what its totals count", "[fill][property]") {
  const auto seed = GENERATE(range(1, 4));
  CAPTURE(seed);
  UsedHeap used(static_cast<std::uint64_t>(seed));
  for (int round = 0; round < 4; ++round) {
    used.work();
    if (round % 2 == 1) used.collect();
    MemoryManager& heap = used.heap();
    const auto areas = heap.fill_maps(512);
    std::uint64_t slab_bytes = 0;
    for (const SizeClassTotals& size_class : heap.size_classes()) {
      if (size_class.is_run) continue;
      slab_bytes += (size_class.live_objects + size_class.cached_objects) * size_class.object_bytes;
    }
    const RunTotals runs = heap.runs();
    const LargeObjectTotals large = heap.large();
    CHECK(sum_of(areas, "slabs").used_bytes == slab_bytes);
    CHECK(sum_of(areas, "runs").used_bytes == runs.live_bytes);
    CHECK(sum_of(areas, "large").used_bytes == large.live_bytes);
    CHECK(sum_of(areas, "large").held_bytes == large.mapped_bytes);
    // Together they are what the limit counts.
    CHECK(sum_of(areas, "slabs").held_bytes + sum_of(areas, "runs").held_bytes +
              sum_of(areas, "large").held_bytes ==
          heap.totals().held_bytes);
  }
}

TEST_CASE("Fill map: it can be drawn while threads allocate and free", "[fill][threads]") {
  auto heap = std::make_unique<MemoryManager>();
  REQUIRE(heap->start({.region_bytes = 256 * mib}) == MemoryManager::StartResult::ok);
  std::atomic<bool> is_over{false};
  std::vector<std::thread> threads;
  for (std::uint64_t worker = 0; worker < 3; ++worker) {
    threads.emplace_back([&, worker] {
      Random random(worker);
      ThreadCache* cache = &no_cache;
      std::vector<void*> blocks(64, nullptr);
      for (std::uint64_t step = 0; !is_over; ++step) {
        void*& block = blocks[random.below(blocks.size())];
        heap->release(cache, block);
        block = heap->allocate(cache, 1 + random.below(step % 50 == 0 ? 400 * kib : 3 * kib));
      }
      for (void* block : blocks) heap->release(cache, block);
      heap->thread_exits(cache);
    });
  }
  std::uint64_t maps = 0, most_used = 0;
  while (maps < 300 || most_used == 0) {
    for (const AreaFill& area : heap->fill_maps(64)) {
      REQUIRE(area.map.cells().size() <= 64);
      most_used = std::max(most_used, area.map.sum().used_bytes);
      ++maps;
    }
  }
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  ThreadCache* cache = &no_cache;
  heap->collect(cache);
  for (const AreaFill& area : heap->fill_maps(64)) CHECK(area.map.sum().used_bytes == 0);
  heap->stop();
}

TEST_CASE("Fill map: a heap that has not started has no areas", "[fill]") {
  MemoryManager heap;
  CHECK(heap.fill_maps(100).empty());
}

TEST_CASE("Fill map: the pool's extents show what its totals count", "[fill][pool]") {
  TestPool pool;
  CHECK(pool.pool.fill_map(100).cells().empty());
  PageCache& cache = pool.create();
  for (std::uint32_t page = 1; page <= 300; ++page) {
    Frame* frame = cache.fetch(page, FetchMode::always);
    REQUIRE(frame != nullptr);
    cache.unpin(*frame, page % 7 == 0);
  }
  const FillMap map = pool.pool.fill_map(100);
  const PoolTotals totals = pool.pool.totals();
  CHECK(map.sum().held_bytes == totals.held_bytes);
  CHECK(map.sum().used_bytes == totals.used_bytes);
}

}  // namespace sqlitemem::tests
