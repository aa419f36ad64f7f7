// Who pays for a page in a full pool: the cache itself, or one whose pages are older.
#include <string>
#include <vector>

#include "tests/support/model.h"
#include "tests/support/pool.h"

namespace sqlitemem::tests {
namespace {

constexpr std::uint32_t sharing_budget = 1000;

std::string broken_rule(BufferPool& pool) {
  const auto broken = pool.find_violation();
  return broken ? std::string(broken->rule) : "";
}

std::string_view each_policy() {
  return policy_names[GENERATE(range(std::size_t{0}, std::size_t{policy_count}))];
}

}  // namespace

TEST_CASE("Sharing: connections of the same habits leave each other's pages alone", "[pool]") {
  const std::string_view policy = each_policy();
  CAPTURE(policy);
  TestPool subject({.extents = 64, .budget_frames = sharing_budget, .policy = policy});
  PageCache& first = subject.create();
  PageCache& second = subject.create();
  Random random(1);
  const auto run = [&](int references) {
    for (int i = 0; i < references; ++i) {
      use_page(first, 1 + static_cast<std::uint32_t>(random.below(8 * sharing_budget)));
      use_page(second, 1 + static_cast<std::uint32_t>(random.below(8 * sharing_budget)));
    }
  };
  run(20'000);  // Until both have found their shares.
  const std::uint64_t foreign = subject.pool.totals().foreign_evictions;
  const std::uint64_t evictions = subject.pool.totals().evictions;
  run(20'000);
  const PoolTotals totals = subject.pool.totals();
  CHECK(totals.evictions - evictions > 30'000);
  CHECK((totals.foreign_evictions - foreign) * 10 < totals.evictions - evictions);
  CHECK(first.page_count() > sharing_budget / 3);
  CHECK(second.page_count() > sharing_budget / 3);
  CHECK(broken_rule(subject.pool).empty());
}

TEST_CASE("Sharing: a busy connection grows at the cost of one that is not", "[pool]") {
  const std::string_view policy = each_policy();
  CAPTURE(policy);
  TestPool subject({.extents = 64, .budget_frames = sharing_budget, .policy = policy});
  PageCache& slow = subject.create();
  PageCache& fast = subject.create();
  read_pages(slow, 1, 900);
  for (std::uint32_t i = 0; i < 4 * sharing_budget; ++i) {
    use_page(fast, 1 + i);
    if (i % 100 == 0) use_page(slow, 10'000 + i);
  }
  // Three quarters of half the budget are safe; headers count.
  CHECK(slow.page_count() < 400);
  CHECK(slow.page_count() > 300);
  CHECK(fast.page_count() > 550);
  CHECK(broken_rule(subject.pool).empty());
}

TEST_CASE("Sharing: pages that a foreign commit made a connection drop are remembered", "[pool]") {
  TestPool subject({.extents = 64, .budget_frames = sharing_budget});
  PageCache& cache = subject.create();
  read_pages(cache, 1, 800);
  const auto ghost_hits = [&] { return subject.pool.totals().ghost_hits; };
  REQUIRE(ghost_hits() == 0);
  SECTION("the file is the same") {
    cache.truncate(1);
    REQUIRE(cache.page_count() == 0);
    CHECK(subject.pool.totals().tiers.cold > 600);
    read_pages(cache, 1, 800);
    CHECK(ghost_hits() > 600);
    CHECK(subject.pool.totals().tiers.hot == ghost_hits());
  }
  SECTION("the file became shorter") {
    cache.truncate(2);
    read_pages(cache, 1, 800);
    CHECK(ghost_hits() == 0);
  }
  CHECK(broken_rule(subject.pool).empty());
}

TEST_CASE("Sharing: small connections give what is above their floors, and all if memory is short",
          "[pool]") {
  TestPool subject({.extents = 64, .budget_frames = sharing_budget});
  std::vector<PageCache*> caches;
  for (int i = 0; i < 20; ++i) {
    caches.push_back(&subject.create());
    read_pages(*caches.back(), 1, 12);
  }
  PageCache& large = subject.create();
  large.set_weight(20'000);
  read_pages(large, 1, 5 * sharing_budget);
  CHECK(subject.pool.totals().used_bytes <= subject.pool.totals().budget_bytes);
  for (const PageCache* cache : caches) CHECK(cache->page_count() == 10);
  CHECK(large.page_count() > 700);
  const std::uint64_t before = subject.pool.totals().foreign_evictions;
  CHECK(before > 0);
  CHECK(subject.pool.evict(10'000) > 0);
  for (const PageCache* cache : caches) CHECK(cache->page_count() == 0);
  CHECK(large.page_count() == 0);
  CHECK(broken_rule(subject.pool).empty());
}

TEST_CASE("two connections at their floors took the same pages from each other for ever",
          "[pool]") {
  TestPool subject({.extents = 128, .budget_frames = 4 * sharing_budget});
  PageCache& first = subject.create();
  PageCache& second = subject.create();
  Random random(1);
  const auto run = [&](PageCache& cache, int references) {
    for (int i = 0; i < references; ++i)
      use_page(cache, 1 + static_cast<std::uint32_t>(random.below(32 * sharing_budget)));
  };
  run(first, 10'000);
  run(second, 10'000);
  // The one was not scheduled for a while: the other has all that it may have.
  run(first, 50'000);
  const std::uint64_t barriers = subject.pool.totals().barriers;
  for (int turn = 0; turn < 1000; ++turn) {
    run(first, 50);
    run(second, 50);
  }
  CHECK(subject.pool.totals().barriers - barriers < 100);
  CHECK(broken_rule(subject.pool).empty());
}

TEST_CASE("a connection that joined a full pool took one page at a time", "[pool]") {
  TestPool subject({.extents = 128, .budget_frames = 4 * sharing_budget});
  PageCache& first = subject.create();
  PageCache& second = subject.create();
  // Its few pages are very old when it begins to work.
  read_pages(second, 1, 100);
  read_pages(first, 1, 40 * sharing_budget);
  const PoolTotals before = subject.pool.totals();
  read_pages(second, 1000, sharing_budget);
  const PoolTotals after = subject.pool.totals();
  CHECK(second.page_count() > sharing_budget);
  CHECK(after.foreign_evictions - before.foreign_evictions > sharing_budget * 9 / 10);
  CHECK((after.barriers - before.barriers) * 10 < sharing_budget);
  CHECK(broken_rule(subject.pool).empty());
}

}  // namespace sqlitemem::tests
