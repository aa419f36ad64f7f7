// Many threads on one pool: caches open, scan and close while others take their pages.
#include <atomic>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "tests/support/pool.h"

namespace sqlitemem::tests {
namespace {

/// What a page of this cache must hold; catches a frame that two caches have at once.
std::uint64_t content_of(std::uint64_t owner, std::uint32_t number) { return owner << 32 | number; }

/// Fetches a page and checks it. Returns what went wrong, or nothing: Catch2 2 is for one thread.
const char* visit(PageCache& cache, std::uint64_t owner, std::uint32_t number, FetchMode mode) {
  Frame* frame = cache.fetch(number, mode);
  if (frame == nullptr) return mode == FetchMode::always ? "no page was to be had" : nullptr;
  std::uint64_t mark = 0, content = content_of(owner, number);
  std::memcpy(&mark, frame->extra, sizeof mark);
  if (mark == 0) {
    std::memcpy(frame->extra, &content, sizeof content);
    std::memcpy(frame->data, &content, sizeof content);
  }
  std::uint64_t found = 0;
  std::memcpy(&found, frame->data, sizeof found);
  cache.unpin(*frame, false);
  return found == content ? nullptr : "a page holds another page's content";
}

/// Opens caches, reads and closes them again, until `rounds` are done.
void run_connection(TestPool& subject, unsigned seed, int rounds,
                    std::atomic<const char*>& failed) {
  std::mt19937 random(seed);
  for (int round = 0; round < rounds && failed == nullptr; ++round) {
    PageCache* cache = subject.pool.create(test_page, test_extra, true);
    if (cache == nullptr) return failed.store("no cache was to be had");
    const std::uint64_t owner = seed * 1000 + static_cast<unsigned>(round) + 1;
    cache->set_weight(static_cast<std::uint32_t>(10 + random() % 100));
    for (int step = 0; step < 2000; ++step) {
      const auto number = static_cast<std::uint32_t>(1 + random() % 150);
      const auto mode = step % 7 == 0 ? FetchMode::if_easy : FetchMode::always;
      if (const char* wrong = visit(*cache, owner, number, mode)) failed = wrong;
      if (step % 500 == 499) cache->truncate(1);
      if (step % 700 == 699) cache->shrink();
    }
    subject.pool.destroy(*cache);
  }
}

}  // namespace

TEST_CASE("connections on several threads take each other's pages, never a page in use",
          "[pool][threads]") {
  const std::uint64_t frames = GENERATE(as<std::uint64_t>{}, 12, 120, 1000);
  TestPool subject({.extents = 4, .mapped_extents = 60, .budget_frames = frames});
  std::atomic<const char*> failed{nullptr};
  std::atomic<bool> is_over{false};
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 1; seed <= 4; ++seed) {
      threads.emplace_back([&, seed] { run_connection(subject, seed, 6, failed); });
    }
    std::jthread reader([&] {  // Looks, evicts, and moves the budget.
      std::uint64_t step = 0;
      while (!is_over) {
        static_cast<void>(subject.pool.totals());
        static_cast<void>(subject.pool.caches());
        static_cast<void>(subject.pool.pages());
        static_cast<void>(subject.pool.resident());
        if (++step % 4 == 0) static_cast<void>(subject.pool.evict(frames / 4));
        if (step % 6 == 0) static_cast<void>(subject.pool.release_bytes(extent_bytes));
        if (step % 9 == 0)
          subject.pool.set_budget((frames / 2 + step % frames) * test_frame_bytes, true);
        if (const auto broken = subject.pool.find_violation()) failed = "a rule is broken";
      }
    });
    threads.clear();
    is_over = true;
  }
  INFO((failed.load() == nullptr ? "" : failed.load()));
  CHECK(failed.load() == nullptr);
  CHECK_FALSE(subject.pool.find_violation());
  CHECK(subject.pool.totals().used_bytes == 0);
  CHECK(subject.pool.totals().caches == 0);
}

TEST_CASE("a connection may pass from thread to thread while others take its pages",
          "[pool][threads]") {
  TestPool subject({.extents = 64, .budget_frames = 60});
  PageCache& shared = subject.create();
  std::mutex connection;  // SQLite's own, in a program that shares a connection.
  std::atomic<const char*> failed{nullptr};
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 1; seed <= 3; ++seed) {
      threads.emplace_back([&, seed] {
        std::mt19937 random(seed);
        for (int step = 0; step < 3000; ++step) {
          const std::lock_guard guard(connection);
          const auto number = static_cast<std::uint32_t>(1 + random() % 100);
          if (const char* wrong = visit(shared, 77, number, FetchMode::always)) failed = wrong;
        }
      });
    }
    threads.emplace_back([&] { run_connection(subject, 9, 4, failed); });
  }
  // Where the threads ran one after another, nobody needed another's pages.
  run_connection(subject, 10, 1, failed);
  CHECK(failed.load() == nullptr);
  CHECK(subject.pool.totals().foreign_evictions > 0);
  CHECK_FALSE(subject.pool.find_violation());
  subject.pool.destroy(shared);
}

TEST_CASE("two connections that need each other's last clean pages both get on",
          "[pool][threads]") {
  // No memory beyond 24 pages; each keeps 8 pinned and reads through many others.
  TestPool subject({.extents = 4, .budget_frames = 1000, .limit_bytes = 16 * kib + 24 * 4096});
  std::atomic<const char*> failed{nullptr};
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t owner = 1; owner <= 2; ++owner) {
      threads.emplace_back([&, owner] {
        PageCache* cache = subject.pool.create(test_page, test_extra, true);
        if (cache == nullptr) return failed.store("no cache was to be had");
        for (std::uint32_t number = 1; number <= 8; ++number) {
          if (cache->fetch(number, FetchMode::always) == nullptr) failed = "no page to pin";
        }
        for (std::uint32_t number = 100; number < 4000; ++number) {
          if (const char* wrong = visit(*cache, owner, number, FetchMode::always)) failed = wrong;
        }
        subject.pool.destroy(*cache);
      });
    }
  }
  INFO((failed.load() == nullptr ? "" : failed.load()));
  CHECK(failed.load() == nullptr);
}

}  // namespace sqlitemem::tests
