// What the operations of each policy cost: CPU time and instructions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sqlitemem::bench {

/// Markdown; runs for about ten seconds. Instructions need valgrind.
[[nodiscard]] std::string cost_table();

/// One operation of one policy, `count` times; nanoseconds of CPU time per operation. false: there
/// is no such operation or policy. For cost_table(), which runs it under valgrind.
[[nodiscard]] bool run_cost_worker(std::string_view name, std::uint64_t count,
                                   double& ns_per_operation);

}  // namespace sqlitemem::bench
