// Series from the generator that SQLITEMEM_SERIES_GENERATOR names.
#include SQLITEMEM_SERIES_GENERATOR

#include "bench/forecast/series.h"

namespace sqlitemem::bench {

std::variant<std::vector<UsageSeries>, std::string> generate_series(const SeedRange& seeds,
                                                                    std::size_t samples) {
  constexpr int class_count = memgen::NCLASS;
  std::vector<UsageSeries> all;
  for (int number = 0; number < class_count; ++number) {
    const std::string name = memgen::name(number);
    for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
      all.push_back({.name = name + "_" + std::to_string(seed),
                     .group = name,
                     .usage = memgen::series(number, seed, static_cast<int>(samples), 1.0)});
    }
  }
  return all;
}

}  // namespace sqlitemem::bench
