// Many threads in one heap: blocks change hands, threads come and go, others read and collect.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "allocators/manager/memory_manager.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::CacheScope;
using tests::LiveBlocks;
using tests::MarkedBlock;
using tests::OptionScope;
using tests::OwnHeap;
using tests::Random;

/// Blocks on their way from one thread to another. Bounded, so that memory is.
class Exchange {
 public:
  explicit Exchange(std::size_t capacity) : capacity_(capacity) {}
  void put(MarkedBlock block) {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return blocks_.size() < capacity_; });
    blocks_.push_back(block);
    changed_.notify_all();
  }
  /// False: closed and empty.
  bool take(MarkedBlock& block) {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return !blocks_.empty() || closed_; });
    if (blocks_.empty()) return false;
    block = blocks_.back();
    blocks_.pop_back();
    changed_.notify_all();
    return true;
  }
  void close() {
    const std::lock_guard guard(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<MarkedBlock> blocks_;
  std::size_t capacity_;
  bool closed_ = false;
};

MarkedBlock make_block(MemoryManager& heap, ThreadCache*& cache, Random& random, std::size_t most) {
  const std::size_t bytes = random.size_up_to(most);
  MarkedBlock block{heap.allocate(cache, bytes), bytes, static_cast<unsigned char>(random.next())};
  if (block.address != nullptr) block.fill();
  return block;
}

/// Everything was given back, and every allocation has its free.
void expect_nothing_left(OwnHeap& heap) {
  const HeapTotals totals = heap->totals();
  CHECK(totals.live_bytes == 0);
  CHECK(totals.live_objects == 0);
  CHECK(totals.allocations == totals.frees);
  CHECK(totals.corruptions == 0);
  CHECK(heap.broken_rule() == "");
  heap.collect();
  CHECK(heap->totals().cached_bytes == 0);
  CHECK(heap->totals().held_bytes == 0);
  CHECK(heap.broken_rule() == "");
}

/// Reads everything there is to read until told to stop.
void observe(MemoryManager& heap, const std::atomic<bool>& stop, std::atomic<bool>& sound) {
  while (!stop) {
    const HeapTotals totals = heap.totals();
    if (totals.live_bytes > 1024 * mib || totals.peak_live_bytes < totals.live_bytes) sound = false;
    for (const SizeClassTotals& row : heap.size_classes()) {
      if (row.live_objects > 1'000'000'000 || row.frees > row.allocations + 1'000'000)
        sound = false;
    }
    if (heap.find_violation()) sound = false;
    static_cast<void>(heap.request_patterns());
    static_cast<void>(heap.resident());
    static_cast<void>(heap.runs());
    static_cast<void>(heap.large());
    static_cast<void>(heap.round_up(4361));
  }
}

}  // namespace

TEST_CASE("Threads: what one thread allocates another may free", "[threads]") {
  OwnHeap heap;
  Exchange exchange(500);
  std::atomic<bool> intact{true};
  std::uint64_t produced = 0;
  std::thread consumer([&] {
    CacheScope mine(*heap);
    for (MarkedBlock block; exchange.take(block);) {
      if (!block.is_intact()) intact = false;
      heap->release(mine.cache, block.address);
    }
  });
  std::thread producer([&] {
    CacheScope mine(*heap);
    Random random(1);
    for (int i = 0; i < 20'000; ++i) {
      const MarkedBlock block = make_block(*heap, mine.cache, random, 20'000);
      if (block.address == nullptr) continue;
      ++produced;
      exchange.put(block);
    }
    exchange.close();
  });
  producer.join();
  consumer.join();
  CHECK(intact);
  CHECK(produced == 20'000);
  CHECK(heap->totals().allocations == produced);
  CHECK(heap->totals().threads == 0);
  expect_nothing_left(heap);
}

TEST_CASE("Threads: random frees across threads that come and go, while others read and collect",
          "[threads]") {
  OwnHeap heap;
  Exchange exchange(100'000);
  std::atomic<bool> stop{false}, sound{true};
  std::atomic<std::uint64_t> allocated{0};
  std::thread observer([&] { observe(*heap, stop, sound); });
  std::thread collector([&] {
    CacheScope mine(*heap);
    while (!stop) {
      heap->collect(mine.cache);
      heap->release(mine.cache, heap->allocate(mine.cache, 700));
      std::this_thread::yield();
    }
  });
  const auto work = [&](std::uint64_t seed) {
    CacheScope mine(*heap);
    Random random(seed);
    LiveBlocks live;
    for (int step = 0; step < 6000; ++step) {
      const std::size_t what = random.below(10);
      if (what < 3 || live.empty()) {
        if (!live.allocate(*heap, mine.cache, random.size_up_to(50'000))) sound = false;
      } else if (what < 5) {
        if (!live.release(*heap, mine.cache, random.below(live.size()))) sound = false;
      } else if (what < 6) {
        if (!live.resize(*heap, mine.cache, random.below(live.size()), random.size_up_to(50'000)))
          sound = false;
      } else if (what < 8) {
        exchange.put(make_block(*heap, mine.cache, random, 9000));
        ++allocated;
      } else if (MarkedBlock block; allocated > 100 && exchange.take(block)) {
        if (!block.is_intact()) sound = false;
        heap->release(mine.cache, block.address);
        --allocated;
      }
    }
    if (!live.release_all(*heap, mine.cache)) sound = false;
  };
  for (std::uint64_t generation = 0; generation < 4; ++generation) {
    std::vector<std::thread> workers;
    for (std::uint64_t i = 0; i < 3; ++i) workers.emplace_back(work, generation * 10 + i);
    for (std::thread& worker : workers) worker.join();
  }
  stop = true;
  observer.join();
  collector.join();
  CHECK(sound);
  exchange.close();
  for (MarkedBlock block; exchange.take(block);) {
    CHECK(block.is_intact());
    heap.release(block.address);
  }
  expect_nothing_left(heap);
}

TEST_CASE("Threads: classes are learned while other threads allocate and read", "[threads]") {
  OwnHeap heap;
  std::atomic<bool> stop{false}, sound{true};
  std::thread observer([&] { observe(*heap, stop, sound); });
  const auto work = [&](std::size_t first_size) {
    CacheScope mine(*heap);
    LiveBlocks live;
    for (std::size_t bytes = first_size; bytes < 4500; bytes += 400) {
      for (int i = 0; i < 150; ++i) {
        if (!live.allocate(*heap, mine.cache, bytes)) sound = false;
      }
    }
    if (!live.release_all(*heap, mine.cache)) sound = false;
  };
  std::vector<std::thread> workers;
  for (const std::size_t first : {1040U, 1170U, 1040U}) workers.emplace_back(work, first);
  for (std::thread& worker : workers) worker.join();
  stop = true;
  observer.join();
  CHECK(sound);
  const std::vector<SizeClassTotals> rows = heap->size_classes();
  CHECK(std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.is_learned; }) >=
        2);
  for (std::size_t i = 1; i < rows.size(); ++i)
    CHECK(rows[i - 1].object_bytes < rows[i].object_bytes);
  expect_nothing_left(heap);
}

TEST_CASE("Threads: a thread past its exit handler may still allocate and free", "[threads]") {
  OwnHeap heap;
  std::thread worker([&] {
    ThreadCache* cache = &no_cache;
    std::vector<void*> blocks;
    for (std::size_t bytes = 16; bytes < 300'000; bytes += bytes / 4 + 1)
      blocks.push_back(heap->allocate(cache, bytes));
    heap->thread_exits(cache);
    CHECK(cache == &exited_cache);
    for (void* block : blocks) heap->release(cache, block);
    void* late = heap->allocate(cache, 100);
    late = heap->resize(cache, late, 5000);
    CHECK(late != nullptr);
    heap->release(cache, late);
    heap->thread_exits(cache);
    CHECK(cache == &exited_cache);
  });
  worker.join();
  CHECK(heap->totals().threads == 0);
  expect_nothing_left(heap);
}

TEST_CASE(
    "Threads: a collection asks the others, and each gives its magazines back when it next "
    "frees or allocates",
    "[threads]") {
  const bool frees = GENERATE(true, false);
  CAPTURE(frees);
  OwnHeap heap;
  CacheScope other(*heap);
  std::vector<void*> blocks(64);
  for (void*& block : blocks) block = heap->allocate(other.cache, 1024);
  void* run = heap->allocate(other.cache, 9000);
  for (void* block : blocks) heap->release(other.cache, block);
  heap.collect();
  CHECK(heap->totals().cached_bytes > 0);
  // A slow path of the other thread: its first block of another class, or its last one of that.
  void* fresh = frees ? nullptr : heap->allocate(other.cache, 200);
  heap->release(other.cache, run);
  if (frees) heap->release(other.cache, heap->allocate(other.cache, 200));
  for (const SizeClassTotals& row : heap->size_classes()) {
    if (row.object_bytes == 1024) CHECK(row.cached_objects == 0);
  }
  if (fresh != nullptr) heap->release(other.cache, fresh);
}

TEST_CASE("Threads: totals are exact once all threads have ended", "[threads]") {
  OwnHeap heap;
  constexpr int threads = 4, blocks_each = 3000;
  std::vector<std::vector<void*>> kept(threads);
  std::atomic<std::uint64_t> bytes{0};
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      CacheScope mine(*heap);
      Random random(i);
      for (int n = 0; n < blocks_each; ++n) {
        void* block = heap->allocate(mine.cache, random.size_up_to(12'000));
        if (n % 3 == 0) {
          heap->release(mine.cache, block);
        } else {
          kept[i].push_back(block);
          bytes += heap->usable_bytes(block);
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  const HeapTotals totals = heap->totals();
  CHECK(totals.live_objects == threads * blocks_each * 2 / 3);
  CHECK(totals.live_bytes == bytes);
  CHECK(totals.allocations == threads * blocks_each);
  CHECK(totals.frees == threads * blocks_each / 3);
  for (const auto& blocks : kept) {
    for (void* block : blocks) heap.release(block);
  }
  expect_nothing_left(heap);
}

TEST_CASE("Threads: a limit set low and high while threads run refuses and never breaks",
          "[threads][limit]") {
  const OptionScope scope(&Config::memory_limit, 4 * mib);
  OwnHeap heap;
  std::atomic<bool> stop{false}, sound{true};
  std::thread tuner([&] {
    for (int i = 0; !stop; ++i) {
      config().memory_limit.store(static_cast<std::int64_t>(i % 2 == 0 ? 2 * mib : 8 * mib));
      heap->apply_config();
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> workers;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    workers.emplace_back([&, seed] {
      CacheScope mine(*heap);
      Random random(seed);
      LiveBlocks live;
      for (int step = 0; step < 3000; ++step) {
        if (random.below(5) < 3 || live.empty()) {
          if (!live.allocate(*heap, mine.cache, random.size_up_to(100'000))) sound = false;
        } else if (!live.release(*heap, mine.cache, random.below(live.size()))) {
          sound = false;
        }
      }
      if (!live.release_all(*heap, mine.cache)) sound = false;
    });
  }
  for (std::thread& worker : workers) worker.join();
  stop = true;
  tuner.join();
  CHECK(sound);
  expect_nothing_left(heap);
}

}  // namespace sqlitemem
