// What other connections leave to one: its floor while it is used, ten pages when it is idle.
#include <string>
#include <vector>

#include "tests/support/pool.h"

namespace sqlitemem::tests {
namespace {

constexpr std::uint32_t floors_budget = 400;
/// Three quarters of half of it, less a little: headers count.
constexpr std::uint32_t floor_pages = 147;
/// Below that a connection takes back what it is entitled to.
constexpr std::uint32_t kept_pages = floor_pages * 7 / 8;
/// What one visit to other connections takes: a 64th of the budget.
constexpr std::uint32_t batch_pages = 6;

}  // namespace

TEST_CASE("Floors: a connection that is idle for long keeps ten pages until it is used again",
          "[pool]") {
  const std::string_view policy = GENERATE(policy_names[0], policy_names[1]);
  CAPTURE(policy);
  TestPool subject({.extents = 64, .budget_frames = floors_budget, .policy = policy});
  PageCache& quiet = subject.create();
  PageCache& busy = subject.create();
  read_pages(quiet, 1, 200);
  read_pages(busy, 1, floors_budget);
  REQUIRE(quiet.page_count() >= floor_pages);
  SECTION("idle") {
    read_pages(busy, 1000, 12 * floors_budget);
    CHECK(quiet.page_count() == 10);
    SECTION("used again") {
      read_pages(quiet, 1, 200);
      read_pages(busy, 9000, floors_budget);
      CHECK(quiet.page_count() >= floor_pages);
    }
  }
  SECTION("one page of it is used now and then") {
    for (std::uint32_t turn = 0; turn < 24; ++turn) {
      read_pages(busy, 1000 + turn * floors_budget / 2, floors_budget / 2);
      read_pages(quiet, 1, 1);
    }
    CHECK(quiet.page_count() >= floor_pages);
  }
  SECTION("statistics were reset in between") {
    subject.pool.reset_statistics();
    read_pages(busy, 1000, 12 * floors_budget);
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
  TestPool subject({.extents = 64, .budget_frames = floors_budget, .policy = policy});
  PageCache& quiet = subject.create();
  PageCache& busy = subject.create();
  read_pages(quiet, 1, 200);
  read_pages(busy, 1, 2 * floors_budget);
  for (std::uint32_t turn = 0; turn < 50; ++turn) {
    read_pages(quiet, 1000 + turn * 10, 10);
    CHECK(quiet.page_count() + batch_pages >= kept_pages);
    read_pages(busy, 10'000 + turn * 100, 100);
    CHECK(quiet.page_count() + batch_pages >= kept_pages);
  }
  require_sound(subject.pool);
  subject.pool.destroy(quiet);
  subject.pool.destroy(busy);
}

TEST_CASE("Floors: a connection at its floor pays with its own pages where the rest is pinned",
          "[pool]") {
  const std::string_view policy = GENERATE(policy_names[0], policy_names[1]);
  CAPTURE(policy);
  TestPool subject({.extents = 64, .budget_frames = floors_budget, .policy = policy});
  PageCache& quiet = subject.create();
  PageCache& busy = subject.create();
  read_pages(quiet, 1, 100);
  std::vector<Frame*> pinned;
  while (subject.pool.totals().used_bytes + 2 * page_bytes <= subject.pool.totals().budget_bytes) {
    pinned.push_back(busy.fetch(static_cast<std::uint32_t>(pinned.size()) + 1, FetchMode::always));
    REQUIRE(pinned.back() != nullptr);
  }
  const std::uint64_t full_bytes = subject.pool.totals().used_bytes;
  read_pages(quiet, 1000, 2000);
  CHECK(quiet.page_count() <= 110);
  CHECK(subject.pool.totals().used_bytes <= full_bytes + 10 * page_bytes);
  CHECK(subject.pool.totals().failures == 0);
  for (Frame* frame : pinned) busy.unpin(*frame, false);
  require_sound(subject.pool);
  subject.pool.destroy(quiet);
  subject.pool.destroy(busy);
}

}  // namespace sqlitemem::tests
