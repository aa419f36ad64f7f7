// What 2Q does when pages come, go and come back.
#include "allocators/pool/policy/two_queue.h"

namespace sqlitemem {

void TwoQueue::start(const PolicyMemory& memory, std::uint32_t capacity) noexcept {
  *this = TwoQueue();
  MemoryCutter cutter(memory);
  start_queues(cutter, memory.max_frames);
  ghosts_.start(cutter.take<void>(GhostRing::bytes_needed(max_frames_)), max_frames_);
  resize(capacity);
}

void TwoQueue::resize(std::uint32_t capacity) noexcept {
  set_capacity(capacity);
  const std::uint64_t ghosts = std::uint64_t{capacity} * ghost_percent / 100;
  ghosts_.set_limit(static_cast<std::uint32_t>(ghosts));
}

void TwoQueue::admit(FrameIndex frame, std::uint64_t key_hash) noexcept {
  const bool was_here = ghosts_.take(GhostRing::fingerprint(key_hash));
  enter(was_here ? hot_ : warm_, frame, key_hash);
}

void TwoQueue::remove(FrameIndex frame, KeyMemory key_memory) noexcept {
  if (!knows(frame)) return;
  if (key_memory == KeyMemory::remember) ghosts_.push(links(frame).fingerprint);
  queue_of(links(frame).queue).remove(frame);
}

void TwoQueue::take_back(FrameIndex frame) noexcept {
  FrameQueue& queue = queue_of(links(frame).last_queue);
  if (&queue == &warm_) ghosts_.take(links(frame).fingerprint);
  queue.push_newest(frame);
}

std::optional<Violation> TwoQueue::find_violation() const {
  if (const auto broken = find_queue_violation()) return broken;
  return ghosts_.find_violation();
}

}  // namespace sqlitemem
