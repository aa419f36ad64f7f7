// Keys as they are asked for in practice: few of them very often, by Zipf's law.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "bench/support/random.h"

namespace sqlitemem::bench {

/// Numbers from 1 to `count`; the k-th most frequent one is drawn in proportion to k^-0.99, the
/// exponent of the YCSB benchmark. Frequent numbers do not lie side by side.
class ZipfKeys {
 public:
  explicit ZipfKeys(std::uint32_t count) {
    double sum = 0;
    sums_.reserve(count);
    for (std::uint32_t rank = 1; rank <= count; ++rank) {
      sums_.push_back(sum += std::pow(rank, -0.99));
    }
  }
  /// `place`: another one moves the frequent numbers elsewhere.
  std::uint32_t draw(Random& random, std::uint32_t place = 0) const {
    const double at = static_cast<double>(random.next() >> 11) * 0x1.0p-53 * sums_.back();
    const auto rank = static_cast<std::uint64_t>(std::upper_bound(sums_.begin(), sums_.end(), at) -
                                                 sums_.begin());
    // 7919 is a prime, and no factor of the counts that are used.
    return static_cast<std::uint32_t>((rank * 7919 + place) % sums_.size()) + 1;
  }

 private:
  std::vector<double> sums_;
};

}  // namespace sqlitemem::bench
