// The adviser's inbox: one thread works for all, and nothing that they told it is lost.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>
#include <thread>
#include <vector>

#include "allocators/base/thread_id.h"
#include "allocators/pool/page_hash.h"
#include "allocators/pool/pool_adviser.h"
#include "tests/support/catch.h"
#include "tests/support/failing_pages.h"
#include "tests/support/model.h"

namespace sqlitemem {

struct AdviserTestAccess {
  static bool is_home(const PoolAdviser& adviser) {
    return adviser.is_home_of(current_thread_id());
  }
  static constexpr int rounds_to_relief = PoolAdviser::most_for_others;
};

}  // namespace sqlitemem

namespace sqlitemem::tests {
namespace {

class TestAdviser {
 public:
  TestAdviser() {
    const std::size_t bytes = PoolAdviser::bytes_needed(PolicyKind{});
    block_ = std::aligned_alloc(page_bytes, bytes);
    REQUIRE(block_ != nullptr);
    std::memset(block_, 0, bytes);
    adviser.start(PolicyKind{}, block_, pages_);
    adviser.begin(budget_frames);
  }
  ~TestAdviser() { std::free(block_); }
  TestAdviser(const TestAdviser&) = delete;
  TestAdviser& operator=(const TestAdviser&) = delete;

  static constexpr std::uint64_t budget_frames = 4000;
  PoolAdviser adviser;

 private:
  FailingPages pages_;
  void* block_ = nullptr;
};

/// Pages that are in the sample of every size: their hashes are the smallest of very many.
std::vector<std::uint64_t> sampled_pages(std::size_t count) {
  std::vector<std::uint64_t> pages(400'000);
  for (std::size_t page = 0; page < pages.size(); ++page) pages[page] = mix_bits(page);
  std::ranges::sort(pages, {}, [](std::uint64_t hash) { return static_cast<std::uint32_t>(hash); });
  pages.resize(count);
  return pages;
}

std::vector<std::uint64_t> draw(const std::vector<std::uint64_t>& pages, std::size_t count,
                                std::uint64_t seed) {
  Random random(seed);
  std::vector<std::uint64_t> drawn(count);
  for (std::uint64_t& page : drawn) page = pages[random.below(pages.size())];
  return drawn;
}

void tell(PoolAdviser& adviser, std::span<const std::uint64_t> references) {
  while (!references.empty()) {
    const std::size_t count = std::min(references.size(), PoolAdviser::most_at_once);
    adviser.references(references.first(count));
    references = references.subspan(count);
  }
}

std::vector<std::uint64_t> sample_counts(PoolAdviser& adviser) {
  std::vector<std::uint64_t> counts;
  for (const SizeAdvice& size : adviser.advice(1).sizes) counts.push_back(size.samples);
  return counts;
}

}  // namespace

TEST_CASE("Adviser: what a thread left behind is there when advice is asked for",
          "[pool][advice]") {
  TestAdviser direct, through_inbox;
  const auto pages = sampled_pages(100);
  // Not enough to fill the inbox, and enough for several rounds of it; the last is a part of one.
  const std::size_t count = GENERATE(5, 100, 5003);
  CAPTURE(count);
  const auto first = draw(pages, count, 1), second = draw(pages, count, 2);
  for (const auto* part : {&first, &second}) {
    for (const std::uint64_t page : *part) direct.adviser.reference(page);
  }
  tell(through_inbox.adviser, first);
  std::thread([&] { tell(through_inbox.adviser, second); }).join();  // Its work is not its own.
  const auto expected = sample_counts(direct.adviser);
  REQUIRE(expected[3] == 2 * count);
  REQUIRE(sample_counts(through_inbox.adviser) == expected);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    REQUIRE(through_inbox.adviser.advice(1).sizes[i].hit_ratio ==
            direct.adviser.advice(1).sizes[i].hit_ratio);
  }
  REQUIRE_FALSE(through_inbox.adviser.find_violation());
}

TEST_CASE("Adviser: references of many threads all count", "[pool][advice][threads]") {
  TestAdviser subject;
  constexpr std::size_t each = 4000, threads = 4;
  const auto pages = sampled_pages(100);
  {
    std::vector<std::jthread> running;
    for (std::size_t thread = 0; thread < threads; ++thread) {
      running.emplace_back([&, thread] { tell(subject.adviser, draw(pages, each, thread + 1)); });
    }
    for (int i = 0; i < 50; ++i) static_cast<void>(subject.adviser.advice(1));
  }
  REQUIRE(sample_counts(subject.adviser)[3] == threads * each);
  REQUIRE_FALSE(subject.adviser.find_violation());
}

TEST_CASE("Adviser: a home that works for others is relieved, and the next one serves a whole term",
          "[pool][advice][threads]") {
  TestAdviser subject;
  const auto some = draw(sampled_pages(100), PoolAdviser::most_at_once, 1);
  bool other_was_home = false;
  const auto other_tells = [&] {
    std::thread([&] {
      tell(subject.adviser, some);
      other_was_home = AdviserTestAccess::is_home(subject.adviser);
    }).join();
  };
  REQUIRE_FALSE(AdviserTestAccess::is_home(subject.adviser));
  for (int batch = 0; batch < 8; ++batch) tell(subject.adviser, some);
  for (int term = 0; term < 2; ++term) {
    CAPTURE(term);
    for (int batch = 0; batch < 8; ++batch) tell(subject.adviser, some);  // Nothing is left.
    int rounds = 0;
    while (AdviserTestAccess::is_home(subject.adviser)) {
      REQUIRE(rounds <= AdviserTestAccess::rounds_to_relief);
      other_tells();
      REQUIRE_FALSE(other_was_home);
      tell(subject.adviser, some);
      ++rounds;
    }
    // It began with what it found in the inbox.
    REQUIRE(rounds > AdviserTestAccess::rounds_to_relief * 3 / 4);
    other_tells();
    REQUIRE(other_was_home);
    // That thread is gone: the inbox fills, and the first thread is home again.
    for (int batch = 0; batch < 8; ++batch) tell(subject.adviser, some);
  }
  REQUIRE_FALSE(subject.adviser.find_violation());
}

TEST_CASE("Adviser: what was told before it began anew, or was stopped, does not count",
          "[pool][advice]") {
  TestAdviser subject;
  const auto pages = sampled_pages(100);
  const auto some = draw(pages, 40, 1);
  tell(subject.adviser, some);
  SECTION("anew") {
    subject.adviser.begin(TestAdviser::budget_frames);
    REQUIRE(sample_counts(subject.adviser)[3] == 0);
  }
  SECTION("stopped") {
    subject.adviser.stop();
    tell(subject.adviser, some);
    subject.adviser.begin(TestAdviser::budget_frames);
    REQUIRE(sample_counts(subject.adviser)[3] == 0);
  }
  SECTION("forgotten, but the pages are known") {
    subject.adviser.forget_counts({});
    REQUIRE(sample_counts(subject.adviser)[3] == 0);
    tell(subject.adviser, some);
    REQUIRE(sample_counts(subject.adviser)[3] == some.size());
  }
}

}  // namespace sqlitemem::tests
