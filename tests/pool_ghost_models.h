// What policies remember of evicted pages, written plainly over standard containers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace sqlitemem::tests {

/// The latest `limit` evictions, oldest first; what was taken out leaves a gap that still counts.
class ModelGhosts {
 public:
  void set_limit(std::size_t limit) {
    limit_ = limit;
    while (keys_.size() > limit_) keys_.pop_front();
  }
  void push(std::uint64_t key) {
    keys_.push_back(key);
    if (keys_.size() > limit_) keys_.pop_front();
  }
  bool take(std::uint64_t key) {
    const auto found = std::find(keys_.rbegin(), keys_.rend(), std::optional(key));
    if (found == keys_.rend()) return false;
    found->reset();
    return true;
  }
  void drop_oldest() {
    while (!keys_.front()) keys_.pop_front();
    keys_.pop_front();
  }
  void clear() { keys_.clear(); }
  [[nodiscard]] std::size_t count() const {
    return static_cast<std::size_t>(
        std::count_if(keys_.begin(), keys_.end(), [](const auto& key) { return key.has_value(); }));
  }

 private:
  std::deque<std::optional<std::uint64_t>> keys_;
  std::size_t limit_ = 0;
};

/// Buckets of 16 fingerprints, the newest first; what was taken out leaves a gap that still counts.
class ModelGhostTable {
 public:
  void set_limit(std::size_t limit) {
    const std::size_t before = buckets_.size(), places = places_;
    const auto old = buckets_;
    places_ = std::min<std::size_t>(limit, 16);
    const std::size_t now = std::max<std::size_t>(limit / 16, 1);
    if (now == before && places_ >= places) return;
    buckets_.assign(now, {});
    for (std::size_t i = 0; i < before; ++i) {
      const Bucket& bucket = old[now > before ? before - 1 - i : i];
      for (auto each = bucket.rbegin(); each != bucket.rend(); ++each) {
        if (*each) put(**each);
      }
    }
  }
  void push(std::uint64_t key) { put(fingerprint(key)); }
  bool take(std::uint64_t key) {
    Bucket& bucket = bucket_of(fingerprint(key));
    const auto found = std::find(bucket.begin(), bucket.end(), std::optional(fingerprint(key)));
    if (found == bucket.end()) return false;
    found->reset();
    return true;
  }
  void clear() { std::fill(buckets_.begin(), buckets_.end(), Bucket()); }
  [[nodiscard]] std::size_t count() const {
    std::size_t sum = 0;
    for (const Bucket& bucket : buckets_) {
      for (const auto& each : bucket) sum += each.has_value() ? 1 : 0;
    }
    return sum;
  }

 private:
  using Bucket = std::deque<std::optional<std::uint32_t>>;

  static std::uint32_t fingerprint(std::uint64_t key) {
    return std::max<std::uint32_t>(static_cast<std::uint32_t>(key >> 32), 1);
  }
  Bucket& bucket_of(std::uint32_t fingerprint) {
    const std::uint32_t spread = fingerprint * std::uint32_t{0x9E3779B1};
    return buckets_[spread * std::uint64_t{buckets_.size()} >> 32];
  }
  void put(std::uint32_t fingerprint) {
    Bucket& bucket = bucket_of(fingerprint);
    bucket.push_front(fingerprint);
    if (bucket.size() > places_) bucket.pop_back();
  }

  std::vector<Bucket> buckets_ = std::vector<Bucket>(1);
  std::size_t places_ = 0;
};

}  // namespace sqlitemem::tests
