// What S3-FIFO does when pages come, go and come back.
#include "allocators/pool/policy/s3_fifo.h"

#include <algorithm>

namespace sqlitemem {

std::size_t S3Fifo::bytes_needed(std::uint32_t max_frames) noexcept {
  return table_bytes(max_frames) + MemoryCutter::rounded(max_frames) +
         GhostTable::bytes_needed(max_frames);
}

void S3Fifo::start(const PolicyMemory& memory, std::uint32_t capacity) noexcept {
  *this = S3Fifo();
  MemoryCutter cutter(memory);
  start_queues(cutter, memory.max_frames);
  marks_ = cutter.take<ReferenceMark>(memory.max_frames);
  ghosts_.start(cutter.take<void>(GhostTable::bytes_needed(max_frames_)), max_frames_);
  resize(capacity);
}

void S3Fifo::resize(std::uint32_t capacity) noexcept {
  set_capacity(capacity);
  const std::uint64_t ghosts = std::uint64_t{capacity} * tuning_.ghost_percent / 100;
  ghosts_.set_limit(static_cast<std::uint32_t>(std::min<std::uint64_t>(ghosts, max_frames_)));
}

void S3Fifo::tune(const Tuning& tuning) noexcept {
  SQLITEMEM_CHECK(tuning.small_percent <= 100, tuning.small_percent, 100);
  tuning_ = tuning;
  resize(capacity_);
}

void S3Fifo::remove(FrameIndex frame, KeyMemory key_memory) noexcept {
  if (!knows(frame)) return;
  if (key_memory == KeyMemory::remember) ghosts_.push(links(frame).fingerprint);
  queue_of(links(frame).queue).remove(frame);
  marks_[frame].clear();
}

void S3Fifo::take_back(FrameIndex frame) noexcept {
  FrameQueue& queue = queue_of(links(frame).last_queue);
  if (&queue == &warm_ || tuning_.remembers_main) ghosts_.take(links(frame).fingerprint);
  queue.push_newest(frame);
}

std::optional<Violation> S3Fifo::find_violation() const {
  if (const auto broken = find_queue_violation()) return broken;
  return ghosts_.find_violation();
}

}  // namespace sqlitemem
