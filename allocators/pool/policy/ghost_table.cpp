// Resizing, clearing and checking the table of fingerprints.
#include "allocators/pool/policy/ghost_table.h"

#include <algorithm>

namespace sqlitemem {

void GhostTable::start(void* block, std::uint32_t max_limit) noexcept {
  *this = GhostTable();
  max_limit_ = max_limit;
  buckets_ = static_cast<Bucket*>(block);
}

/// Requires that no bucket between the old and the new place of a fingerprint is still to be moved.
void GhostTable::move_out_of(std::uint32_t number) noexcept {
  const Bucket old = buckets_[number];
  buckets_[number] = Bucket{};
  for (std::uint32_t at = bucket_places; at > 0; --at) {
    const std::uint32_t fingerprint = old.places[at - 1];
    if (fingerprint == 0) continue;
    count_.add(-1);
    push(fingerprint);
  }
}

void GhostTable::set_limit(std::uint32_t limit) noexcept {
  SQLITEMEM_CHECK(limit <= max_limit_, limit, max_limit_);
  if (limit == 0) clear();
  const std::uint32_t before = bucket_count_, places = places_;
  limit_ = limit;
  places_ = std::min(limit, bucket_places);
  bucket_count_ = buckets_of(limit);
  // Where nothing is remembered, every place is empty.
  if (count() == 0 || (bucket_count_ == before && places_ >= places)) return;
  // With more buckets none moves down, with fewer none moves up.
  if (bucket_count_ > before) {
    for (std::uint32_t number = before; number > 0; --number) move_out_of(number - 1);
  } else {
    for (std::uint32_t number = 0; number < before; ++number) move_out_of(number);
  }
}

void GhostTable::move(void* block, std::uint32_t max_limit) noexcept {
  auto* buckets = static_cast<Bucket*>(block);
  if (count() != 0) std::copy_n(buckets_, bucket_count_, buckets);
  buckets_ = buckets;
  max_limit_ = max_limit;
}

void GhostTable::clear() noexcept {
  if (count() == 0) return;
  std::fill_n(buckets_, bucket_count_, Bucket{});
  count_ = 0;
}

std::optional<Violation> GhostTable::find_violation() const {
  if (std::uint64_t{bucket_count_} * places_ > limit_) {
    return Violation{"places <= limit", limit_, std::uint64_t{bucket_count_} * places_};
  }
  std::uint32_t fingerprints = 0;
  for (std::uint32_t number = 0; limit_ != 0 && number < bucket_count_; ++number) {
    for (std::uint32_t at = 0; at < bucket_places; ++at) {
      const std::uint32_t fingerprint = buckets_[number].places[at];
      if (fingerprint == 0) continue;
      ++fingerprints;
      const auto home = static_cast<std::uint64_t>(&bucket_of(fingerprint) - buckets_);
      if (home != number) return Violation{"a ghost is in its own bucket", home, number};
      if (at >= places_) return Violation{"places that are left out are empty", places_, at};
    }
  }
  if (fingerprints != count()) {
    return Violation{"ghosts are as many as counted", count(), fingerprints};
  }
  return std::nullopt;
}

}  // namespace sqlitemem
