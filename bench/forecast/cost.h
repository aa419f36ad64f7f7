// What a sample costs each forecaster: CPU time and instructions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sqlitemem::bench {

/// Markdown; runs for a few seconds. Instructions need valgrind.
[[nodiscard]] std::string forecast_cost_table();

/// `count` samples and readings by one forecaster, or by "none"; nanoseconds of CPU time per
/// sample. false: there is no such forecaster. For forecast_cost_table(), which runs it under
/// valgrind.
[[nodiscard]] bool run_cost_worker(std::string_view forecaster, std::uint64_t count,
                                   double& ns_per_sample);

}  // namespace sqlitemem::bench
