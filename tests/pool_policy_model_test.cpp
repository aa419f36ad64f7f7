// Random operations on every eviction policy and on its plain model at once.
#include <map>
#include <set>

#include "tests/pool_policy_models.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem::tests {
namespace {

constexpr FrameIndex max_frames = 48;

/// Keeps a policy and its model in step, and remembers which frames are in use and pinned.
template <class Policy>
class Pair {
 public:
  explicit Pair(std::uint64_t seed, std::uint32_t capacity)
      : random_(seed), policy_(max_frames, capacity) {
    model_.resize(capacity);
    for (FrameIndex frame = 0; frame < max_frames; ++frame) free_.insert(frame);
  }

  void step() {
    switch (random_.below(16)) {
      case 0:
        return evict(1 + random_.below(6));
      case 1:
        return random_.below(4) == 0 ? policy_.move_ghosts() : evict(1 + random_.below(3));
      case 2:
        return drop();
      case 3:
        return resize();
      case 4:
        return toggle_pins();
      case 5:
        return random_.below(20) == 0 ? forget_ghosts() : hint();
      case 6:
        return random_.below(3) == 0 ? rekey() : hint();
      case 7:
      case 8:
      case 9:
      case 10:
        return reference();
      default:
        return fetch();
    }
  }

  void compare() {
    std::uint32_t warm = 0;
    std::uint32_t hot = 0;
    FrameIndex differs = no_frame;
    for (FrameIndex frame = 0; frame < max_frames; ++frame) {
      const Tier tier = policy_->tier(frame);
      if (tier != model_.tier(frame)) differs = frame;
      warm += tier == Tier::warm ? 1 : 0;
      hot += tier == Tier::hot ? 1 : 0;
    }
    REQUIRE(differs == no_frame);
    REQUIRE(policy_.policy().counts().warm == warm);
    REQUIRE(policy_.policy().counts().hot == hot);
    REQUIRE(policy_.policy().counts().cold == policy_.policy().ghost_count());
    REQUIRE(policy_.policy().ghost_count() == model_.ghost_count());
    const auto broken = policy_->find_violation();
    REQUIRE((broken ? broken->rule : "") == "");
  }

  [[nodiscard]] std::size_t evictions() const { return evictions_; }

 private:
  // 80 pages, some asked for far more often than others.
  std::uint64_t any_key() {
    const std::size_t page = random_.below(1 + random_.below(80));
    return (page + 1) * 0x9E3779B97F4A7C15;  // Odd multiplier: keys, and upper halves, differ.
  }
  FrameIndex any_used() {
    auto at = frame_of_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(frame_of_.size())));
    return at->second;
  }

  void fetch() {
    const std::uint64_t key = any_key();
    if (const auto found = frame_of_.find(key); found != frame_of_.end()) {
      if (pinned_.count(found->second) == 0) refer(found->second);
      return;
    }
    if (free_.empty()) evict(2);
    if (free_.empty()) return;
    const FrameIndex frame = *free_.begin();
    free_.erase(free_.begin());
    frame_of_[key] = frame;
    model_.keys[frame] = key;
    const bool came_back = policy_->admit(frame, key);
    model_.admit(frame, key);
    REQUIRE(came_back == (model_.tier(frame) == Tier::hot));
    if (random_.below(3) == 0) pinned_.insert(frame);
  }
  void refer(FrameIndex frame) {
    policy_->on_reference(frame);
    model_.reference(frame);
  }
  void reference() {
    if (!frame_of_.empty()) refer(any_used());
  }
  void release(FrameIndex frame) {
    frame_of_.erase(model_.keys[frame]);
    pinned_.erase(frame);
    free_.insert(frame);
  }
  void drop() {
    const auto frame = static_cast<FrameIndex>(random_.below(max_frames));
    const KeyMemory memory = random_.below(2) == 0 ? KeyMemory::forget : KeyMemory::remember;
    policy_->remove(frame, memory);  // Frames that it does not know, too.
    model_.remove(frame, memory);
    if (free_.count(frame) == 0) release(frame);
  }
  void evict(std::size_t most) {
    const IsEvictable is_evictable = [&](FrameIndex frame) { return pinned_.count(frame) == 0; };
    for (; most > 0; --most) {
      const FrameIndex victim = policy_->choose_victim(is_evictable);
      REQUIRE(victim == model_.choose(is_evictable));
      if (victim == no_frame) {
        REQUIRE(pinned_.size() == frame_of_.size());
        return;
      }
      ++evictions_;
      release(victim);
    }
  }
  void resize() {
    const auto capacity = static_cast<std::uint32_t>(random_.below(max_frames + 1));
    policy_->resize(capacity);
    model_.resize(capacity);
    REQUIRE(policy_->capacity() == capacity);
  }
  void toggle_pins() {
    const std::size_t share = random_.below(5);  // Now and then all, or none.
    pinned_.clear();
    for (const auto& [key, frame] : frame_of_) {
      if (random_.below(4) < share) pinned_.insert(frame);
    }
  }
  void hint() {
    const auto frame = static_cast<FrameIndex>(random_.below(max_frames));
    policy_->ask_again(frame);
    model_.warm.ask_again(frame);
    model_.hot.ask_again(frame);
  }
  void rekey() {
    if (frame_of_.empty()) return;
    const FrameIndex frame = any_used();
    const std::uint64_t key = any_key();
    if (frame_of_.count(key) != 0) return;
    frame_of_.erase(model_.keys[frame]);
    frame_of_[key] = frame;
    model_.keys[frame] = key;
    policy_->rekey(frame, key);
  }
  void forget_ghosts() {
    policy_.policy().forget_ghosts();
    model_.forget_ghosts();
  }

  Random random_;
  OwnPolicy<Policy> policy_;
  typename ModelOf<Policy>::type model_;
  std::map<std::uint64_t, FrameIndex> frame_of_;
  std::set<FrameIndex> free_, pinned_;
  std::size_t evictions_ = 0;
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("Policy: any order of operations agrees with the plain model",
                        "[pool][policy][property]", AnyPolicy) {
  const auto seed = GENERATE(range(1U, 7U));
  CAPTURE(seed);
  Pair<TestType> pair(seed, 5 + seed * 5);
  for (int step = 0; step < 3000; ++step) {
    CAPTURE(step);
    pair.step();
    pair.compare();
  }
  REQUIRE(pair.evictions() > 500);
}

}  // namespace sqlitemem::tests
