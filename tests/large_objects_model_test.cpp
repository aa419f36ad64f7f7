// Large objects against a model: random histories, page requests that fail one by one, threads.
#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/large_heap.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::LargeHeap;
using tests::OptionScope;
using tests::Random;
using Release = LargeObjects::ReleaseResult;

/// What the heap should contain: each object's size, and a tag written at its start, middle and
/// end.
class LargeModel {
 public:
  explicit LargeModel(LargeHeap& heap) : heap_(heap) {}

  void allocate(std::size_t bytes, bool may_fail) {
    auto* const object = static_cast<std::byte*>(heap_.objects.allocate(bytes));
    if (object == nullptr) {
      REQUIRE(may_fail);
      return;
    }
    const auto next = live_.lower_bound(object);
    REQUIRE((next == live_.end() || object + bytes <= next->first));
    if (next != live_.begin()) {
      const auto& [below, entry] = *std::prev(next);
      REQUIRE(below + entry.bytes <= object);
    }
    add(object, bytes, ++tags_);
  }
  void release(Random& random) {
    if (live_.empty()) return;
    const auto victim = pick(random);
    check(victim->first, victim->second);
    REQUIRE(heap_.objects.release(victim->first) == Release::ok);
    live_.erase(victim);
  }
  void resize(Random& random, std::size_t bytes, bool may_fail) {
    if (live_.empty()) return;
    const auto victim = pick(random);
    auto* const object = static_cast<std::byte*>(heap_.objects.resize(victim->first, bytes));
    if (object == nullptr) {
      REQUIRE(may_fail);
      check(victim->first, victim->second);  // Unchanged.
      return;
    }
    const Entry before = victim->second;
    live_.erase(victim);
    REQUIRE(read(object) == before.tag);
    if (bytes >= before.bytes) check(object, before);
    add(object, bytes, before.tag);
  }
  void check_all() const {
    std::uint64_t requested = 0;
    for (const auto& [object, entry] : live_) {
      check(object, entry);
      requested += entry.bytes;
    }
    const LargeObjectTotals totals = heap_.objects.totals();
    REQUIRE(totals.live_objects == live_.size());
    REQUIRE(totals.requested_bytes == requested);
    REQUIRE(totals.live_objects == totals.allocations - totals.frees);
    REQUIRE(totals.mapped_bytes == heap_.budget.held_bytes());
    REQUIRE(totals.mapped_bytes == totals.live_bytes + totals.dirty_free_bytes);
    REQUIRE(heap_.objects.resident_bytes() <= totals.mapped_bytes);
    REQUIRE(heap_.objects.objects().size() == live_.size());
  }

 private:
  struct Entry {
    std::size_t bytes = 0;
    std::uint64_t tag = 0;
  };
  using Live = std::map<std::byte*, Entry>;

  Live::iterator pick(Random& random) {
    return std::next(live_.begin(), static_cast<std::ptrdiff_t>(random.below(live_.size())));
  }
  static std::uint64_t read(const std::byte* at) {
    std::uint64_t tag = 0;
    std::memcpy(&tag, at, sizeof tag);
    return tag;
  }
  static void write(std::byte* at, std::uint64_t tag) { std::memcpy(at, &tag, sizeof tag); }

  void add(std::byte* object, std::size_t bytes, std::uint64_t tag) {
    for (const std::size_t at : {std::size_t{0}, bytes / 2, bytes - sizeof tag})
      write(object + at, tag);
    write(object, tag);
    live_[object] = {bytes, tag};
  }
  void check(const std::byte* object, const Entry& entry) const {
    REQUIRE(read(object) == entry.tag);
    REQUIRE(read(object + entry.bytes / 2) == entry.tag);
    REQUIRE(read(object + entry.bytes - sizeof entry.tag) == entry.tag);
  }

  LargeHeap& heap_;
  Live live_;
  std::uint64_t tags_ = 0;
};

/// One random call; sizes from a page to 4 MiB.
void random_step(LargeHeap& heap, LargeModel& model, Random& random, bool may_fail) {
  const std::size_t bytes = page_bytes + random.size_up_to(4 * mib) / 8 * 8;
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return model.allocate(bytes, may_fail);
    case 5:
    case 6:
    case 7:
    case 8:
      return model.release(random);
    case 9:
    case 10:
      return model.resize(random, bytes, may_fail);
    default:
      heap.objects.purge(random.below(2) * 1'000'000, random.next());
  }
}

TEST_CASE("LargeObjects: any history keeps every rule and every byte", "[large][property]") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u, 5u, 6u);
  CAPTURE(seed);
  const OptionScope strategy(&Config::allocation_strategy, seed % 3);
  const OptionScope huge(&Config::huge_pages, seed == 6 ? 1 : 0);
  LargeHeap heap(512 * mib);
  heap.pages.can_move = seed != 5;
  LargeModel model(heap);
  Random random(seed);
  for (int step = 0; step < 1500; ++step) {
    random_step(heap, model, random, /*may_fail=*/true);
    if (const auto broken = heap.objects.find_violation()) FAIL(std::string(broken->rule));
    if (step % 16 == 0) model.check_all();
  }
  model.check_all();
}

TEST_CASE("LargeObjects: memory moved between holes is never an object's", "[large][property]") {
  // A floor of kept memory far below what churns, so that dirty pages travel all the time.
  LargeHeap heap(2 * gib);
  LargeModel model(heap);
  Random random(42);
  for (int i = 0; i < 60; ++i) model.allocate(random.between(256 * kib, 8 * mib), false);
  for (int step = 0; step < 3000; ++step) {
    model.release(random);
    model.allocate(random.between(256 * kib, 8 * mib), false);
    if (step % 100 != 0) continue;
    if (const auto broken = heap.objects.find_violation()) FAIL(std::string(broken->rule));
    model.check_all();
  }
}

TEST_CASE("LargeObjects: the limit holds in any history", "[large][property]") {
  LargeHeap heap;
  heap.budget.set_limit(24 * mib);
  LargeModel model(heap);
  Random random(7);
  for (int step = 0; step < 1500; ++step) {
    random_step(heap, model, random, /*may_fail=*/true);
    REQUIRE(heap.budget.held_bytes() <= 24 * mib);
    if (const auto broken = heap.objects.find_violation()) FAIL(std::string(broken->rule));
  }
  CHECK(heap.budget.refusals() > 0);
  model.check_all();
}

TEST_CASE("LargeObjects: the n-th page request fails, for every n", "[large][exhaustion]") {
  bool refused = true;
  for (int n = 0; refused; ++n) {
    CAPTURE(n);
    REQUIRE(n < 1000);  // It must come to an end.
    LargeHeap heap;
    heap.pages.fail_after(n);
    LargeModel model(heap);
    Random random(11);
    for (int step = 0; step < 120; ++step) {
      random_step(heap, model, random, /*may_fail=*/true);
      if (const auto broken = heap.objects.find_violation()) FAIL(std::string(broken->rule));
    }
    model.check_all();
    refused = heap.pages.refusals > 0;
    heap.pages.heal();
    model.allocate(mib, /*may_fail=*/false);  // And it passes.
  }
}

TEST_CASE("LargeObjects: a heap whose tables cannot be reserved does not start", "[large]") {
  tests::FailingPages pages;
  Region region;
  MetadataHeap metadata;
  MemoryBudget budget;
  REQUIRE(region.start(pages, 64 * mib, SIZE_MAX));
  metadata.start(pages);
  for (int n = 0; n < 3; ++n) {
    LargeObjects objects;
    pages.fail_after(n);
    CHECK_FALSE(objects.start(region.large, metadata, pages, budget));
    CHECK(objects.allocate(mib) == nullptr);
    CHECK(objects.release(region.large.begin()) == Release::not_live);
    CHECK_FALSE(objects.find_violation());
  }
  region.stop();
}

TEST_CASE("LargeObjects: threads allocate, resize, ask and free at once", "[large][threads]") {
  LargeHeap heap(gib);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (unsigned seed = 0; seed < 3; ++seed) {
    threads.emplace_back([&heap, &wrong, seed] {
      Random random(seed);
      std::map<unsigned char*, std::size_t> live;
      for (int step = 0; step < 400; ++step) {
        const std::size_t bytes = random.between(page_bytes, 2 * mib);
        if (live.size() < 8) {
          auto* const object = static_cast<unsigned char*>(heap.objects.allocate(bytes));
          if (object == nullptr) continue;
          object[0] = object[bytes - 1] = static_cast<unsigned char>(seed);
          live[object] = bytes;
          continue;
        }
        auto [object, size] = *std::next(live.begin(), static_cast<int>(random.below(live.size())));
        if (object[0] != seed || object[size - 1] != seed) ++wrong;
        if (heap.objects.usable_bytes(object) < size) ++wrong;
        live.erase(object);
        if (random.below(2) == 0) {
          if (heap.objects.release(object) != Release::ok) ++wrong;
        } else if (auto* const grown =
                       static_cast<unsigned char*>(heap.objects.resize(object, bytes));
                   grown != nullptr) {
          if (grown[0] != seed) ++wrong;
          grown[bytes - 1] = static_cast<unsigned char>(seed);
          live[grown] = bytes;
        }
        if (step % 64 == 0) heap.objects.purge(0, UINT64_MAX);
        if (step % 50 == 0 && heap.objects.totals().live_objects == 0) ++wrong;
        if (heap.objects.live_bytes() > heap.area_bytes()) ++wrong;
      }
      for (const auto& [object, size] : live) {
        if (heap.objects.release(object) != Release::ok) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(heap.objects.totals().live_objects == 0);
  CHECK_FALSE(heap.objects.find_violation());
}

}  // namespace
}  // namespace sqlitemem
