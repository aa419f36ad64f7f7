// What 2Q does when pages come, go and come back.
#include "allocators/pool/policy/two_queue.h"

namespace sqlitemem {

void TwoQueue::start(const PolicyMemory& memory, std::uint32_t capacity) noexcept {
  start_queues(memory);
  ghosts_.start(memory.ghosts, memory.max_capacity);
  resize(capacity);
}

void TwoQueue::move_ghosts(const PolicyMemory& memory) noexcept {
  ghosts_.move(memory.ghosts, memory.max_capacity);
  max_capacity_ = memory.max_capacity;
}

void TwoQueue::resize(std::uint32_t capacity) noexcept {
  set_capacity(capacity);
  const std::uint64_t ghosts = std::uint64_t{capacity} * ghost_percent / 100;
  ghosts_.set_limit(static_cast<std::uint32_t>(ghosts));
}

bool TwoQueue::admit(FrameRecord& frame, std::uint64_t key_hash) noexcept {
  const bool was_here = ghosts_.take(GhostRing::fingerprint(key_hash));
  enter(was_here ? hot_ : warm_, frame, key_hash);
  return was_here;
}

void TwoQueue::remove(FrameRecord& frame, KeyMemory key_memory) noexcept {
  if (!knows(frame)) return;
  if (key_memory == KeyMemory::remember) ghosts_.push(fingerprint_of(frame));
  queue_of(frame).remove(frame);
}

std::optional<Violation> TwoQueue::find_violation() const {
  if (const auto broken = find_queue_violation()) return broken;
  return ghosts_.find_violation();
}

}  // namespace sqlitemem
