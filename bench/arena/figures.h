// The targets of arena_bench.
#pragma once

#include <vector>

#include "bench/support/figures.h"

namespace sqlitemem::bench {

std::vector<Figure> arena_figures();

}  // namespace sqlitemem::bench
