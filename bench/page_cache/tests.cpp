// The operations, each in a loop of its own, on a cache that is full from the start.
#include "bench/page_cache/tests.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "bench/page_cache/cache.h"
#include "bench/support/clock.h"
#include "bench/support/emit.h"
#include "bench/support/plain_array.h"
#include "bench/support/random.h"

namespace sqlitemem::bench {
namespace {

constexpr std::size_t slices = 9;
/// Page numbers are drawn before the clock starts.
constexpr std::uint32_t drawn_keys = 1 << 16;

/// Above the pages that have to be there: SQLite's cache replaces when one is left, ours takes
/// frames in batches. Where pages are to go, there is none.
constexpr std::uint32_t room(Operation operation) {
  switch (operation) {
    case Operation::miss_sequential:
    case Operation::miss_random:
      return 0;
    case Operation::create_destroy:
      return 200;  // For the other caches, of 100 pages, beside the full one.
    default:
      return 64;
  }
}

/// One cache and the pages that it is asked for.
class Load {
 public:
  Load(const sqlite3_pcache_methods2& methods, const PageCacheTest& test, std::uint64_t seed)
      : methods_(methods),
        test_(test),
        cache_(methods, static_cast<int>(test.pages + room(test.operation))),
        keys_(drawn_keys) {
    for (std::uint32_t key = 1; key <= test.pages; ++key) cache_.use(key);
    if (test.operation == Operation::pinned) {
      for (std::uint32_t key = 1; key <= test.pages; ++key) cache_.fetch(key);
    }
    Random random(seed);
    const std::uint32_t range =
        test.operation == Operation::miss_random ? test.pages * 16 : test.pages;
    const std::uint32_t first = test.operation == Operation::absent ? test.pages + 1 : 1;
    for (std::uint32_t& key : keys_.all()) key = first + random.below(range);
    next_ = test.pages + 1;
  }

  void run(std::uint64_t count) {
    const std::uint64_t misses = cache_.misses();
    switch (test_.operation) {
      case Operation::hit:
        for (std::uint64_t i = 0; i < count; ++i) cache_.use(drawn(i));
        if (cache_.misses() != misses) Cache::fail("a page that should be there is not");
        return;
      case Operation::pinned:
        for (std::uint64_t i = 0; i < count; ++i) cache_.fetch(drawn(i));
        return;
      case Operation::miss_sequential:
        for (std::uint64_t i = 0; i < count; ++i) cache_.use(next_++);
        if (cache_.misses() != misses + count) Cache::fail("a page is there that should not be");
        return;
      case Operation::miss_random:
        run_random_misses(count);
        return;
      case Operation::absent:
        for (std::uint64_t i = 0; i < count; ++i) {
          if (cache_.holds(drawn(i))) Cache::fail("a page is there that should not be");
        }
        return;
      case Operation::create_destroy:
        for (std::uint64_t i = 0; i < count; ++i) {
          Cache cache(methods_, 100);
          for (std::uint32_t key = 1; key <= 3; ++key) cache.use(key);
        }
        return;
    }
  }

 private:
  // A turn through the drawn keys is followed by another with other numbers, so that what is asked
  // for again was asked for at random.
  void run_random_misses(std::uint64_t count) {
    const std::uint32_t range = test_.pages * 16;
    for (std::uint64_t i = 0; i < count; ++i, ++turned_) {
      if (turned_ % drawn_keys == 0) shift_ = Random(turned_).below(range);
      std::uint32_t key = drawn(turned_) + shift_;
      key = key > range ? key - range : key;
      cache_.use(key);
    }
  }
  [[nodiscard]] std::uint32_t drawn(std::uint64_t i) { return keys_[i % drawn_keys]; }

  const sqlite3_pcache_methods2& methods_;
  const PageCacheTest& test_;
  Cache cache_;
  PlainArray<std::uint32_t> keys_;
  std::uint32_t next_ = 0, shift_ = 0;
  std::uint64_t turned_ = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run_alone(const sqlite3_pcache_methods2& methods, const PageCacheTest& test,
               std::uint64_t repetitions) {
  Load load(methods, test, 1);
  // Until the policy's queues have the sizes that they keep.
  load.run(std::max<std::uint64_t>(repetitions / 4, std::uint64_t{test.pages} * 2));
  std::vector<double> ns;
  for (std::size_t slice = 0; slice < slices; ++slice) {
    const std::uint64_t started = thread_cpu_ns();
    load.run(repetitions);
    ns.push_back(static_cast<double>(thread_cpu_ns() - started) / static_cast<double>(repetitions));
  }
  emit(test.name, median(ns));
}

void pin_to_core(int index) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<unsigned>(index) % std::thread::hardware_concurrency(), &cores);
  pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
}

void run_threads(const sqlite3_pcache_methods2& methods, const PageCacheTest& test,
                 std::uint64_t repetitions) {
  std::barrier<> line(test.threads);
  std::vector<double> wall, cpu;  // By the first thread; the CPU time by each, added up.
  std::vector<std::uint64_t> used(static_cast<std::size_t>(test.threads));
  const auto work = [&](int index) {
    pin_to_core(index);
    Load load(methods, test, static_cast<std::uint64_t>(index + 1));
    load.run(std::max<std::uint64_t>(repetitions / 4, std::uint64_t{test.pages} * 2));
    for (std::size_t slice = 0; slice < slices; ++slice) {
      line.arrive_and_wait();
      const std::uint64_t started = wall_ns(), cpu_started = thread_cpu_ns();
      load.run(repetitions);
      used[static_cast<std::size_t>(index)] = thread_cpu_ns() - cpu_started;
      line.arrive_and_wait();
      if (index != 0) continue;
      const auto count = static_cast<double>(repetitions);
      wall.push_back(static_cast<double>(wall_ns() - started) / count);
      std::uint64_t sum = 0;
      for (const std::uint64_t each : used) sum += each;
      cpu.push_back(static_cast<double>(sum) / count / test.threads);
    }
  };
  {
    std::vector<std::jthread> running;
    for (int index = 0; index < test.threads; ++index) running.emplace_back(work, index);
  }
  emit(test.name, median(wall));
  emit(std::string(test.name) + "_cpu", median(cpu));
}

}  // namespace

void run_page_cache_test(const PageCacheTest& test, const Options& options) {
  const std::uint64_t pages = test.pages + room(test.operation);
  const auto threads = static_cast<std::uint64_t>(std::max(1, test.threads));
  const auto& methods = load_page_cache(options.subject, pages * threads);
  const std::uint64_t repetitions =
      options.is_quick ? std::max(1u, test.repetitions / 10) : test.repetitions;
  if (options.count != 0) {
    Load load(methods, test, 1);
    load.run(options.count);
  } else if (test.threads == 0) {
    run_alone(methods, test, repetitions);
  } else {
    run_threads(methods, test, repetitions);
  }
}

}  // namespace sqlitemem::bench
