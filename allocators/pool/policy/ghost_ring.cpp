// A ring of fingerprints with a hash index over it.
#include "allocators/pool/policy/ghost_ring.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "allocators/base/bytes.h"

namespace sqlitemem {

std::size_t GhostRing::bytes_needed(std::uint32_t max_limit) noexcept {
  const std::size_t slots = max_limit;
  return round_up(slots * sizeof(Slot), 64) +
         round_up(std::bit_ceil(slots + 1) * sizeof(std::uint32_t), 64);
}

void GhostRing::start(void* block, std::uint32_t max_limit) noexcept {
  *this = GhostRing();
  max_limit_ = max_limit;
  slots_ = static_cast<Slot*>(block);
  const std::size_t slot_bytes = round_up(std::size_t{max_limit} * sizeof(Slot), 64);
  void* behind = static_cast<std::byte*>(block) + slot_bytes;
  buckets_ = static_cast<std::uint32_t*>(behind);
}

void GhostRing::set_limit(std::uint32_t limit) noexcept {
  SQLITEMEM_CHECK(limit <= max_limit_, limit, max_limit_);
  limit_ = limit;
  while (span_ > limit_) drop_slot();
  if (limit_ > slots_used_) {
    grow(static_cast<std::uint32_t>(
        std::min<std::uint64_t>(max_limit_, std::uint64_t{limit_} + limit_ / 4)));
  }
}

void GhostRing::grow(std::uint32_t slots_used) noexcept {
  std::rotate(slots_, slots_ + oldest_, slots_ + slots_used_);
  oldest_ = 0;
  slots_used_ = slots_used;
  const std::uint32_t buckets = std::bit_ceil(slots_used);
  bucket_mask_ = buckets - 1;
  std::memset(buckets_, 0, buckets * sizeof(std::uint32_t));
  for (std::uint32_t at = 0; at < span_; ++at) {
    if (slots_[at].fingerprint == 0) continue;
    std::uint32_t& newest = bucket(slots_[at].fingerprint);
    slots_[at].older = newest;
    newest = at + 1;
  }
}

void GhostRing::push(std::uint32_t fingerprint) noexcept {
  if (limit_ == 0) return;
  if (span_ == limit_) drop_slot();
  const std::uint32_t at = index(span_);
  std::uint32_t& newest = bucket(fingerprint);
  slots_[at] = {.fingerprint = fingerprint, .older = newest};
  newest = at + 1;
  ++span_;
  ++count_;
}

bool GhostRing::take(std::uint32_t fingerprint) noexcept {
  if (count_ == 0) return false;
  for (std::uint32_t* link = &bucket(fingerprint); *link != 0; link = &slots_[*link - 1].older) {
    Slot& slot = slots_[*link - 1];
    if (slot.fingerprint != fingerprint) continue;
    *link = slot.older;
    slot.fingerprint = 0;
    --count_;
    return true;
  }
  return false;
}

void GhostRing::drop_slot() noexcept {
  const Slot& slot = slots_[oldest_];
  if (slot.fingerprint != 0) {
    // It is the last of its chain.
    std::uint32_t* link = &bucket(slot.fingerprint);
    while (*link != oldest_ + 1) link = &slots_[*link - 1].older;
    *link = 0;
    --count_;
  }
  oldest_ = index(1);
  --span_;
}

void GhostRing::drop_oldest() noexcept {
  SQLITEMEM_CHECK(count_ > 0, count_, 0);
  const std::uint32_t before = count_;
  while (count_ == before) drop_slot();
}

void GhostRing::clear() noexcept {
  while (count_ > 0) drop_slot();
  span_ = 0;
  oldest_ = 0;
}

std::optional<Violation> GhostRing::find_violation() const {
  if (limit_ > slots_used_) return Violation{"limit <= slots in use", slots_used_, limit_};
  if (span_ > limit_) return Violation{"span <= limit", limit_, span_};
  std::uint32_t fingerprints = 0;
  for (std::uint32_t age = 0; age < span_; ++age) {
    fingerprints += slots_[index(age)].fingerprint != 0 ? 1 : 0;
  }
  if (fingerprints != count_)
    return Violation{"ghosts are as many as counted", count_, fingerprints};
  if (slots_used_ == 0) return std::nullopt;
  std::uint32_t chained = 0;
  for (std::uint32_t number = 0; number <= bucket_mask_; ++number) {
    std::uint32_t newer_age = span_;
    for (std::uint32_t at = buckets_[number]; at != 0; at = slots_[at - 1].older) {
      const std::uint32_t slot = at - 1;
      const std::uint32_t age = slot >= oldest_ ? slot - oldest_ : slot + slots_used_ - oldest_;
      if (age >= newer_age) return Violation{"chains go from new to old", newer_age, age};
      newer_age = age;
      const std::uint32_t home = slots_[slot].fingerprint & bucket_mask_;
      if (home != number) return Violation{"a ghost is in its own chain", home, number};
      if (slots_[slot].fingerprint == 0) return Violation{"chains hold no taken slot", 1, 0};
      ++chained;
    }
  }
  if (chained != count_) return Violation{"every ghost is in a chain", count_, chained};
  return std::nullopt;
}

}  // namespace sqlitemem
