// The eviction policies once more, written plainly over standard containers, to compare with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "allocators/pool/policy/indexed_policy.h"
#include "allocators/pool/policy/policies.h"
#include "tests/pool_ghost_models.h"

namespace sqlitemem::tests {

using IsEvictable = std::function<bool(FrameIndex)>;

/// Frames, oldest first. The search is described at FrameQueue: `passed` frames from the old end
/// were refused; two of them are asked again in each search, in turn.
class ModelQueue {
 public:
  [[nodiscard]] std::size_t count() const { return frames_.size(); }
  [[nodiscard]] bool holds(FrameIndex frame) const { return place(frame) < frames_.size(); }
  void push(FrameIndex frame) { frames_.push_back(frame); }
  void remove(FrameIndex frame) {
    const std::size_t at = place(frame);
    frames_.erase(frames_.begin() + static_cast<std::ptrdiff_t>(at));
    if (at < passed_) --passed_;
    if (again_ && at < *again_) --*again_;
    if (again_ && *again_ >= passed_) again_.reset();
  }
  void to_newest(FrameIndex frame) {
    if (frames_.back() == frame) return;
    remove(frame);
    push(frame);
  }
  std::optional<FrameIndex> find(const IsEvictable& is_evictable) {
    for (int left = 2; left > 0 && passed_ > 0; --left) {
      if (!again_) again_ = 0;
      if (is_evictable(frames_[*again_])) return frames_[*again_];
      if (++*again_ == passed_) again_.reset();
    }
    for (; passed_ < frames_.size(); ++passed_) {
      if (is_evictable(frames_[passed_])) return frames_[passed_];
    }
    return std::nullopt;
  }
  void search_all() { passed_ = 0, again_.reset(); }
  void ask_again(FrameIndex frame) {
    if (place(frame) < passed_) again_ = place(frame);
  }

 private:
  [[nodiscard]] std::size_t place(FrameIndex frame) const {
    return static_cast<std::size_t>(std::find(frames_.begin(), frames_.end(), frame) -
                                    frames_.begin());
  }
  std::vector<FrameIndex> frames_;
  std::size_t passed_ = 0;
  std::optional<std::size_t> again_;
};

/// Two queues and what a policy does with them. `Rules` says which queue is next, and so on.
class ModelPolicy {
 public:
  virtual ~ModelPolicy() = default;
  virtual void resize(std::size_t capacity) = 0;
  virtual void admit(FrameIndex frame, std::uint64_t key) = 0;
  virtual void reference(FrameIndex frame) = 0;
  virtual std::optional<FrameIndex> next_victim(const IsEvictable& is_evictable) = 0;
  virtual void remember(bool was_hot, std::uint64_t key) = 0;
  [[nodiscard]] virtual std::size_t ghost_count() const = 0;
  virtual void forget_ghosts() = 0;
  [[nodiscard]] virtual Tier tier(FrameIndex frame) const {
    return warm.holds(frame) ? Tier::warm : hot.holds(frame) ? Tier::hot : Tier::none;
  }

  FrameIndex choose(const IsEvictable& is_evictable) {
    const auto victim = next_victim(is_evictable);
    if (victim) return *victim;
    warm.search_all(), hot.search_all();
    return next_victim(is_evictable).value_or(no_frame);
  }
  virtual void remove(FrameIndex frame, KeyMemory memory) {
    if (tier(frame) == Tier::none) return;
    ModelQueue& queue = warm.holds(frame) ? warm : hot;
    const bool was_hot = &queue == &hot;
    queue.remove(frame);
    if (memory == KeyMemory::remember) remember(was_hot, keys[frame]);
  }

  ModelQueue warm, hot;
  std::map<FrameIndex, std::uint64_t> keys;
  std::map<FrameIndex, bool> left_hot;

 protected:
  std::optional<FrameIndex> find(bool warm_first, const IsEvictable& is_evictable) {
    const auto found = (warm_first ? warm : hot).find(is_evictable);
    return found ? found : (warm_first ? hot : warm).find(is_evictable);
  }
  FrameIndex evict(FrameIndex frame) {
    left_hot[frame] = hot.holds(frame);
    (left_hot[frame] ? hot : warm).remove(frame);
    return frame;
  }
};

class ModelLru final : public ModelPolicy {
 public:
  void resize(std::size_t) override {}
  void admit(FrameIndex frame, std::uint64_t) override { warm.push(frame), used_[frame] = false; }
  void reference(FrameIndex frame) override { warm.to_newest(frame), used_[frame] = true; }
  std::optional<FrameIndex> next_victim(const IsEvictable& is_evictable) override {
    const auto found = warm.find(is_evictable);
    return found ? std::optional(evict(*found)) : found;
  }
  void remember(bool, std::uint64_t) override {}
  [[nodiscard]] std::size_t ghost_count() const override { return 0; }
  void forget_ghosts() override {}
  [[nodiscard]] Tier tier(FrameIndex frame) const override {
    if (!warm.holds(frame)) return Tier::none;
    return used_.at(frame) ? Tier::hot : Tier::warm;
  }

 private:
  std::map<FrameIndex, bool> used_;
};

class ModelTwoQueue final : public ModelPolicy {
 public:
  void resize(std::size_t capacity) override { ghosts_.set_limit(capacity / 2); }
  void admit(FrameIndex frame, std::uint64_t key) override {
    (ghosts_.take(key) ? hot : warm).push(frame);
  }
  void reference(FrameIndex frame) override {
    if (hot.holds(frame)) hot.to_newest(frame);
  }
  std::optional<FrameIndex> next_victim(const IsEvictable& is_evictable) override {
    const auto found = find(4 * warm.count() > warm.count() + hot.count(), is_evictable);
    if (!found) return found;
    evict(*found);
    remember(left_hot[*found], keys[*found]);
    return found;
  }
  void remember(bool was_hot, std::uint64_t key) override {
    if (!was_hot) ghosts_.push(key);
  }
  void remove(FrameIndex frame, KeyMemory memory) override {
    if (tier(frame) == Tier::none) return;
    (warm.holds(frame) ? warm : hot).remove(frame);
    if (memory == KeyMemory::remember) ghosts_.push(keys[frame]);
  }
  [[nodiscard]] std::size_t ghost_count() const override { return ghosts_.count(); }
  void forget_ghosts() override { ghosts_.clear(); }

 private:
  ModelGhosts ghosts_;
};

class ModelS3Fifo final : public ModelPolicy {
 public:
  void resize(std::size_t capacity) override { ghosts_.set_limit(capacity * 9 / 10); }
  void admit(FrameIndex frame, std::uint64_t key) override {
    (ghosts_.take(key) ? hot : warm).push(frame);
    marks_[frame] = 0;
  }
  void reference(FrameIndex frame) override { marks_[frame] = std::min(marks_[frame] + 1, 3); }
  std::optional<FrameIndex> next_victim(const IsEvictable& is_evictable) override {
    while (true) {
      const auto found = find(10 * warm.count() > warm.count() + hot.count(), is_evictable);
      if (!found) return found;
      if (warm.holds(*found) && marks_[*found] >= 2) {
        warm.remove(*found);
        hot.push(*found);
        marks_[*found] = 0;
      } else if (hot.holds(*found) && marks_[*found] > 0) {
        --marks_[*found];
        hot.to_newest(*found);
      } else {
        evict(*found);
        marks_[*found] = 0;
        remember(left_hot[*found], keys[*found]);
        return found;
      }
    }
  }
  void remember(bool was_hot, std::uint64_t key) override {
    if (!was_hot) ghosts_.push(key);
  }
  void remove(FrameIndex frame, KeyMemory memory) override {
    if (tier(frame) == Tier::none) return;
    (warm.holds(frame) ? warm : hot).remove(frame);
    if (memory == KeyMemory::remember) ghosts_.push(keys[frame]);
  }
  [[nodiscard]] std::size_t ghost_count() const override { return ghosts_.count(); }
  void forget_ghosts() override { ghosts_.clear(); }

 private:
  ModelGhostTable ghosts_;
  std::map<FrameIndex, int> marks_;
};

class ModelArc final : public ModelPolicy {
 public:
  void resize(std::size_t capacity) override {
    capacity_ = capacity;
    target_ = std::min(target_, capacity);
    warm_ghosts_.set_limit(capacity), hot_ghosts_.set_limit(capacity);
    trim();
  }
  void admit(FrameIndex frame, std::uint64_t key) override {
    const std::size_t once = warm_ghosts_.count();
    const std::size_t again = hot_ghosts_.count();
    if (warm_ghosts_.take(key)) {
      target_ = std::min(capacity_, target_ + std::max<std::size_t>(again / once, 1));
      hot.push(frame);
    } else if (hot_ghosts_.take(key)) {
      target_ -= std::min(target_, std::max<std::size_t>(once / again, 1));
      hot.push(frame);
    } else {
      warm.push(frame);
    }
    trim();
  }
  void reference(FrameIndex frame) override {
    (warm.holds(frame) ? warm : hot).remove(frame);
    hot.push(frame);
  }
  std::optional<FrameIndex> next_victim(const IsEvictable& is_evictable) override {
    const auto found = find(warm.count() > target_, is_evictable);
    if (!found) return found;
    evict(*found);
    remember(left_hot[*found], keys[*found]);
    return found;
  }
  void remember(bool was_hot, std::uint64_t key) override {
    (was_hot ? hot_ghosts_ : warm_ghosts_).push(key);
    trim();
  }
  [[nodiscard]] std::size_t ghost_count() const override {
    return warm_ghosts_.count() + hot_ghosts_.count();
  }
  void forget_ghosts() override { warm_ghosts_.clear(), hot_ghosts_.clear(); }

 private:
  void trim() {
    while (warm_ghosts_.count() > 0 && warm.count() + warm_ghosts_.count() > capacity_) {
      warm_ghosts_.drop_oldest();
    }
    while (hot_ghosts_.count() > 0 && warm.count() + hot.count() + ghost_count() > 2 * capacity_) {
      hot_ghosts_.drop_oldest();
    }
  }
  ModelGhosts warm_ghosts_, hot_ghosts_;
  std::size_t capacity_ = 0, target_ = 0;
};

/// The model of each policy.
template <class Policy>
struct ModelOf;
template <>
struct ModelOf<Lru> {
  using type = ModelLru;
};
template <>
struct ModelOf<TwoQueue> {
  using type = ModelTwoQueue;
};
template <>
struct ModelOf<S3Fifo> {
  using type = ModelS3Fifo;
};
template <>
struct ModelOf<Arc> {
  using type = ModelArc;
};

/// Zeroed memory for one policy, as long as it lives.
template <class Policy>
class OwnPolicy {
 public:
  OwnPolicy(FrameIndex max_frames, std::uint32_t capacity)
      : max_frames_(max_frames),
        lines_((IndexedPolicy<Policy>::bytes_needed(max_frames) + 63) / 64) {
    policy_.start(lines_.data(), max_frames, capacity);
  }
  OwnPolicy(const OwnPolicy&) = delete;
  OwnPolicy& operator=(const OwnPolicy&) = delete;
  Policy& policy() { return policy_.policy(); }
  IndexedPolicy<Policy>& operator*() { return policy_; }
  IndexedPolicy<Policy>* operator->() { return &policy_; }
  /// The ghosts get other memory, as a page cache gives them when it grows.
  void move_ghosts() {
    std::vector<Line> ghosts((Policy::bytes_needed(max_frames_) + 63) / 64);
    policy().move_ghosts({.ghosts = ghosts.data(), .max_capacity = max_frames_});
    ghosts_ = std::move(ghosts);
  }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  FrameIndex max_frames_;
  std::vector<Line> lines_, ghosts_;
  IndexedPolicy<Policy> policy_;
};

}  // namespace sqlitemem::tests
