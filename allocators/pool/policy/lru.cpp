// LRU's bookkeeping of which pages were used again.
#include "allocators/pool/policy/lru.h"

namespace sqlitemem {

void Lru::start(const PolicyMemory& memory, std::uint32_t capacity) noexcept {
  start_table(memory);
  queue_.start(1);
  hot_ = 0;
  set_capacity(capacity);
}

void Lru::on_reference(FrameRecord& frame) noexcept {
  if (!knows(frame)) return;
  if (frame.mark.value() == 0) {
    frame.mark.raise();
    hot_.add(1);
  }
  queue_.make_newest(frame, time_);
}

void Lru::remove(FrameRecord& frame, KeyMemory /*key_memory*/) noexcept {
  if (knows(frame)) take_out(frame);
}

Tier Lru::tier(const FrameRecord& frame) const noexcept {
  if (!knows(frame)) return Tier::none;
  return frame.mark.value() != 0 ? Tier::hot : Tier::warm;
}

std::optional<Violation> Lru::find_violation() const {
  if (const auto broken = queue_.find_violation()) return broken;
  std::uint32_t marked = 0;
  for (const FrameRecord* at = queue_.oldest(); at != nullptr; at = at->newer)
    marked += at->mark.value() != 0;
  if (marked != hot_.value())
    return Violation{"hot pages are as many as counted", hot_.value(), marked};
  return std::nullopt;
}

}  // namespace sqlitemem
