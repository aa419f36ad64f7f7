// The targets that sqlite_bench holds its medians against.
#pragma once

#include <vector>

#include "bench/support/figures.h"

namespace sqlitemem::bench {

std::vector<Figure> sqlite_figures();

}  // namespace sqlitemem::bench
