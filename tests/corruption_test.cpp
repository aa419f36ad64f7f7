// What callers do wrong is reported with its address, class and rule; the heap goes on or the
// process stops.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "allocators/manager/memory_manager.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::CorruptionLog;
using tests::OptionScope;
using tests::OwnHeap;

/// A heap that reports and goes on, and the report that is expected next.
struct ReportingHeap : OwnHeap {
  OptionScope report{&Config::on_corruption, OnCorruption::report};

  void expect_report(CorruptionKind kind, const void* address, std::size_t object_bytes,
                     const std::string& rule) {
    REQUIRE(CorruptionLog::count() == ++expected_);
    const CorruptionReport& got = CorruptionLog::at(expected_ - 1);
    CHECK(got.kind == kind);
    CHECK(got.address == reinterpret_cast<std::uintptr_t>(address));
    CHECK(got.object_bytes == object_bytes);
    CHECK(std::string(got.rule) == rule);
    CHECK((*this)->totals().corruptions == expected_);
  }
  void expect_sound() {
    REQUIRE(CorruptionLog::count() == expected_);
    CHECK(broken_rule() == "");
    tests::MarkedBlock block{allocate(100), 100, 1};
    REQUIRE(block.address != nullptr);
    block.fill();
    release(block.address);
  }

 private:
  std::size_t expected_ = 0;
};

struct Death {
  int signal = 0;
  std::string message;  ///< What was written to standard error.
};

/// Runs `action` in a child process.
template <class Action>
Death death_of(Action action) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGABRT, SIG_DFL);  // Not the test runner's: this death is wanted.
    ::dup2(ends[1], STDERR_FILENO);
    action();
    ::_exit(0);
  }
  ::close(ends[1]);
  Death death;
  char text[512];
  for (ssize_t got; (got = ::read(ends[0], text, sizeof text)) > 0;)
    death.message.append(text, static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  death.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return death;
}

}  // namespace

TEST_CASE("Corruption: a block freed twice in a row is reported at once", "[corruption]") {
  const std::size_t bytes = GENERATE(16U, 64U, 1000U, 4096U, 9000U, 40'000U, 400'000U);
  CAPTURE(bytes);
  ReportingHeap heap;
  void* block = heap.allocate(bytes);
  const std::size_t usable = heap->usable_bytes(block);
  heap.release(block);
  REQUIRE(CorruptionLog::count() == 0);
  heap.release(block);
  const std::string rule = bytes > 256 * kib  ? "a freed large object was handed out"
                           : bytes > 32 * kib ? "a freed run was handed out"
                                              : "a block is not freed twice in a row";
  heap.expect_report(CorruptionKind::double_free, block, bytes > 32 * kib ? 0 : usable, rule);
  CHECK(heap->totals().live_objects == 0);
  heap.collect();
  heap.expect_sound();
}

TEST_CASE("Corruption: a double free with others in between is found when magazines are flushed",
          "[corruption]") {
  const std::size_t bytes = GENERATE(16U, 64U, 1000U, 4096U, 9000U);
  CAPTURE(bytes);
  ReportingHeap heap;
  std::vector<void*> blocks(10);
  for (void*& block : blocks) block = heap.allocate(bytes);
  void* keeper = heap.allocate(bytes);
  const std::size_t usable = heap->usable_bytes(blocks[3]);
  for (void* block : blocks) heap.release(block);
  heap.release(blocks[3]);
  heap.collect();
  if (bytes <= max_slab_object_bytes) {
    heap.expect_report(CorruptionKind::double_free, blocks[3], usable,
                       "a freed block was handed out");
  } else {
    heap.expect_report(CorruptionKind::double_free, blocks[3], 0, "a freed run was handed out");
  }
  CHECK(heap->totals().live_objects == 1);
  heap.release(keeper);
  heap.collect();
  CHECK(heap->totals().held_bytes == 0);
  heap.expect_sound();
}

TEST_CASE("Corruption: a heap check finds a block that waits twice in this thread's magazine",
          "[corruption]") {
  ReportingHeap heap;
  void* a = heap.allocate(64);
  void* b = heap.allocate(64);
  heap.release(a);
  heap.release(b);
  heap.release(a);
  const auto broken = heap->find_violation(heap.cache);
  REQUIRE(broken);
  CHECK(broken->rule == "magazine: a block is free once");
  CHECK(broken->address == reinterpret_cast<std::uintptr_t>(a));
}

TEST_CASE("Corruption: more wrong pointers than are described are still counted", "[corruption]") {
  ReportingHeap heap;
  std::vector<void*> blocks(12);
  for (void*& block : blocks) block = heap.allocate(1024);
  for (void* block : blocks) heap.release(block);
  for (void* block : blocks) heap.release(block);
  heap.collect();
  CHECK(heap->totals().corruptions == 12);
  CHECK(CorruptionLog::count() >= 4);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("Corruption: a double free is not forgotten when its thread ends", "[corruption]") {
  ReportingHeap heap;
  {
    tests::CacheScope other(*heap);
    void* a = heap->allocate(other.cache, 64);
    void* b = heap->allocate(other.cache, 64);
    for (void* block : {a, b, a}) heap->release(other.cache, block);
    REQUIRE(CorruptionLog::count() == 0);
  }
  CHECK(CorruptionLog::count() == 1);
  CHECK(heap->totals().corruptions == 1);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("Corruption: an interior pointer is reported, and its block stays", "[corruption]") {
  const std::size_t bytes = GENERATE(64U, 1000U, 9000U, 40'000U, 400'000U);
  CAPTURE(bytes);
  ReportingHeap heap;
  auto* block = static_cast<std::byte*>(heap.allocate(bytes));
  const std::size_t inside = bytes > 32 * kib ? 8192 : 16;
  heap.release(block + inside);
  heap.collect();
  REQUIRE(CorruptionLog::count() == 1);
  CHECK(CorruptionLog::at(0).kind == CorruptionKind::interior_pointer);
  CHECK(CorruptionLog::at(0).address == reinterpret_cast<std::uintptr_t>(block + inside));
  CHECK(heap->usable_bytes(block) >= bytes);
  CHECK(CorruptionLog::at(0).object_bytes == heap->usable_bytes(block));
  CHECK(heap->usable_bytes(static_cast<std::byte*>(heap.allocate(300'000)) + page_bytes) == 0);
  CHECK(CorruptionLog::at(1).object_bytes == 74 * page_bytes);
  heap.release(block);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("Corruption: a foreign pointer is reported by every call", "[corruption]") {
  ReportingHeap heap;
  alignas(16) std::byte foreign[64];
  heap.release(foreign);
  heap.expect_report(CorruptionKind::not_a_block, foreign, 0,
                     "a freed pointer is inside the region");
  CHECK(heap.resize(foreign, 100) == nullptr);
  heap.expect_report(CorruptionKind::not_a_block, foreign, 0,
                     "a pointer asked for its size is a live block");
  CHECK(heap->usable_bytes(foreign) == 0);
  heap.expect_report(CorruptionKind::not_a_block, foreign, 0,
                     "a pointer asked for its size is a live block");
  heap.expect_sound();
}

TEST_CASE("Corruption: a pointer into a slab that is gone is reported", "[corruption]") {
  ReportingHeap heap;
  void* block = heap.allocate(1024);
  heap.release(block);
  heap.collect();
  heap.release(block);
  heap.expect_report(CorruptionKind::double_free, block, 0, "the slab of a freed block is there");
  CHECK(heap->usable_bytes(block) == 0);
  heap.expect_report(CorruptionKind::not_a_block, block, 0,
                     "a pointer asked for its size is a live block");
  CHECK(heap.resize(block, 2000) == nullptr);
  heap.expect_report(CorruptionKind::not_a_block, block, 0,
                     "a pointer asked for its size is a live block");
  heap.expect_sound();
}

TEST_CASE("Corruption: addresses that were never handed out are reported", "[corruption]") {
  ReportingHeap heap;
  auto* block = static_cast<std::byte*>(heap.allocate(64));
  auto* large = static_cast<std::byte*>(heap.allocate(mib));
  auto* run = static_cast<std::byte*>(heap.allocate(40 * kib));
  for (std::byte* wild : {block + 32 * mib, run + 200 * kib, run + 16 * mib, large + 50 * mib}) {
    const std::size_t before = CorruptionLog::count();
    heap.release(wild);
    CHECK(CorruptionLog::count() == before + 1);
    CHECK(heap->usable_bytes(wild) == 0);
    CHECK(CorruptionLog::count() == before + 2);
  }
  for (void* good : {block, large, run}) heap.release(good);
  CHECK(heap->totals().live_objects == 0);
  CHECK(heap.broken_rule() == "");
}

TEST_CASE("Corruption: the size of a dead large object or run is not told", "[corruption]") {
  const std::size_t bytes = GENERATE(40'000U, 400'000U);
  CAPTURE(bytes);
  ReportingHeap heap;
  void* block = heap.allocate(bytes);
  heap.release(block);
  CHECK(heap->usable_bytes(block) == 0);
  heap.expect_report(CorruptionKind::not_a_block, block, 0,
                     "a pointer asked for its size is a live block");
  CHECK(heap.resize(block, 2 * bytes) == nullptr);
  heap.expect_report(CorruptionKind::not_a_block, block, 0,
                     "a pointer asked for its size is a live block");
  heap.expect_sound();
}

TEST_CASE("Corruption: a report leaks the block and the heap goes on", "[corruption][property]") {
  ReportingHeap heap;
  tests::Random random(7);
  tests::LiveBlocks live;
  for (int step = 0; step < 3000; ++step) {
    if (random.below(2) == 0 || live.empty()) {
      REQUIRE(live.allocate(*heap, heap.cache, random.size_up_to(20'000)));
    } else {
      REQUIRE(live.release(*heap, heap.cache, random.below(live.size())));
    }
    if (step % 100 == 50) {
      auto* block = static_cast<std::byte*>(live.blocks()[random.below(live.size())].address);
      heap.release(block + 1);
      heap.collect();  // Else it would be handed out.
      REQUIRE(heap.broken_rule() == "");
    }
  }
  CHECK(heap->totals().corruptions == 30);
  REQUIRE(live.release_all(*heap, heap.cache));
  heap.collect();
  CHECK(heap->totals().held_bytes == 0);
}

TEST_CASE("Corruption: by default the process says what is wrong and aborts",
          "[corruption][process]") {
  OwnHeap heap;
  void* block = heap.allocate(200);
  alignas(16) std::byte foreign[64];
  const Death twice = death_of([&] {
    heap.release(block);
    heap.release(block);
  });
  CHECK(twice.signal == SIGABRT);
  CHECK_THAT(twice.message, Catch::Contains("sqlitemem: heap corruption: double free at 0x") &&
                                Catch::Contains("size class 208: broken rule: a block is not "
                                                "freed twice in a row\n"));
  const Death wild = death_of([&] { heap.release(foreign); });
  CHECK(wild.signal == SIGABRT);
  CHECK_THAT(wild.message, Catch::Contains("not a block of this heap at 0x"));
  const Death interior = death_of([&] {
    heap.release(static_cast<std::byte*>(block) + 16);
    heap.collect();
  });
  CHECK(interior.signal == SIGABRT);
  CHECK_THAT(interior.message, Catch::Contains("interior pointer at 0x"));
  const Death dead_run = death_of([&] {
    void* run = heap.allocate(40 * kib);
    heap.release(run);
    heap.release(run);
  });
  CHECK_THAT(dead_run.message, Catch::Contains("size class unknown: broken rule: a freed run"));
  const Death none = death_of([&] { heap.release(block); });
  CHECK(none.signal == 0);
  CHECK(none.message.empty());
}

}  // namespace sqlitemem
