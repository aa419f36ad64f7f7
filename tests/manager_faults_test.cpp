// The n-th request for pages fails, for every n: a request is served or refused, nothing breaks.
#include <atomic>
#include <memory>
#include <vector>

#include "allocators/manager/memory_manager.h"
#include "tests/support/catch.h"
#include "tests/support/failing_pages.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::LiveBlocks;
using tests::OptionScope;
using tests::Random;

/// Fails requests `first` … `last` (counted from 1) for address space or memory.
class FaultyPages final : public PageSource {
 public:
  FaultyPages(std::size_t first, std::size_t last) : first_(first), last_(last) {}
  void heal() { last_ = 0; }
  [[nodiscard]] std::size_t requests() const { return requests_; }
  /// Of address space: 0 when everything reserved was released.
  [[nodiscard]] std::size_t reserved_bytes() const { return reserved_bytes_; }

  void* reserve(std::size_t bytes, std::size_t alignment) noexcept override {
    void* address = refuses() ? nullptr : os_pages().reserve(bytes, alignment);
    if (address != nullptr) reserved_bytes_ += bytes;
    return address;
  }
  void release(void* address, std::size_t bytes) noexcept override {
    reserved_bytes_ -= bytes;
    os_pages().release(address, bytes);
  }
  bool commit(void* address, std::size_t bytes) noexcept override {
    return !refuses() && os_pages().commit(address, bytes);
  }
  bool decommit(void* address, std::size_t bytes) noexcept override {
    return (last_ == 0 || first_ % 3 != 0) && os_pages().decommit(address, bytes);
  }
  bool move(void* from, void* to, std::size_t bytes) noexcept override {
    return !refuses() && os_pages().move(from, to, bytes);
  }
  void unmap(void* address, std::size_t bytes) noexcept override {
    reserved_bytes_ -= bytes;
    os_pages().unmap(address, bytes);
  }
  bool advise_huge(void*, std::size_t) noexcept override { return false; }
  std::size_t resident_bytes(const void* address, std::size_t bytes) noexcept override {
    return os_pages().resident_bytes(address, bytes);
  }

 private:
  bool refuses() noexcept {
    ++requests_;
    return requests_ >= first_ && requests_ <= last_;
  }
  std::size_t first_, last_, requests_ = 0, reserved_bytes_ = 0;
};

/// All routes, two caches, waves of growth. False: the heap broke a promise.
bool run_script(MemoryManager& heap, ThreadCache*& cache, LiveBlocks& live) {
  Random random(11);
  tests::CacheScope other(heap);
  bool kept = true;
  for (int step = 0; step < 2500 && kept; ++step) {
    ThreadCache*& mine = step % 5 == 0 ? other.cache : cache;
    const std::size_t what = random.below(10);
    const std::size_t most = step % 50 == 0 ? 700 * kib : step % 3 == 0 ? 60 * kib : 4608;
    if (what < 7 || live.empty()) {
      // All slab classes in turn: a chunk each is the most requests that so few calls can cause.
      kept = live.allocate(heap, mine, random.between(1500, 4608)) &&
             live.allocate(heap, mine, random.size_up_to(most));
    } else if (what < 9) {
      kept = live.resize(heap, mine, random.below(live.size()), random.size_up_to(most));
    } else {
      kept = live.release(heap, mine, random.below(live.size()));
    }
    if (step % 900 == 899) heap.collect(mine);
    // Each refusal collects first, and is checked in depth: these many will do.
    if (step % 50 == 0 && heap.totals().failures > 60) break;
  }
  return kept;
}

struct Outcome {
  bool started = false;
  std::size_t requests = 0;
  std::uint64_t failures = 0;
};

/// Runs the script with requests `first` … `last` refused, and checks everything afterwards.
Outcome run_with_faults(std::size_t first, std::size_t last) {
  Outcome outcome;
  FaultyPages pages(first, last);
  {
    const auto heap = std::make_unique<MemoryManager>();
    const auto result = heap->start({.pages = &pages,
                                     .region_bytes = 64 * mib,
                                     .commit_stride = page_bytes,
                                     .metadata_chunk_bytes = page_bytes});
    outcome.started = result == MemoryManager::StartResult::ok;
    REQUIRE(heap->is_started() == outcome.started);
    if (outcome.started) {
      ThreadCache* cache = &no_cache;
      LiveBlocks live;
      REQUIRE(run_script(*heap, cache, live));
      REQUIRE_FALSE(heap->find_violation(cache));
      REQUIRE(heap->totals().live_objects == live.size());
      outcome.requests = pages.requests();
      outcome.failures = heap->totals().failures;
      pages.heal();
      REQUIRE(live.release_all(*heap, cache));
      heap->collect(cache);
      REQUIRE_FALSE(heap->find_violation(cache));
      REQUIRE(heap->totals().held_bytes == 0);
      REQUIRE(heap->totals().live_bytes == 0);
      REQUIRE(heap->totals().corruptions == 0);
      for (const std::size_t bytes : {std::size_t{64}, 9 * kib, 100 * kib, mib}) {
        void* block = heap->allocate(cache, bytes);
        REQUIRE(block != nullptr);
        heap->release(cache, block);
      }
      heap->stop();
    }
  }
  REQUIRE(pages.reserved_bytes() == 0);
  return outcome;
}

}  // namespace

TEST_CASE("Faults: from the n-th page request on all fail, for every n", "[faults]") {
  const Outcome healthy = run_with_faults(~std::size_t{0}, 0);
  REQUIRE(healthy.requests > 120);
  REQUIRE(healthy.failures == 0);
  bool any_started = false;
  for (std::size_t n = 1; n <= healthy.requests; ++n) {
    CAPTURE(n, healthy.requests);
    const Outcome outcome = run_with_faults(n, ~std::size_t{0});
    REQUIRE((outcome.started || !any_started));  // A later fault is never worse.
    any_started = any_started || outcome.started;
    if (outcome.started && n + 30 < healthy.requests) REQUIRE(outcome.failures > 0);
  }
  CHECK(any_started);
}

TEST_CASE("Faults: the n-th page request alone fails, for every n", "[faults]") {
  const std::size_t requests = run_with_faults(~std::size_t{0}, 0).requests;
  for (std::size_t n = 1; n <= requests; ++n) {
    CAPTURE(n, requests);
    run_with_faults(n, n);
  }
}

TEST_CASE("Faults: five page requests in a row fail, at every n", "[faults]") {
  const std::size_t requests = run_with_faults(~std::size_t{0}, 0).requests;
  for (std::size_t n = 1; n <= requests; n += 2) {
    CAPTURE(n, requests);
    run_with_faults(n, n + 4);
  }
}

TEST_CASE("Faults: under any memory limit the script runs and everything can be freed",
          "[faults][limit]") {
  std::uint64_t refused_at_all = 0;
  for (std::size_t limit = page_bytes; limit <= 4 * mib; limit += 212 * kib) {
    CAPTURE(limit);
    const OptionScope scope(&Config::memory_limit, limit);
    tests::OwnHeap heap({.region_bytes = 64 * mib, .commit_stride = mib});
    LiveBlocks live;
    REQUIRE(run_script(*heap, heap.cache, live));
    REQUIRE(heap.broken_rule() == "");
    REQUIRE(heap->totals().peak_held_bytes <= limit);
    refused_at_all += heap->totals().failures;
    REQUIRE(live.release_all(*heap, heap.cache));
    heap.collect();
    REQUIRE(heap->totals().held_bytes == 0);
  }
  CHECK(refused_at_all > 100);
}

TEST_CASE("Faults: a full region goes to the overflow handler, a full limit does not",
          "[faults][limit]") {
  static std::byte spare[16];
  static std::atomic<int> calls{0};
  const auto overflow = [](std::size_t) noexcept -> void* {
    ++calls;
    return spare;
  };
  tests::OwnHeap heap({.region_bytes = 16 * mib});
  heap->set_overflow_handler(overflow);
  std::vector<void*> blocks;
  void* block = nullptr;
  while ((block = heap.allocate(4096)) != spare) {
    REQUIRE(block != nullptr);
    blocks.push_back(block);
  }
  CHECK(calls == 1);
  CHECK(heap.allocate(100 * kib) == spare);
  CHECK(calls == 2);
  const OptionScope limit(&Config::memory_limit, 5 * mib);
  heap->apply_config();
  CHECK(heap.allocate(3 * mib) == nullptr);
  CHECK(calls == 2);
}

TEST_CASE("Faults: a full slab area while runs and large objects have room", "[faults]") {
  tests::OwnHeap heap({.region_bytes = 16 * mib});
  const std::size_t bytes = GENERATE(100U, 4096U);
  CAPTURE(bytes);
  LiveBlocks live;
  for (std::size_t before = 1; before != live.size();) {
    before = live.size();
    REQUIRE(live.allocate(*heap, heap.cache, bytes));
  }
  const std::size_t in_slabs = 4 * mib / bytes, in_runs = 4 * mib / (8 * kib);
  CHECK(live.size() > in_slabs * 9 / 10 + in_runs * 9 / 10 + 8 * mib / page_bytes * 9 / 10);
  CHECK(heap.broken_rule() == "");
  CHECK(live.release_all(*heap, heap.cache));
  heap.collect();
  CHECK(heap->totals().held_bytes == 0);
  CHECK(heap->totals().live_objects == 0);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("Faults: a request that stays refused is not searched the whole heap for each time",
          "[faults][limit]") {
  const OptionScope limit(&Config::memory_limit, 4 * mib);
  tests::FailingPages pages;
  pages.can_decommit = false;  // So that each collection asks in vain, and is counted by it.
  tests::OwnHeap heap({.pages = &pages, .region_bytes = 64 * mib});
  void* const run = heap.allocate(200 * kib);
  std::vector<void*> blocks;
  while (void* block = heap.allocate(1000)) blocks.push_back(block);
  heap.release(run);
  CHECK(heap.allocate(mib) == nullptr);
  const int once = pages.decommits;
  CHECK(once > 0);
  for (int i = 0; i < 100; ++i) CHECK(heap.allocate(mib) == nullptr);
  CHECK(pages.decommits == once);
  // What is freed makes the next refusal look again.
  pages.can_decommit = true;
  for (std::size_t i = 0; i < blocks.size() / 2; ++i) heap.release(blocks[i]);
  void* const served = heap.allocate(mib);
  CHECK(served != nullptr);
  CHECK(pages.decommits > once);
}

TEST_CASE("Faults: a slab serves although there is no memory for a magazine", "[faults]") {
  tests::FailingPages pages;
  tests::OwnHeap heap({.pages = &pages, .region_bytes = 64 * mib});
  REQUIRE(heap.allocate(1024) != nullptr);
  std::vector<std::unique_ptr<tests::CacheScope>> caches;
  const auto add_cache = [&] {
    caches.push_back(std::make_unique<tests::CacheScope>(*heap));
    return heap->allocate(caches.back()->cache, 1024) != nullptr;
  };
  for (int i = 0; i < 16; ++i) REQUIRE(add_cache());
  pages.fail_after(0);
  while (pages.refusals == 0) CHECK(add_cache());  // A thread without a cache is served, too.
  const int refusals = pages.refusals;
  for (const auto& thread : caches) {
    for (const std::uint32_t bytes : fixed_class_bytes) {
      if (bytes > kib) CHECK(heap->allocate(thread->cache, bytes) != nullptr);
    }
  }
  CHECK(pages.refusals > refusals + 1);
  pages.heal();
  caches.clear();
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("MemoryManager: a request that the previous allocator cannot lend was refused uncounted",
          "[manager][faults]") {
  const OptionScope limit(&Config::memory_limit, 2 * mib);
  MemoryManager heap;
  REQUIRE(heap.start({.region_bytes = 16 * mib}) == MemoryManager::StartResult::ok);
  static int asked = 0;
  heap.set_overflow_handler([](std::size_t) noexcept -> void* { return nullptr; });
  heap.set_shortage_handler([](std::size_t) noexcept -> std::uint64_t { return ++asked, 0; });
  ThreadCache* cache = &no_cache;
  while (heap.allocate(cache, 1000) != nullptr) {
  }
  CHECK(heap.totals().failures == 1);
  CHECK(asked > 0);
  heap.thread_exits(cache);
  heap.stop();
}

// group_concat() ran out of memory although the buffer pool was full of pages that could go.
TEST_CASE("MemoryManager: a large block could not grow when others had to give way",
          "[manager][faults]") {
  const OptionScope limit(&Config::memory_limit, 8 * mib);
  static MemoryManager* manager = nullptr;
  static std::uint64_t elsewhere = 0;  // Held by others, who give way when asked.
  MemoryManager heap;
  manager = &heap;
  REQUIRE(heap.start({.region_bytes = 64 * mib}) == MemoryManager::StartResult::ok);
  heap.set_shortage_handler([](std::size_t bytes) noexcept -> std::uint64_t {
    const std::uint64_t given = std::min<std::uint64_t>(bytes, elsewhere);
    manager->budget().refund(given);
    elsewhere -= given;
    return given;
  });
  ThreadCache* cache = &no_cache;
  auto* block = static_cast<char*>(heap.allocate(cache, 2 * mib));
  REQUIRE(block != nullptr);
  block[0] = 'a', block[2 * mib - 1] = 'z';
  elsewhere = 8 * mib - heap.budget().held_bytes();
  REQUIRE(heap.budget().charge(elsewhere));
  block = static_cast<char*>(heap.resize(cache, block, 4 * mib));
  REQUIRE(block != nullptr);
  CHECK((block[0] == 'a' && block[2 * mib - 1] == 'z'));
  CHECK(elsewhere < 4 * mib);
  CHECK(heap.totals().failures == 0);
  CHECK(heap.resize(cache, block, 9 * mib) == nullptr);  // More than the limit: nothing helps.
  CHECK(heap.totals().failures == 1);
  CHECK(block[0] == 'a');
  heap.release(cache, block);
  heap.thread_exits(cache);
  heap.budget().refund(elsewhere);
  heap.stop();
}

}  // namespace sqlitemem
