// What other connections leave to one: its floor while it is used, ten pages when it is idle.
#include <string>
#include <vector>

#include "tests/support/pool.h"

namespace sqlitemem::tests {
namespace {

constexpr std::uint32_t budget = 400;
/// Seven tenths of half of it, roughly: headers count.
constexpr std::uint32_t floor_pages = 135;
/// What one visit to other connections takes: a 64th of the budget.
constexpr std::uint32_t batch_pages = 6;

void read(PageCache& cache, std::uint32_t first, std::uint32_t pages) {
  for (std::uint32_t number = first; number < first + pages; ++number) {
    Frame* frame = cache.fetch(number, FetchMode::always);
    REQUIRE(frame != nullptr);
    cache.unpin(*frame, false);
  }
}

void require_sound(BufferPool& pool) {
  const auto broken = pool.find_violation();
  INFO((broken ? std::string(broken->rule) : std::string()));
  REQUIRE_FALSE(broken);
}

}  // namespace

TEST_CASE("Floors: a connection that is idle for long keeps ten pages until it is used again",
          "[pool]") {
  const std::string_view policy = GENERATE(policy_names[0], policy_names[1]);
  CAPTURE(policy);
  TestPool subject({.extents = 64, .budget_frames = budget, .policy = policy});
  PageCache& quiet = subject.create();
  PageCache& busy = subject.create();
  read(quiet, 1, 200);
  read(busy, 1, budget);
  REQUIRE(quiet.page_count() >= floor_pages);
  SECTION("idle") {
    read(busy, 1000, 12 * budget);
    CHECK(quiet.page_count() == 10);
    SECTION("used again") {
      read(quiet, 1, 200);
      read(busy, 9000, budget);
      CHECK(quiet.page_count() >= floor_pages);
    }
  }
  SECTION("one page of it is used now and then") {
    for (std::uint32_t turn = 0; turn < 24; ++turn) {
      read(busy, 1000 + turn * budget / 2, budget / 2);
      read(quiet, 1, 1);
    }
    CHECK(quiet.page_count() >= floor_pages);
  }
  SECTION("statistics were reset in between") {
    subject.pool.reset_statistics();
    read(busy, 1000, 12 * budget);
    CHECK(quiet.page_count() == 10);
  }
  require_sound(subject.pool);
  subject.pool.destroy(quiet);
  subject.pool.destroy(busy);
}

TEST_CASE("Floors: a connection's own misses do not take more than a batch below its floor",
          "[pool]") {
  const std::string_view policy = GENERATE(policy_names[0], policy_names[1]);
  CAPTURE(policy);
  TestPool subject({.extents = 64, .budget_frames = budget, .policy = policy});
  PageCache& quiet = subject.create();
  PageCache& busy = subject.create();
  read(quiet, 1, 200);
  read(busy, 1, 2 * budget);
  for (std::uint32_t turn = 0; turn < 50; ++turn) {
    read(quiet, 1000 + turn * 10, 10);
    CHECK(quiet.page_count() + batch_pages >= floor_pages);
    read(busy, 10'000 + turn * 100, 100);
    CHECK(quiet.page_count() + batch_pages >= floor_pages);
  }
  require_sound(subject.pool);
  subject.pool.destroy(quiet);
  subject.pool.destroy(busy);
}

TEST_CASE("Floors: a connection at its floor pays with its own pages where the rest is pinned",
          "[pool]") {
  const std::string_view policy = GENERATE(policy_names[0], policy_names[1]);
  CAPTURE(policy);
  TestPool subject({.extents = 64, .budget_frames = budget, .policy = policy});
  PageCache& quiet = subject.create();
  PageCache& busy = subject.create();
  read(quiet, 1, 100);
  std::vector<Frame*> pinned;
  while (subject.pool.totals().used_bytes + 2 * page_bytes <= subject.pool.totals().budget_bytes) {
    pinned.push_back(busy.fetch(static_cast<std::uint32_t>(pinned.size()) + 1, FetchMode::always));
    REQUIRE(pinned.back() != nullptr);
  }
  const std::uint64_t full_bytes = subject.pool.totals().used_bytes;
  read(quiet, 1000, 2000);
  CHECK(quiet.page_count() <= 110);
  CHECK(subject.pool.totals().used_bytes <= full_bytes + 10 * page_bytes);
  CHECK(subject.pool.totals().failures == 0);
  for (Frame* frame : pinned) busy.unpin(*frame, false);
  require_sound(subject.pool);
  subject.pool.destroy(quiet);
  subject.pool.destroy(busy);
}

}  // namespace sqlitemem::tests
