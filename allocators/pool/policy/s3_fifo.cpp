// What S3-FIFO does when pages come, go and come back.
#include "allocators/pool/policy/s3_fifo.h"

#include <algorithm>

namespace sqlitemem {

void S3Fifo::start(const PolicyMemory& memory, std::uint32_t capacity) noexcept {
  start_queues(memory);
  ghosts_.start(memory.ghosts, memory.max_capacity);
  tuning_ = Tuning();
  resize(capacity);
}

void S3Fifo::move_ghosts(const PolicyMemory& memory) noexcept {
  ghosts_.move(memory.ghosts, memory.max_capacity);
  max_capacity_ = memory.max_capacity;
}

void S3Fifo::resize(std::uint32_t capacity) noexcept {
  set_capacity(capacity);
  const std::uint64_t ghosts = std::uint64_t{capacity} * tuning_.ghost_percent / 100;
  ghosts_.set_limit(static_cast<std::uint32_t>(std::min<std::uint64_t>(ghosts, max_capacity_)));
}

void S3Fifo::tune(const Tuning& tuning) noexcept {
  SQLITEMEM_CHECK(tuning.small_percent <= 100, tuning.small_percent, 100);
  tuning_ = tuning;
  resize(capacity_);
}

void S3Fifo::remove(FrameRecord& frame, KeyMemory key_memory) noexcept {
  if (!knows(frame)) return;
  if (key_memory == KeyMemory::remember) ghosts_.push(fingerprint_of(frame));
  queue_of(frame).remove(frame);
  frame.mark.clear();
}

std::optional<Violation> S3Fifo::find_violation() const {
  if (const auto broken = find_queue_violation()) return broken;
  return ghosts_.find_violation();
}

}  // namespace sqlitemem
