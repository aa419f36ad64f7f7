// The pool at its limits: everything pinned, the kernel in the way, the heap short of memory.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "tests/support/pool.h"

namespace sqlitemem::tests {
namespace {

/// From now on, membarrier() answers EPERM in this process.
bool forbid_membarrier() {
  std::array<sock_filter, 4> filter{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

// Before, each page beyond the budget searched all pinned pages: 60,000 pages took minutes.
TEST_CASE("a transaction that pins far more than the budget takes time in proportion", "[pool]") {
  constexpr std::uint32_t pages = 60000;
  const std::string_view policy =
      policy_names[GENERATE(range(std::size_t{0}, std::size_t{policy_count}))];
  TestPool subject({.extents = 1024, .budget_frames = 100, .policy = policy});
  PageCache& cache = subject.create(true, 512);
  std::vector<Frame*> held;
  for (std::uint32_t number = 1; number <= pages; ++number) {
    Frame* frame = cache.fetch(number, FetchMode::always);
    REQUIRE(frame != nullptr);
    held.push_back(frame);
  }
  CHECK(subject.pool.totals().pinned_frames == pages);
  while (!held.empty()) {
    cache.unpin(*held.back(), false);
    held.pop_back();
  }
  CHECK(subject.pool.totals().used_bytes <= subject.pool.totals().budget_bytes);
  CHECK(cache.page_count() > 0);
  require_sound(subject.pool);
  subject.pool.destroy(cache);
}

TEST_CASE("a page that is unpinned while everything else is pinned makes room at once", "[pool]") {
  TestPool subject({.extents = 64, .budget_frames = 100});
  PageCache& cache = subject.create();
  std::vector<Frame*> held;
  for (std::uint32_t number = 1; number <= 1000; ++number)
    held.push_back(cache.fetch(number, FetchMode::always));
  for (std::uint32_t number = 0; number < 500; number += 7) {
    const std::uint32_t before = cache.page_count();
    cache.unpin(*held[number], false);
    CHECK(cache.page_count() == before - 1);
  }
  require_sound(subject.pool);
  subject.pool.destroy(cache);
}

TEST_CASE("a small transaction is not told to spill because others fill the budget", "[pool]") {
  TestPool subject({.extents = 64, .budget_frames = 400});
  PageCache& reader = subject.create();
  read_pages(reader, 1, 1000);
  PageCache& writer = subject.create();
  for (std::uint32_t number = 1; number <= 100; ++number)
    CHECK(writer.fetch(number, FetchMode::if_easy) != nullptr);
  // But not without end: half of the budget is its share.
  std::uint32_t number = 101;
  while (number < 1000 && writer.fetch(number, FetchMode::if_easy) != nullptr) ++number;
  CHECK(number < 300);
  CHECK(reader.page_count() > 50);
  require_sound(subject.pool);
  subject.pool.destroy(reader);
  subject.pool.destroy(writer);
}

TEST_CASE("where a sandbox forbids membarrier, no connection's pages are taken by another",
          "[pool]") {
  TestPool subject({.extents = 64, .budget_frames = 100});
  if (ProcessBarrier::owners_must_fence()) return;  // It was forbidden from the start.
  PageCache& first = subject.create();
  read_pages(first, 1, 90);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (!forbid_membarrier()) ::_exit(77);
    PageCache* second = subject.pool.create(test_page, test_extra, true);
    for (std::uint32_t number = 1; number <= 200; ++number) {
      Frame* frame = second->fetch(number, FetchMode::always);
      if (frame == nullptr) ::_exit(2);
      second->unpin(*frame, false);
    }
    static_cast<void>(subject.pool.evict(1000));
    const PoolTotals totals = subject.pool.totals();
    ::_exit(first.page_count() == 90 && totals.foreign_evictions == 0 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) != 77) CHECK(WEXITSTATUS(status) == 0);  // 77: no seccomp here.
  subject.pool.destroy(first);
}

TEST_CASE("small pages, too, give way when the heap is short of memory", "[pool]") {
  TestPool subject({.extents = 64, .budget_frames = 10000});
  PageCache& cache = subject.create(true, 512);
  read_pages(cache, 1, 4000);
  const std::uint64_t held = subject.budget.held_bytes();
  const std::uint64_t released = subject.pool.release_bytes(256 * kib);
  CHECK(released >= 256 * kib);
  CHECK(held - subject.budget.held_bytes() >= 256 * kib);
  require_sound(subject.pool);
  subject.pool.destroy(cache);
}

TEST_CASE("free frames were taken for pages in use when a heap limit was reached", "[pool]") {
  TestPool subject({.extents = 64, .budget_frames = 10000});
  PageCache& cache = subject.create();
  read_pages(cache, 1, 1000);
  cache.truncate(501);  // Their frames are free, and enough to trim; but SQLite counts the others.
  const std::uint64_t before = subject.pool.live_bytes();
  CHECK(subject.pool.release_bytes(256 * kib) >= 256 * kib);
  CHECK(subject.pool.live_bytes() + 256 * kib <= before);
  CHECK(cache.page_count() > 300);
  require_sound(subject.pool);
  subject.pool.destroy(cache);
}

namespace {
constinit GrowthRule rule_now = GrowthRule::grow;
}

TEST_CASE("a hard limit holds for large pages while small ones are free", "[pool]") {
  rule_now = GrowthRule::grow;
  TestPool subject(
      {.extents = 64, .budget_frames = 4000, .growth = []() noexcept { return rule_now; }});
  PageCache& small = subject.create();
  read_pages(small, 1, 100);
  small.truncate(50);
  REQUIRE(subject.pool.totals().free_frames > 0);
  PageCache& large = subject.create(true, 65536);
  rule_now = GrowthRule::refuse;
  const std::uint64_t before = subject.pool.live_bytes();
  std::vector<Frame*> held;
  for (std::uint32_t number = 1; number <= 100; ++number) {
    if (Frame* frame = large.fetch(number, FetchMode::if_easy)) held.push_back(frame);
  }
  CHECK(subject.pool.live_bytes() <= before);
  require_sound(subject.pool);
  subject.pool.destroy(small);
  subject.pool.destroy(large);
}

TEST_CASE("at a hard limit an in-memory database takes the pages that it needs, not all",
          "[pool]") {
  rule_now = GrowthRule::grow;
  TestPool subject(
      {.extents = 64, .budget_frames = 4000, .growth = []() noexcept { return rule_now; }});
  PageCache& file = subject.create();
  read_pages(file, 1, 2000);
  PageCache& memory = subject.create(false);
  rule_now = GrowthRule::refuse;
  const std::uint64_t before = subject.pool.live_bytes();
  CHECK(memory.fetch(1, FetchMode::always) != nullptr);
  CHECK(subject.pool.live_bytes() <= before);
  CHECK(file.page_count() > 1500);
  require_sound(subject.pool);
  subject.pool.destroy(file);
  subject.pool.destroy(memory);
}

TEST_CASE("extents beyond the area are mapped one by one and go back with their address space",
          "[pool]") {
  const std::uint64_t before = os_address_space().reserved_bytes;
  {
    TestPool subject({.extents = 1, .mapped_extents = 40, .budget_frames = 10000});
    const std::uint64_t started = os_address_space().reserved_bytes;
    PageCache& cache = subject.create();
    read_pages(cache, 1, 1000);
    require_sound(subject.pool);
    CHECK(subject.pool.totals().held_bytes >= 1000 * test_frame_bytes);
    CHECK(os_address_space().reserved_bytes - started >= 1000 * test_frame_bytes - extent_bytes);
    CHECK(subject.pool.resident().pages >= 1000 * sizeof(std::uint64_t));
    CHECK(subject.pool.fill_map(1000).span_bytes() >= 1000 * test_frame_bytes);
    std::uint32_t numbers = 0;
    for (const PageInfo& page : subject.pool.pages()) numbers += page.page_number;
    CHECK(numbers == 1000 * 1001 / 2);
    static_cast<void>(subject.pool.evict(1000));
    require_sound(subject.pool);
    CHECK(os_address_space().reserved_bytes == started);
    CHECK(subject.pool.totals().held_bytes == 0);
    // What the program has taken meanwhile does not keep us from what is still ours.
    subject.pages.fail_after(0);
    read_pages(cache, 1, 10);
    subject.pages.heal();
    read_pages(cache, 1, 1000);
    CHECK(subject.pool.totals().held_bytes > 1000 * sizeof(std::uint64_t));
    subject.pool.destroy(cache);
    static_cast<void>(subject.pool.evict(1000));
  }
  CHECK(os_address_space().reserved_bytes == before);
}

// Under ulimit -v, pages that went here and there gave the heap no address space.
TEST_CASE("evicting gave no address space back, because a page stayed in each extent", "[pool]") {
  TestPool subject({.extents = 1, .mapped_extents = 80, .budget_frames = 100000});
  PageCache& first = subject.create();
  PageCache& second = subject.create();
  for (std::uint32_t number = 1; number <= 1500; ++number) {
    for (PageCache* cache : {&first, &second}) {
      Frame* frame = cache->fetch(number, FetchMode::always);
      REQUIRE(frame != nullptr);
      if (number % 500 != 0) cache->unpin(*frame, false);
    }
  }
  const std::uint64_t before = os_address_space().reserved_bytes;
  static_cast<void>(subject.pool.release_bytes(1 * mib));
  require_sound(subject.pool);
  CHECK(before - os_address_space().reserved_bytes >= 1 * mib);
  CHECK(before - os_address_space().reserved_bytes < 2 * mib);
  CHECK(first.page_count() + second.page_count() > 2500);
  for (std::uint32_t number = 500; number <= 1500; number += 500) {
    CHECK(first.fetch(number, FetchMode::lookup) != nullptr);
    CHECK(second.fetch(number, FetchMode::lookup) != nullptr);
  }
}

}  // namespace sqlitemem::tests
