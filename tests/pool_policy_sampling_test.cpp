// Forecasts from sampled references against full replays.
#include <cmath>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "allocators/pool/recent_references.h"
#include "allocators/pool/reference_sampler.h"
#include "bench/pool/replay.h"
#include "tests/pool_policy_models.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {

struct MissCurveTestAccess {
  static std::uint32_t& pages(MissCurve& curve) { return curve.pages_; }
  static std::uint16_t& count(MissCurve& curve) { return curve.counts_[1]; }
};

}  // namespace sqlitemem

namespace sqlitemem::tests {
namespace {

/// Memory aligned as the sampler asks for, filled with what was there before.
class Block {
 public:
  explicit Block(std::size_t bytes) : lines_(bytes / 64 + 1) {}
  void* address() { return lines_.data(); }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> lines_;
};

std::uint64_t hash_of(std::uint64_t page) { return Random(page).next(); }

/// Zipfian references to 40,000 pages, and every so often a scan of a table of 6,000 others.
bench::Trace zipf_and_scans(std::uint64_t seed, std::size_t count, double exponent) {
  constexpr std::uint32_t pages = 40000;
  std::vector<double> up_to(pages);
  double sum = 0;
  for (std::uint32_t page = 0; page < pages; ++page) {
    up_to[page] = sum += 1 / std::pow(page + 1, exponent);
  }
  Random random(seed);
  std::vector<std::uint32_t> words;
  for (std::size_t i = 1; words.size() < count; ++i) {
    const double at = random.uniform() * sum;
    const auto found = std::lower_bound(up_to.begin(), up_to.end(), at);
    words.push_back(static_cast<std::uint32_t>(found - up_to.begin()));
    if (i % 40000 != 0) continue;
    for (std::uint32_t page = 0; page < 6000; ++page) words.push_back(1U << 24 | page);
  }
  return bench::make_trace("zipf and scans", words);
}

template <class Policy>
void feed(ReferenceSampler<Policy>& sampler, const bench::Trace& trace) {
  RecentReferences recent;
  for (const auto event : trace.events) {
    const std::uint64_t hash = trace.key_hashes[event.number()];
    if (sampler.is_sampled(hash) && !recent.is_repetition(hash)) sampler.reference(hash);
  }
  sampler.count_references(trace.references);
}

std::string rule(const std::optional<Violation>& broken) {
  return broken ? std::string(broken->rule) : "";
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Sampler: fits into 256 KiB under every policy", "[pool][sampling]",
                        AnyPolicy) {
  REQUIRE(ReferenceSampler<TestType>::bytes_needed() <= 256 * kib);
}

TEMPLATE_LIST_TEST_CASE("Sampler: forecasts are within 2 points of a full replay",
                        "[pool][sampling][no_tsan]", AnyPolicy) {
  const double exponent = GENERATE(0.8, 0.9, 1.0, 1.1);
  CAPTURE(exponent);
  const bench::Trace trace = zipf_and_scans(1, 600000, exponent);
  constexpr std::uint32_t budget = 8000;
  Block block(ReferenceSampler<TestType>::bytes_needed());
  ReferenceSampler<TestType> sampler;
  sampler.start(block.address(), budget, 0.25);
  feed(sampler, trace);
  REQUIRE(rule(sampler.find_violation()).empty());
  REQUIRE(sampler.lru_curve().rate() < 0.25);  // The sample was full, and shrank.
  double errors = 0;
  for (std::size_t i = 0; i < sampler.scenario_count; ++i) {
    const BudgetScenario scenario = sampler.scenario(i);
    CAPTURE(scenario.factor);
    const auto frames = static_cast<std::uint32_t>(scenario.frames);
    REQUIRE(frames == static_cast<std::uint32_t>(budget * scenario.factor));
    REQUIRE(scenario.sampling_rate <= 0.25);
    const double replayed = bench::replay<TestType>(trace, frames).hit_percent();
    // ARC falls from one state into another where a scan nearly fits, here at twice the budget.
    const double margin = std::is_same_v<TestType, Arc> ? 3.5 : 2;
    REQUIRE(100 * *scenario.hit_ratio == Approx(replayed).margin(margin));
    REQUIRE(100 * *scenario.lru_hit_ratio ==
            Approx(bench::replay<Lru>(trace, frames).hit_percent()).margin(2));
    errors += std::abs(100 * *scenario.hit_ratio - replayed);
  }
  REQUIRE(errors / sampler.scenario_count < 1.25);
}

TEST_CASE("Miss curve: without sampling it is exact for every small pool", "[pool][sampling]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  Random random(seed);
  std::vector<std::uint32_t> words;
  for (int i = 0; i < 40000; ++i) {
    words.push_back(static_cast<std::uint32_t>(random.below(1 + random.below(60))));
  }
  const bench::Trace trace = bench::make_trace("small", words);
  Block block(MissCurve::bytes_needed());
  MissCurve curve;
  curve.start(block.address(), 1.0);
  for (const auto event : trace.events) curve.reference(trace.key_hashes[event.number()]);
  curve.count_references(trace.references);
  REQUIRE(rule(curve.find_violation()).empty());
  for (std::uint32_t frames = 1; frames <= 63; ++frames) {
    CAPTURE(frames);
    const double expected = bench::replay<Lru>(trace, frames).hit_percent();
    REQUIRE(100 * *curve.hit_ratio(frames) == Approx(expected));
  }
}

TEST_CASE("Miss curve: any order of references keeps every rule", "[pool][sampling][property]") {
  const auto seed = GENERATE(1U, 2U);
  CAPTURE(seed);
  Random random(seed);
  Block block(MissCurve::bytes_needed());
  MissCurve curve;
  curve.start(block.address(), 0.9);
  for (int step = 0; step < 60000; ++step) {
    const std::uint64_t hash = hash_of(random.below(1 + random.below(20000)));
    if (curve.is_sampled(hash)) curve.reference(hash);
    REQUIRE(curve.pages() <= MissCurve::max_pages);
    if (step % 1000 == 0) REQUIRE(rule(curve.find_violation()).empty());
  }
  REQUIRE(curve.rate() < 0.5);
}

TEST_CASE("Miss curve: larger pools are never forecast to be worse", "[pool][sampling]") {
  const bench::Trace trace = zipf_and_scans(1, 200000, 0.9);
  Block block(MissCurve::bytes_needed());
  MissCurve curve;
  curve.start(block.address(), 1.0);
  REQUIRE_FALSE(curve.hit_ratio(100));
  for (const auto event : trace.events) {
    const std::uint64_t hash = trace.key_hashes[event.number()];
    if (curve.is_sampled(hash)) curve.reference(hash);
  }
  curve.count_references(trace.references);
  double before = 0;
  for (double frames = 0; frames < 100000; frames = frames * 1.01 + 1) {
    const double now = *curve.hit_ratio(frames);
    REQUIRE(now >= before);
    before = now;
  }
  REQUIRE(*curve.hit_ratio(0) < 0.01);
  REQUIRE(before > 0.7);
}

TEST_CASE("Miss curve: the check finds what is broken", "[pool][sampling][corruption]") {
  Block block(MissCurve::bytes_needed());
  MissCurve curve;
  curve.start(block.address(), 1.0);
  for (std::uint64_t page = 0; page < 10; ++page) curve.reference(hash_of(page));
  REQUIRE(rule(curve.find_violation()).empty());
  SECTION("pages") {
    ++MissCurveTestAccess::pages(curve);
    REQUIRE(rule(curve.find_violation()) == "pages are as many as counted");
  }
  SECTION("tree") {
    ++MissCurveTestAccess::count(curve);
    REQUIRE(rule(curve.find_violation()) == "the tree sums up the owners");
  }
}

TEMPLATE_LIST_TEST_CASE("Mini pool: hits are those of a replay", "[pool][sampling][property]",
                        AnyPolicy) {
  Random random(7);
  std::vector<std::uint32_t> words;
  for (int i = 0; i < 50000; ++i) {
    words.push_back(static_cast<std::uint32_t>(random.below(1 + random.below(400))));
  }
  const bench::Trace trace = bench::make_trace("small", words);
  Block block(MiniPool<TestType>::bytes_needed(100));
  MiniPool<TestType> pool;
  pool.start(block.address(), 100, 100);
  std::uint64_t hits = 0;
  for (const auto event : trace.events) {
    hits += pool.reference(trace.key_hashes[event.number()]) ? 1 : 0;
  }
  REQUIRE(hits == bench::replay<TestType>(trace, 100).hits);
  for (const std::uint32_t frames : {40U, 0U, 90U}) {
    pool.resize(frames);
    for (std::uint64_t page = 0; page < 500; ++page) pool.reference(hash_of(page));
    REQUIRE(pool.frames() == frames);
    REQUIRE(rule(pool.find_violation()).empty());
  }
}

TEST_CASE("Sampler: a small change of the budget keeps what was learned, a large one starts anew",
          "[pool][sampling]") {
  Block block(ReferenceSampler<S3Fifo>::bytes_needed());
  ReferenceSampler<S3Fifo> sampler;
  sampler.start(block.address(), 8000, 1.0);
  REQUIRE_FALSE(sampler.scenario(3).hit_ratio);
  feed(sampler, zipf_and_scans(1, 100000, 0.9));
  const double before = *sampler.scenario(3).hit_ratio;
  sampler.set_budget(7900);
  REQUIRE(*sampler.scenario(3).hit_ratio == before);
  REQUIRE(sampler.scenario(3).frames == 7900);
  sampler.set_budget(80000);
  REQUIRE_FALSE(sampler.scenario(3).hit_ratio);
  sampler.set_budget(0);
  feed(sampler, zipf_and_scans(1, 1000, 0.9));
  REQUIRE(*sampler.scenario(3).hit_ratio == 0);
  REQUIRE(rule(sampler.find_violation()).empty());
}

TEST_CASE("Sampler: after aging, what happens now outweighs what was", "[pool][sampling]") {
  Block block(ReferenceSampler<S3Fifo>::bytes_needed());
  ReferenceSampler<S3Fifo> sampler;
  sampler.start(block.address(), 1000, 1.0);
  const auto refer = [&](std::uint64_t page) {
    if (sampler.is_sampled(hash_of(page))) sampler.reference(hash_of(page));
    sampler.count_references(1);
  };
  for (std::uint64_t page = 0; page < 20000; ++page) refer(page);  // Nothing comes back.
  REQUIRE(*sampler.scenario(3).hit_ratio < 0.01);
  for (int i = 0; i < 4; ++i) sampler.age();
  for (std::uint64_t i = 0; i < 20000; ++i) refer(1000000 + i % 100);
  REQUIRE(*sampler.scenario(3).hit_ratio > 0.9);
  REQUIRE(*sampler.scenario(3).lru_hit_ratio > 0.9);
}

TEST_CASE("Sampler: repetitions are told four times, then one time in sixteen",
          "[pool][sampling]") {
  RecentReferences recent;
  const std::uint64_t page = hash_of(1);
  int told = 0;
  for (int i = 0; i < 1000; ++i) told += recent.is_repetition(page) ? 0 : 1;
  REQUIRE(told == 4 + 1000 / 16);
  const std::uint64_t same_slot = page + (std::uint64_t{16} << 32);
  REQUIRE_FALSE(recent.is_repetition(same_slot));
  REQUIRE_FALSE(recent.is_repetition(page));
}

}  // namespace sqlitemem::tests
