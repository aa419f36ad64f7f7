// What the eviction policies promise, by name.
#include <set>
#include <string>

#include "tests/pool_policy_models.h"
#include "tests/support/catch.h"

namespace sqlitemem::tests {
namespace {

constexpr bool any(FrameIndex) { return true; }
std::uint64_t key_of(std::uint64_t page) { return (page + 1) * 0x9E3779B97F4A7C15; }

template <class Policy>
FrameIndex evict_one(Policy& policy) {
  const FrameIndex victim = policy.choose_victim(any);
  REQUIRE(victim != no_frame);
  return victim;
}

template <class Policy>
std::string broken_rule(OwnPolicy<Policy>& policy) {
  const auto broken = policy->find_violation();
  return broken ? std::string(broken->rule) : "";
}

/// Frames 0 … count - 1 hold pages 0 … count - 1.
template <class Policy>
void fill(Policy& policy, FrameIndex count) {
  for (FrameIndex frame = 0; frame < count; ++frame) policy.admit(frame, key_of(frame));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Policy: nothing to evict in an empty pool", "[pool][policy]", AnyPolicy) {
  OwnPolicy<TestType> policy(10, 10);
  REQUIRE(policy->choose_victim(any) == no_frame);
  policy->remove(3, KeyMemory::forget);
  policy->ask_again(3);
  REQUIRE(policy->tier(3) == Tier::none);
  REQUIRE(policy.policy().ghost_count() == 0);
}

TEMPLATE_LIST_TEST_CASE("Policy: a pinned frame is never a victim and keeps its place",
                        "[pool][policy]", AnyPolicy) {
  OwnPolicy<TestType> policy(10, 10);
  fill(*policy, 10);
  const auto not_first = [](FrameIndex frame) { return frame > 2; };
  REQUIRE(policy->choose_victim(not_first) == 3);
  REQUIRE(evict_one(*policy) == 0);  // Asked about again, oldest first.
  REQUIRE(evict_one(*policy) == 1);
}

TEMPLATE_LIST_TEST_CASE("Policy: many pinned frames do not make each eviction a scan",
                        "[pool][policy]", AnyPolicy) {
  constexpr FrameIndex pinned = 20000;
  constexpr FrameIndex rounds = 5000;
  OwnPolicy<TestType> policy(pinned + 1, pinned + 1);
  fill(*policy, pinned);
  std::uint64_t asked = 0;
  const auto is_evictable = [&](FrameIndex frame) { return ++asked, frame >= pinned; };
  for (FrameIndex round = 0; round < rounds; ++round) {
    // One transaction holds all pages but one, through which it reads a table.
    policy->admit(pinned, key_of(pinned + round));
    REQUIRE(policy->choose_victim(is_evictable) == pinned);
  }
  REQUIRE(asked < 2 * pinned + 8 * rounds);
}

TEMPLATE_LIST_TEST_CASE("Policy: a page that was just written back is found at once",
                        "[pool][policy]", AnyPolicy) {
  constexpr FrameIndex frames = 20000;
  OwnPolicy<TestType> policy(frames, frames);
  fill(*policy, frames);
  REQUIRE(policy->choose_victim([](FrameIndex) { return false; }) == no_frame);
  // Nothing could be evicted, so one page was written to its file.
  const auto only = GENERATE(FrameIndex{0}, FrameIndex{777}, FrameIndex{19999});
  std::uint64_t asked = 0;
  const auto is_spilled = [&](FrameIndex frame) { return ++asked, frame == only; };
  policy->ask_again(only);
  REQUIRE(policy->choose_victim(is_spilled) == only);
  REQUIRE(asked <= 4);
}

TEMPLATE_LIST_TEST_CASE("Policy: a capacity of 0 or 1 works, and growing brings ghosts back",
                        "[pool][policy]", AnyPolicy) {
  OwnPolicy<TestType> policy(100, 0);
  fill(*policy, 3);
  for (int i = 0; i < 3; ++i) evict_one(*policy);
  REQUIRE(policy.policy().ghost_count() == 0);
  for (const std::uint32_t capacity : {1U, 100U, 2U, 60U, 0U}) {
    CAPTURE(capacity);
    policy->resize(capacity);
    fill(*policy, 100);
    for (int i = 0; i < 100; ++i) evict_one(*policy);
    REQUIRE(policy.policy().ghost_count() <= capacity);
    REQUIRE(broken_rule(policy).empty());
  }
}

TEST_CASE("S3-FIFO: a scan passes through the small queue and leaves the hot pages",
          "[pool][policy]") {
  OwnPolicy<S3Fifo> policy(100, 100);
  fill(*policy, 100);
  for (FrameIndex frame = 0; frame < 50; ++frame) {
    policy->on_reference(frame);
    policy->on_reference(frame);
  }
  for (std::uint64_t page = 1000; page < 1400; ++page) {
    const FrameIndex frame = evict_one(*policy);
    REQUIRE(frame >= 50);
    policy->admit(frame, key_of(page));
  }
  for (FrameIndex frame = 0; frame < 50; ++frame) REQUIRE(policy->tier(frame) == Tier::hot);
}

TEST_CASE("S3-FIFO: one more reference is no proof of use, two are", "[pool][policy]") {
  OwnPolicy<S3Fifo> policy(3, 3);
  fill(*policy, 3);
  policy->on_reference(0);
  policy->on_reference(1);
  policy->on_reference(1);
  REQUIRE(evict_one(*policy) == 0);
  REQUIRE(evict_one(*policy) == 2);
  REQUIRE(policy->tier(1) == Tier::hot);
}

TEMPLATE_TEST_CASE("Policy: a page that comes back while it is remembered is hot", "[pool][policy]",
                   S3Fifo, TwoQueue, Arc) {
  OwnPolicy<TestType> policy(10, 10);
  fill(*policy, 10);
  const FrameIndex frame = evict_one(*policy);
  SECTION("remembered") {
    policy->admit(frame, key_of(frame));
    REQUIRE(policy->tier(frame) == Tier::hot);
    REQUIRE(policy.policy().ghost_count() == 0);
  }
  SECTION("forgotten") {
    policy.policy().forget_ghosts();
    REQUIRE(policy.policy().ghost_count() == 0);
    policy->admit(frame, key_of(frame));
    REQUIRE(policy->tier(frame) == Tier::warm);
  }
  SECTION("dropped by a foreign commit, not evicted") {
    policy->remove(7, KeyMemory::remember);
    policy->admit(7, key_of(7));
    REQUIRE(policy->tier(7) == Tier::hot);
  }
  SECTION("its file was truncated") {
    policy->remove(7, KeyMemory::forget);
    policy->admit(7, key_of(7));
    REQUIRE(policy->tier(7) == Tier::warm);
  }
  REQUIRE(broken_rule(policy).empty());
}

TEST_CASE("ARC: ghosts of pages used once make room for more of them", "[pool][policy]") {
  OwnPolicy<Arc> policy(10, 10);
  fill(*policy, 10);
  for (FrameIndex frame = 0; frame < 5; ++frame) policy->on_reference(frame);
  const FrameIndex frame = evict_one(*policy);
  REQUIRE(frame == 5);
  REQUIRE(policy.policy().target() == 0);
  policy->admit(frame, key_of(frame));
  REQUIRE(policy.policy().target() == 1);
  policy->resize(0);
  REQUIRE(policy.policy().target() == 0);
}

TEMPLATE_LIST_TEST_CASE("Policy: the check finds what is broken", "[pool][policy][corruption]",
                        AnyPolicy) {
  OwnPolicy<TestType> policy(10, 10);
  fill(*policy, 8);
  REQUIRE(broken_rule(policy).empty());
  SECTION("a link goes astray") {
    policy->record(4).newer = &policy->record(6);
    REQUIRE(broken_rule(policy) == "newer and older mirror");
  }
  SECTION("a circle") {
    policy->record(7).newer = &policy->record(0);
    REQUIRE(broken_rule(policy) == "a queue is as long as counted");
  }
  SECTION("a frame names another queue") {
    policy->record(3).place = 9;
    REQUIRE(broken_rule(policy) == "members name the queue");
  }
  SECTION("a frame is said to be passed") {
    policy->record(3).place = 0x81;
    REQUIRE(broken_rule(policy) == "older than the cursor = passed");
  }
  SECTION("a frame that is in no queue says that it is") {
    policy->record(9).place = 1;
    REQUIRE(broken_rule(policy) == "each known frame is in one queue");
  }
}

TEST_CASE("Reference mark: saturates at both ends", "[pool][policy]") {
  ReferenceMark mark;
  mark.lower();
  REQUIRE(mark.value() == 0);
  for (int i = 0; i < 10; ++i) mark.raise();
  REQUIRE(mark.value() == ReferenceMark::most);
  for (int i = 0; i < 10; ++i) mark.lower();
  REQUIRE(mark.value() == 0);
}

TEST_CASE("S3-FIFO: the victim that is announced is the next one, unless it was referred to",
          "[pool][policy]") {
  S3Fifo policy;
  policy.start({}, 0);
  std::vector<FrameRecord> frames(100);
  REQUIRE(policy.prefetch_victim() == nullptr);
  for (std::size_t i = 0; i < frames.size(); ++i) policy.admit(frames[i], key_of(i));
  // As the first page of a database is, for as long as a transaction lasts.
  const bool is_oldest_pinned = GENERATE(false, true);
  CAPTURE(is_oldest_pinned);
  const auto any_record = [&](const FrameRecord& record) {
    return !is_oldest_pinned || &record != &frames.front();
  };
  if (is_oldest_pinned) REQUIRE(policy.choose_victim(any_record) == &frames[1]);
  for (int i = 0; i < 50; ++i) {
    const FrameRecord* announced = policy.prefetch_victim();
    REQUIRE(policy.choose_victim(any_record) == announced);
  }
  FrameRecord* const spared = policy.prefetch_victim();
  for (int i = 0; i < 3; ++i) policy.on_reference(*spared);
  REQUIRE(policy.choose_victim(any_record) != spared);
}

}  // namespace sqlitemem::tests
