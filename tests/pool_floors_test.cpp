// What other connections leave to one: its floor while it is used, ten pages when it is idle.
#include <string>

#include "tests/support/pool.h"

namespace sqlitemem::tests {
namespace {

constexpr std::uint32_t budget = 400;
/// Three quarters of half of it, roughly: headers count.
constexpr std::uint32_t floor_pages = 145;

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

}  // namespace sqlitemem::tests
