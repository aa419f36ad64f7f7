// Advice of a whole pool, against pools that really have the size in question.
#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/support/model.h"
#include "tests/support/pool.h"

namespace sqlitemem::tests {
namespace {

/// Zipfian page numbers from 1 up, the popular ones scattered.
class ZipfPages {
 public:
  ZipfPages(std::uint32_t pages, double exponent, std::uint64_t seed) : random_(seed) {
    double sum = 0;
    for (std::uint32_t page = 0; page < pages; ++page)
      up_to_.push_back(sum += 1 / std::pow(page + 1, exponent));
  }
  std::uint32_t next() {
    const double at = random_.uniform();
    const auto found = std::lower_bound(up_to_.begin(), up_to_.end(), at * up_to_.back());
    const auto rank = static_cast<std::uint64_t>(found - up_to_.begin());
    return static_cast<std::uint32_t>(rank * 7919 % up_to_.size()) + 1;
  }
  Random& random() { return random_; }

 private:
  std::vector<double> up_to_;
  Random random_;
};

/// Two connections, one of which looks up a larger file; now and then another process changes the
/// smaller one, and its cache is dropped. Counts after a warm-up only.
void run(TestPool& pool, std::size_t references, double exponent) {
  PageCache& large = pool.create();
  PageCache& small = pool.create();
  ZipfPages large_pages(30000, exponent, 1), small_pages(6000, exponent, 2);
  for (std::size_t i = 0; i < 2 * references; ++i) {
    if (i == references) pool.pool.reset_statistics();
    if (i % 5 == 0)
      use_page(small, small_pages.next());
    else
      use_page(large, large_pages.next());
    if (i % 200000 == 100000) small.truncate(1);
  }
}

double hit_percent(TestPool& pool) {
  const PoolTotals totals = pool.pool.totals();
  return 100 * static_cast<double>(totals.hits) / static_cast<double>(totals.hits + totals.misses);
}

const SizeAdvice& at(const PoolAdvice& advice, double factor) {
  const auto found = std::ranges::find(advice.sizes, factor, &SizeAdvice::factor);
  REQUIRE(found != advice.sizes.end());
  return *found;
}

bool is_judged(TestPool& pool) { return pool.pool.advice().recommended().has_value(); }

/// As many frames as TestPool's tables area has room for, and the pages of 50 MB of a database.
constexpr TestPool::Options roomy{.extents = 512, .budget_frames = 6000};

}  // namespace

TEST_CASE("Pool advice: what it says of half and twice the budget is what such pools do",
          "[pool][advice][no_tsan]") {
  const std::string_view policy = GENERATE(policy_names[0], policy_names[1]);
  const double exponent = GENERATE(0.8, 1.0);
  CAPTURE(policy, exponent);
  constexpr std::size_t references = 400000;
  TestPool::Options options = roomy;
  options.policy = policy;
  TestPool pool(options);
  run(pool, references, exponent);
  const PoolAdvice advice = pool.pool.advice();
  REQUIRE(advice.references == references);
  REQUIRE(100 * at(advice, 1).hit_ratio.value() == Approx(hit_percent(pool)).margin(2));
  for (const double factor : {0.5, 2.0}) {
    CAPTURE(factor);
    TestPool::Options other = options;
    other.budget_frames = static_cast<std::uint64_t>(factor * 6000);
    TestPool real(other);
    run(real, references, exponent);
    REQUIRE(at(advice, factor).bytes == other.budget_frames * test_frame_bytes);
    REQUIRE(100 * at(advice, factor).hit_ratio.value() == Approx(hit_percent(real)).margin(2));
  }
  REQUIRE_FALSE(pool.pool.adviser().find_violation());
  REQUIRE_FALSE(pool.pool.find_violation());
}

TEST_CASE("Pool advice: a small process does not pay for it, and gets none", "[pool][advice]") {
  TestPool pool(roomy);
  PageCache& cache = pool.create();
  for (std::uint32_t page = 1; page <= 200; ++page) use_page(cache, page);
  for (int i = 0; i < 10000; ++i) use_page(cache, 1 + static_cast<std::uint32_t>(i) % 200);
  REQUIRE_FALSE(pool.pool.adviser().is_running());
  const PoolAdvice advice = pool.pool.advice();
  REQUIRE(advice.is_on);
  REQUIRE(advice.references == 10200);
  REQUIRE_FALSE(advice.recommended());
  for (const SizeAdvice& size : advice.sizes) REQUIRE_FALSE(size.hit_ratio);
}

TEST_CASE("Pool advice: a working set that fits recommends the smallest size that holds it",
          "[pool][advice]") {
  TestPool pool(roomy);
  PageCache& cache = pool.create();
  Random random(1);
  // Between half and three quarters of the budget, in any order.
  for (int i = 0; i < 400000; ++i)
    use_page(cache, 1 + static_cast<std::uint32_t>(random.below(3800)));
  const PoolAdvice advice = pool.pool.advice();
  const auto recommended = advice.recommended();
  REQUIRE(recommended);
  REQUIRE(advice.sizes[*recommended].factor == 0.75);
  REQUIRE(at(advice, 4).hit_ratio.value() > 0.98);
  REQUIRE(at(advice, 0.5).hit_ratio.value() < 0.9);
}

TEST_CASE("Pool advice: pages that were dropped are misses at every size", "[pool][advice]") {
  TestPool pool(roomy);
  PageCache& cache = pool.create();
  const auto drop = GENERATE(0, 1);
  for (int round = 0; round < 40; ++round) {
    for (std::uint32_t page = 1; page <= 2500; ++page) use_page(cache, page);
    if (drop == 0)
      cache.truncate(1);
    else
      cache.shrink();
  }
  const PoolAdvice advice = pool.pool.advice();
  REQUIRE(at(advice, 1).hit_ratio.value() < 0.05);
  REQUIRE(at(advice, 4).hit_ratio.value() < 0.05);
}

TEST_CASE("Pool advice: switched off it knows nothing and holds nothing", "[pool][advice]") {
  TestPool pool(roomy);
  run(pool, 100000, 0.8);
  REQUIRE(is_judged(pool));
  const std::uint64_t with = pool.pool.resident().tables;
  pool.pool.set_advice(false);
  REQUIRE_FALSE(pool.pool.advice().is_on);
  REQUIRE_FALSE(is_judged(pool));
  REQUIRE_FALSE(pool.pool.adviser().is_running());
  REQUIRE(pool.pool.resident().tables + 150 * kib < with);
  run(pool, 50000, 0.8);
  REQUIRE_FALSE(pool.pool.adviser().is_running());
  pool.pool.set_advice(true);
  run(pool, 100000, 0.8);
  REQUIRE(is_judged(pool));
  REQUIRE_FALSE(pool.pool.adviser().find_violation());
}

TEST_CASE("Pool advice: it follows the budget, and starts anew when that changes much",
          "[pool][advice]") {
  TestPool pool(roomy);
  run(pool, 200000, 0.8);
  const std::uint64_t samples = at(pool.pool.advice(), 1).samples;
  pool.pool.set_budget(5800 * test_frame_bytes, false);
  REQUIRE(at(pool.pool.advice(), 1).bytes == 5800 * test_frame_bytes);
  REQUIRE(at(pool.pool.advice(), 1).samples >= samples);
  pool.pool.set_budget(3000 * test_frame_bytes, false);
  REQUIRE(at(pool.pool.advice(), 1).samples == 0);
  REQUIRE_FALSE(is_judged(pool));
  run(pool, 200000, 0.8);
  REQUIRE(100 * at(pool.pool.advice(), 1).hit_ratio.value() == Approx(hit_percent(pool)).margin(2));
}

TEST_CASE("Pool advice: reset statistics leave too few references to judge", "[pool][advice]") {
  TestPool pool(roomy);
  run(pool, 200000, 0.8);
  REQUIRE(is_judged(pool));
  pool.pool.reset_statistics();
  REQUIRE(pool.pool.advice().references == 0);
  REQUIRE_FALSE(is_judged(pool));
}

TEST_CASE("Pool advice: pages of in-memory databases and pinned pages are no references",
          "[pool][advice]") {
  TestPool pool(roomy);
  run(pool, 100000, 0.8);
  const PoolAdvice before = pool.pool.advice();
  PageCache& memory = pool.create(false);
  for (std::uint32_t page = 1; page <= 3000; ++page) use_page(memory, page);
  PageCache& file = pool.create();
  Frame* frame = file.fetch(1, FetchMode::always);
  for (int i = 0; i < 1000; ++i) REQUIRE(file.fetch(1, FetchMode::lookup) == frame);
  const PoolAdvice after = pool.pool.advice();
  REQUIRE(after.references == before.references + 1);
  REQUIRE(at(after, 1).samples <= at(before, 1).samples + 64);  // What was not yet told.
  pool.pool.destroy(memory);
  pool.pool.destroy(file);
  REQUIRE(pool.pool.advice().references == before.references + 1);
}

}  // namespace sqlitemem::tests
