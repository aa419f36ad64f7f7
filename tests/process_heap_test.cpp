// The process's heap: thread-local caches, threads that end, processes that fork.
#include "allocators/manager/process_heap.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::OptionScope;
using tests::Random;

/// Starts the heap if no test before this one did; counters begin at 0 either way.
void start() {
  const auto result = start_process_heap();
  REQUIRE((result == MemoryManager::StartResult::ok ||
           result == MemoryManager::StartResult::already_started));
  process_heap().reset_statistics();
}

/// Blocks of the process's heap in a fixed table that any thread may exchange.
constexpr std::size_t shared_blocks = 512;
std::atomic<void*> shared_table[shared_blocks];

void exchange_one(Random& random) {
  void* block = heap_allocate(random.size_up_to(20'000));
  heap_release(shared_table[random.below(shared_blocks)].exchange(block));
}

/// In the child of a fork: goes on with everything that was there. 0: all well.
int child_result() {
  Random random(5);
  for (std::size_t i = 0; i < shared_blocks; ++i) {
    void* block = shared_table[i].load();  // Of a thread that is not here any more, mostly.
    if (block == nullptr) continue;
    if (heap_usable_bytes(block) == 0) return 1;
    heap_release(block);
    shared_table[i] = nullptr;
  }
  if (heap_find_violation()) return 2;
  for (int i = 0; i < 2000; ++i) exchange_one(random);
  for (auto& place : shared_table) heap_release(place.exchange(nullptr));
  heap_collect();
  if (heap_find_violation()) return 3;
  if (process_heap().totals().corruptions != 0) return 4;
  // Each other thread may have been stopped with a block or an exchange in hand.
  if (process_heap().totals().live_objects > 2000) return 5;
  return 0;
}

int status_of(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("Process heap: it starts once, and serves before any thread has a cache",
          "[process_heap]") {
  CHECK(heap_allocate(64) == nullptr);
  CHECK(heap_usable_bytes(nullptr) == 0);
  heap_release(nullptr);
  CHECK(start_process_heap() == MemoryManager::StartResult::ok);
  CHECK(start_process_heap() == MemoryManager::StartResult::already_started);
  CHECK(heap_round_up(100) == 112);
  void* block = heap_allocate(100);
  CHECK(heap_owns(block));
  CHECK(heap_usable_bytes(block) == 112);
  block = heap_resize(block, 5000);
  CHECK(heap_usable_bytes(block) == 5 * kib);
  CHECK(heap_resize(block, 0) == nullptr);
  CHECK(process_heap().totals().threads == 1);
  CHECK_FALSE(heap_find_violation());
}

TEST_CASE("Process heap: a rounded request is counted as what was asked, and large enough",
          "[process_heap]") {
  start();
  heap_release(heap_allocate(64));  // From now on this thread remembers its questions.
  const std::size_t rounded = heap_round_up(4361);
  void* block = heap_allocate_rounded(rounded);
  CHECK(heap_usable_bytes(block) == rounded);
  CHECK(heap_round_up(100) == 112);
  heap_release(heap_allocate_rounded(112));
  for (const SizeClassTotals& row : process_heap().size_classes()) {
    if (row.object_bytes == 112) CHECK(row.requested_bytes == 100);
  }
  heap_release(block);
}

TEST_CASE("Process heap: a rounded request is large enough even if its class was learned since",
          "[process_heap]") {
  start();
  heap_release(heap_allocate(64));  // From now on this thread remembers its questions.
  const std::size_t rounded = heap_round_up(4368);
  REQUIRE(rounded == 4608);
  std::vector<void*> blocks;
  std::thread([&] {  // Another thread, so that this one's last question stays.
    for (int i = 0; i < 500; ++i) blocks.push_back(heap_allocate(4368));
  })
      .join();
  REQUIRE(process_heap().round_up(4368) == 4368);
  void* block = heap_allocate_rounded(rounded);
  CHECK(heap_usable_bytes(block) >= rounded);
  heap_release(block);
  for (void* old : blocks) heap_release(old);
}

TEST_CASE("Process heap: a thread's end gives its magazines back", "[process_heap][threads]") {
  start();
  const std::uint64_t threads = process_heap().totals().threads;
  for (int round = 0; round < 20; ++round) {
    std::thread([] {
      std::vector<void*> blocks;
      for (int i = 0; i < 300; ++i) blocks.push_back(heap_allocate(256));
      for (void* block : blocks) heap_release(block);
    }).join();
  }
  const HeapTotals totals = process_heap().totals();
  CHECK(totals.threads == threads);
  CHECK(totals.live_objects == 0);
  CHECK(totals.frees == totals.allocations);
  heap_collect();
  CHECK(process_heap().totals().held_bytes == 0);
  CHECK(process_heap().totals().metadata_bytes <= mib);  // Caches are re-used.
}

TEST_CASE("Process heap: destructors of thread data may free after the heap's own handler",
          "[process_heap][threads]") {
  start();
  // Destructors run in order of creation at first, so the heap's came first; this one comes later,
  // and asks for two rounds more.
  static pthread_key_t key;
  static std::atomic<int> rounds{0};
  REQUIRE(::pthread_key_create(&key, [](void* block) {
            heap_release(block);
            if (++rounds < 3) ::pthread_setspecific(key, heap_allocate(500));
          }) == 0);
  std::thread([] { ::pthread_setspecific(key, heap_allocate(300)); }).join();
  CHECK(rounds == 3);
  const HeapTotals totals = process_heap().totals();
  CHECK(totals.live_objects == 0);
  CHECK(totals.allocations == 3);
  CHECK(totals.frees == 3);
  CHECK(totals.corruptions == 0);
  CHECK_FALSE(heap_find_violation());
}

TEST_CASE("Process heap: a fork among busy threads leaves both heaps sound",
          "[process_heap][fork]") {
  const OptionScope report(&Config::on_corruption, OnCorruption::report);
  start();
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    workers.emplace_back([&stop, seed] {
      Random random(seed);
      while (!stop) {
        for (int i = 0; i < 100; ++i) exchange_one(random);
        if (seed == 3) heap_collect();
      }
    });
  }
  Random random(9);
  int worst = 0;
  for (int round = 0; round < 60 && worst == 0; ++round) {
    for (int i = 0; i < 100; ++i) exchange_one(random);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::alarm(60);  // A deadlock is a failure, not a wait.
      ::_exit(child_result());
    }
    worst = status_of(child);
  }
  CHECK(worst == 0);
  stop = true;
  for (std::thread& worker : workers) worker.join();
  for (auto& place : shared_table) heap_release(place.exchange(nullptr));
  CHECK(process_heap().totals().live_objects == 0);
  CHECK(process_heap().totals().corruptions == 0);
  CHECK_FALSE(heap_find_violation());
  heap_collect();
  CHECK(process_heap().totals().held_bytes == 0);
}

TEST_CASE("Process heap: a child of a fork can set an option while its parent was setting one",
          "[process_heap][fork]") {
  start();
  const OptionScope delay(&Config::purge_delay, 1000);
  std::atomic<bool> stop{false};
  std::thread setter([&stop] {
    while (!stop) static_cast<void>(set_option("purge_delay", "1s", OptionSource::api));
  });
  int worst = 0;
  for (int round = 0; round < 200 && worst == 0; ++round) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::alarm(60);  // A deadlock is a failure, not a wait.
      const bool is_set =
          set_option("purge_delay", "2s", OptionSource::api).result == SetResult::ok;
      ::_exit(is_set && start_process_heap() == MemoryManager::StartResult::already_started ? 0
                                                                                            : 1);
    }
    worst = status_of(child);
  }
  stop = true;
  setter.join();
  CHECK(worst == 0);
}

TEST_CASE("Process heap: a child and a grandchild free what their parent allocated",
          "[process_heap][fork]") {
  start();
  std::vector<void*> blocks;
  for (int i = 0; i < 100; ++i) blocks.push_back(heap_allocate(700));
  const auto use_heap = [&] {
    for (void* block : blocks) heap_release(block);
    return process_heap().totals().live_objects == 0 && !heap_find_violation() ? 0 : 1;
  };
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    const pid_t grandchild = ::fork();
    if (grandchild == 0) ::_exit(use_heap());
    const int result = status_of(grandchild);
    ::_exit(result != 0 ? result : use_heap());
  }
  CHECK(status_of(child) == 0);
  CHECK(use_heap() == 0);
}

}  // namespace sqlitemem
