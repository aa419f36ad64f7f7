// Replays a trace through an eviction policy, or through Belady's optimum.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "allocators/pool/policy/indexed_policy.h"
#include "allocators/pool/policy/policies.h"
#include "bench/pool/trace.h"

namespace sqlitemem::bench {

struct ReplayResult {
  std::uint64_t hits = 0;
  std::uint64_t references = 0;
  [[nodiscard]] std::uint64_t misses() const { return references - hits; }
  [[nodiscard]] double hit_percent() const {
    return 100.0 * static_cast<double>(hits) / static_cast<double>(references);
  }
};

/// A policy with memory of its own.
template <class Policy>
class OwnedPolicy {
 public:
  explicit OwnedPolicy(std::uint32_t capacity)
      : block_(std::aligned_alloc(64, IndexedPolicy<Policy>::bytes_needed(capacity))) {
    if (block_ == nullptr) std::abort();
    std::fill_n(static_cast<std::byte*>(block_.get()),
                IndexedPolicy<Policy>::bytes_needed(capacity), std::byte{});
    policy_.start(block_.get(), capacity, capacity);
  }
  IndexedPolicy<Policy>& operator*() { return policy_; }
  IndexedPolicy<Policy>* operator->() { return &policy_; }

 private:
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };
  std::unique_ptr<void, Free> block_;
  IndexedPolicy<Policy> policy_;
};

/// A pool of `capacity` frames without data, driven by a trace.
template <class Policy>
class Replay {
 public:
  Replay(const Trace& trace, std::uint32_t capacity)
      : trace_(trace), policy_(capacity), frame_of_page_(trace.page_count(), no_frame) {
    for (FrameIndex frame = capacity; frame > 0; --frame) free_.push_back(frame - 1);
    page_of_frame_.resize(capacity);
  }

  ReplayResult run() {
    for (const TraceEvent event : trace_.events) {
      if (event.is_drop()) {
        drop(trace_.drops[event.number()]);
      } else {
        refer(event.number());
      }
    }
    return result_;
  }
  Policy& policy() { return policy_->policy(); }

 private:
  void refer(std::uint32_t page) {
    ++result_.references;
    if (frame_of_page_[page] != no_frame) {
      ++result_.hits;
      policy_->on_reference(frame_of_page_[page]);
      return;
    }
    FrameIndex frame = no_frame;
    if (free_.empty()) {
      frame = policy_->choose_victim([](FrameIndex) { return true; });
      if (frame == no_frame) std::abort();
      frame_of_page_[page_of_frame_[frame]] = no_frame;
    } else {
      frame = free_.back();
      free_.pop_back();
    }
    policy_->admit(frame, trace_.key_hashes[page]);
    frame_of_page_[page] = frame;
    page_of_frame_[frame] = page;
  }
  void drop(const Trace::Drop& drop) {
    const KeyMemory memory = drop.is_reset ? KeyMemory::remember : KeyMemory::forget;
    for (const std::uint32_t page : drop.pages) {
      const FrameIndex frame = frame_of_page_[page];
      if (frame == no_frame) continue;
      policy_->remove(frame, memory);
      frame_of_page_[page] = no_frame;
      free_.push_back(frame);
    }
  }

  const Trace& trace_;
  OwnedPolicy<Policy> policy_;
  std::vector<FrameIndex> frame_of_page_;
  std::vector<FrameIndex> free_;
  std::vector<std::uint32_t> page_of_frame_;
  ReplayResult result_;
};

template <class Policy>
ReplayResult replay(const Trace& trace, std::uint32_t capacity) {
  return Replay<Policy>(trace, capacity).run();
}

/// Evicts the page whose next use is farthest away: no policy can have fewer misses.
ReplayResult replay_optimum(const Trace& trace, std::uint32_t capacity);

}  // namespace sqlitemem::bench
