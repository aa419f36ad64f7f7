// The targets that allocator_bench holds its medians against.
#pragma once

#include <vector>

#include "bench/support/figures.h"

namespace sqlitemem::bench {

std::vector<Figure> allocator_figures();

}  // namespace sqlitemem::bench
