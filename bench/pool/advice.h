// How well a pool's forecasts for other budgets agree with full replays.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/pool/replay.h"

namespace sqlitemem::bench {

/// The default policy with one budget, as forecast from its references and as replayed.
struct AdvicePoint {
  std::string trace;
  double factor = 0;  ///< Times the budget.
  std::uint32_t frames = 0;
  double sampling_rate = 0;
  double forecast = 0;  ///< Hits, percent; likewise the following.
  double replayed = 0;
  double lru_forecast = 0;
  double lru_replayed = 0;
};

/// The budget is a tenth of the pages of the trace. `most_rate`: of the pages are sampled at most.
[[nodiscard]] std::vector<AdvicePoint> measure_advice(const Trace& trace, double most_rate);

/// Markdown.
[[nodiscard]] std::string advice_table(std::span<const AdvicePoint> points);

}  // namespace sqlitemem::bench
