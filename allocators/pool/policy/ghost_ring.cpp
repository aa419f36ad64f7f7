// A ring of fingerprints with a hash index over it.
#include "allocators/pool/policy/ghost_ring.h"

#include <algorithm>
#include <bit>

#include "allocators/base/bytes.h"

namespace sqlitemem {

std::size_t GhostRing::bytes_needed(std::uint32_t max_limit) noexcept {
  if (max_limit == 0) return 0;
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

void GhostRing::move(void* block, std::uint32_t max_limit) noexcept {
  const GhostRing before = *this;
  start(block, max_limit);
  next_ = before.next_ - before.span_;
  set_limit(before.limit_);
  // Gaps, too: what was taken out still counts as an eviction.
  for (std::uint32_t at = 0; at < before.span_; ++at) {
    const std::uint32_t fingerprint = before.slot(at).fingerprint;
    if (fingerprint != 0) {
      push(fingerprint);
    } else {
      slot(span_++) = {};
      ++next_;
    }
  }
}

void GhostRing::grow(std::uint32_t slots_used) noexcept {
  std::rotate(slots_, slots_ + oldest_, slots_ + slots_used_);
  oldest_ = 0;
  slots_used_ = slots_used;
  const std::uint32_t buckets = std::bit_ceil(slots_used);
  bucket_mask_ = buckets - 1;
  // All numbers in the buckets are forgotten ones, until they are set anew.
  std::fill_n(buckets_, buckets, next_ - span_ - 1);
  for (std::uint32_t at = 0; at < span_; ++at) {
    if (slots_[at].fingerprint == 0) continue;
    std::uint32_t& latest = bucket(slots_[at].fingerprint);
    slots_[at].before = latest;
    latest = next_ - span_ + at;
  }
}

void GhostRing::drop_oldest() noexcept {
  SQLITEMEM_CHECK(count() > 0, count(), 0);
  const std::uint32_t before = count();
  while (count() == before) drop_slot();
}

void GhostRing::clear() noexcept {
  while (count() > 0) drop_slot();
  span_ = 0;
}

std::optional<Violation> GhostRing::find_violation() const {
  if (limit_ > slots_used_) return Violation{"limit <= slots in use", slots_used_, limit_};
  if (span_ > limit_) return Violation{"span <= limit", limit_, span_};
  std::uint32_t fingerprints = 0;
  for (std::uint32_t at = 0; at < span_; ++at) {
    const std::uint32_t fingerprint = slot(at).fingerprint;
    if (fingerprint == 0) continue;
    ++fingerprints;
    std::uint32_t now = age(bucket(fingerprint));
    std::uint32_t last = 0;
    while (now > last && now < span_ - at) {
      last = now;
      now = age(slot(span_ - now).before);
    }
    if (now != span_ - at) return Violation{"every ghost is reached", span_ - at, now};
  }
  if (fingerprints != count()) {
    return Violation{"ghosts are as many as counted", count(), fingerprints};
  }
  return std::nullopt;
}

}  // namespace sqlitemem
