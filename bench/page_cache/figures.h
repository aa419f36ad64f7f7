// The targets that pool_bench holds its medians against.
#pragma once

#include <vector>

#include "bench/support/figures.h"

namespace sqlitemem::bench {

std::vector<Figure> page_cache_figures();

}  // namespace sqlitemem::bench
