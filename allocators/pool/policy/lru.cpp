// LRU's bookkeeping of which pages were used again.
#include "allocators/pool/policy/lru.h"

namespace sqlitemem {

void Lru::start(const PolicyMemory& memory, std::uint32_t capacity) noexcept {
  start_table(memory);
  queue_.start(1);
  hot_ = {};
  set_capacity(capacity);
}

void Lru::on_reference(FrameIndex frame) noexcept {
  if (!knows(frame)) return;
  ReferenceMark& mark = records_[frame].mark;
  if (mark.value() == 0) {
    mark.raise();
    hot_.add(1);
  }
  queue_.make_newest(records_, frame, time_);
}

void Lru::remove(FrameIndex frame, KeyMemory /*key_memory*/) noexcept {
  if (knows(frame)) take_out(frame);
}

Tier Lru::tier(FrameIndex frame) const noexcept {
  if (!knows(frame)) return Tier::none;
  return records_[frame].mark.value() != 0 ? Tier::hot : Tier::warm;
}

std::optional<Violation> Lru::find_violation(FrameIndex frames) const {
  if (const auto broken = queue_.find_violation(records_, limit_of(frames))) return broken;
  std::uint32_t referenced = 0;
  for (FrameIndex at = queue_.oldest(); at != no_frame; at = records_[at].newer)
    referenced += records_[at].mark.value() != 0;
  if (referenced != counts().hot)
    return Violation{"hot pages are as many as counted", counts().hot, referenced};
  return find_table_violation(queue_.count(), frames);
}

}  // namespace sqlitemem
