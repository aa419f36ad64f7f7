// How ARC learns from ghosts that come back, and how many it keeps.
#include "allocators/pool/policy/arc.h"

#include <algorithm>

namespace sqlitemem {
namespace {

/// Where the second ring lies, behind the first.
void* second_block(const PolicyMemory& memory) noexcept {
  return static_cast<std::byte*>(memory.ghosts) + GhostRing::bytes_needed(memory.max_capacity);
}

}  // namespace

void Arc::start(const PolicyMemory& memory, std::uint32_t capacity) noexcept {
  start_queues(memory);
  once_ghosts_.start(memory.ghosts, memory.max_capacity);
  again_ghosts_.start(second_block(memory), memory.max_capacity);
  target_ = 0;
  resize(capacity);
}

void Arc::move_ghosts(const PolicyMemory& memory) noexcept {
  once_ghosts_.move(memory.ghosts, memory.max_capacity);
  again_ghosts_.move(second_block(memory), memory.max_capacity);
  max_capacity_ = memory.max_capacity;
}

void Arc::resize(std::uint32_t capacity) noexcept {
  set_capacity(capacity);
  target_ = std::min(target_, capacity);
  once_ghosts_.set_limit(capacity);
  again_ghosts_.set_limit(capacity);
  trim_ghosts();
}

bool Arc::admit(FrameRecord& frame, std::uint64_t key_hash) noexcept {
  const std::uint32_t fingerprint = GhostRing::fingerprint(key_hash);
  const std::uint32_t once = once_ghosts_.count();
  const std::uint32_t again = again_ghosts_.count();
  FrameQueue* queue = &hot_;
  if (once_ghosts_.take(fingerprint)) {
    target_ = std::min(capacity_, target_ + std::max(again / once, 1U));
  } else if (again_ghosts_.take(fingerprint)) {
    target_ -= std::min(target_, std::max(once / again, 1U));
  } else {
    queue = &warm_;
  }
  enter(*queue, frame, key_hash);
  trim_ghosts();
  return queue == &hot_;
}

void Arc::on_reference(FrameRecord& frame) noexcept {
  if (!knows(frame)) return;
  queue_of(frame).remove(frame);
  hot_.push_newest(frame, time_);
}

void Arc::remove(FrameRecord& frame, KeyMemory key_memory) noexcept {
  if (!knows(frame)) return;
  FrameQueue& queue = queue_of(frame);
  queue.remove(frame);
  if (key_memory == KeyMemory::remember) remember(queue, frame);
}

void Arc::remember(const FrameQueue& queue, const FrameRecord& frame) noexcept {
  ghosts_of(queue).push(fingerprint_of(frame));
  trim_ghosts();
}

void Arc::trim_ghosts() noexcept {
  const std::uint64_t capacity = capacity_;
  while (once_ghosts_.count() > 0 && warm_.count() + once_ghosts_.count() > capacity) {
    once_ghosts_.drop_oldest();
  }
  const std::uint64_t pages = std::uint64_t{warm_.count()} + hot_.count();
  while (again_ghosts_.count() > 0 && pages + ghost_count() > 2 * capacity) {
    again_ghosts_.drop_oldest();
  }
}

void Arc::forget_ghosts() noexcept {
  once_ghosts_.clear();
  again_ghosts_.clear();
}

std::optional<Violation> Arc::find_violation() const {
  if (const auto broken = find_queue_violation()) return broken;
  for (const GhostRing* ghosts : {&once_ghosts_, &again_ghosts_}) {
    if (const auto broken = ghosts->find_violation()) return broken;
  }
  if (target_ > capacity_) return Violation{"the target is possible", capacity_, target_};
  const std::uint64_t once = std::uint64_t{warm_.count()} + once_ghosts_.count();
  if (once_ghosts_.count() > 0 && once > capacity_) {
    return Violation{"once + its ghosts <= capacity", capacity_, once};
  }
  const std::uint64_t all = std::uint64_t{warm_.count()} + hot_.count() + ghost_count();
  if (again_ghosts_.count() > 0 && all > 2 * std::uint64_t{capacity_}) {
    return Violation{"pages + ghosts <= 2 × capacity", 2 * std::uint64_t{capacity_}, all};
  }
  return std::nullopt;
}

}  // namespace sqlitemem
