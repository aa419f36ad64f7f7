// Stands in for the generator where the program was built without one.
#include "bench/forecast/series.h"

namespace sqlitemem::bench {

std::variant<std::vector<UsageSeries>, std::string> generate_series(const SeedRange&, std::size_t) {
  return "this program was built without a generator of series: configure it with "
         "-DSQLITEMEM_SERIES_GENERATOR=HEADER, or name a directory of .txt files";
}

}  // namespace sqlitemem::bench
