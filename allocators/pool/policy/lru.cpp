// LRU's bookkeeping of which pages were used again.
#include "allocators/pool/policy/lru.h"

namespace sqlitemem {

void Lru::start(const PolicyMemory& memory, std::uint32_t capacity) noexcept {
  *this = Lru();
  MemoryCutter cutter(memory);
  start_table(cutter, memory.max_frames);
  queue_.start(links_, 1);
  set_capacity(capacity);
}

void Lru::on_reference(FrameIndex frame) noexcept {
  if (!knows(frame)) return;
  if (!links(frame).is_referenced) ++hot_;
  links(frame).is_referenced = true;
  queue_.make_newest(frame);
}

void Lru::remove(FrameIndex frame, KeyMemory /*key_memory*/) noexcept {
  if (!knows(frame)) return;
  if (links(frame).is_referenced) --hot_;
  queue_.remove(frame);
}

void Lru::take_back(FrameIndex frame) noexcept {
  if (links(frame).is_referenced) ++hot_;
  queue_.push_newest(frame);
}

Tier Lru::tier(FrameIndex frame) const noexcept {
  if (!knows(frame)) return Tier::none;
  return links(frame).is_referenced ? Tier::hot : Tier::warm;
}

std::optional<Violation> Lru::find_violation() const {
  if (const auto broken = queue_.find_violation(max_frames_)) return broken;
  std::uint32_t referenced = 0;
  for (FrameIndex frame = 0; frame < max_frames_; ++frame) {
    referenced += tier(frame) == Tier::hot ? 1 : 0;
  }
  if (referenced != hot_) return Violation{"hot pages are as many as counted", hot_, referenced};
  return find_table_violation(queue_.count());
}

}  // namespace sqlitemem
