// The sizes that SQLite asks for, by count, as a seeded stream of requests.
#pragma once

#include <array>
#include <cstdint>

#include "bench/support/random.h"

namespace sqlitemem::bench {

/// A synthetic mix in the proportions seen under OLTP, full-text and JSON loads with 4 KiB pages:
/// the fixed 4368 is a page with its header. The mean is about 1.5 KB.
struct MixPart {
  std::uint32_t percent, low_bytes, high_bytes;
};
inline constexpr std::array<MixPart, 7> request_mix{{
    {30, 16, 64},
    {20, 64, 128},
    {12, 128, 512},
    {8, 512, 1200},
    {25, 4368, 4368},
    {3, 1200, 4096},
    {2, 4096, 32768},
}};

consteval std::uint32_t mix_percent_total() {
  std::uint32_t total = 0;
  for (const MixPart& part : request_mix) total += part.percent;
  return total;
}
static_assert(mix_percent_total() == 100);

inline std::uint32_t next_mix_size(Random& random) {
  std::uint32_t draw = random.below(100);
  for (const MixPart& part : request_mix) {
    if (draw < part.percent) return random.between(part.low_bytes, part.high_bytes);
    draw -= part.percent;
  }
  return request_mix.back().high_bytes;
}

}  // namespace sqlitemem::bench
