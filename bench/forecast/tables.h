// The tables of forecast_bench.
#pragma once

#include <span>
#include <string>

#include "bench/forecast/series.h"

namespace sqlitemem::bench {

/// Markdown: every forecaster and every alarm over all series; then the default forecaster by
/// group.
[[nodiscard]] std::string forecast_tables(std::span<const UsageSeries> series);

}  // namespace sqlitemem::bench
