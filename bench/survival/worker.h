// Runs a plan in this process.
#pragma once

#include "bench/survival/plan.h"

namespace sqlitemem::bench {

inline constexpr unsigned rows_in_file = 60'000;  ///< Of some 900 bytes, in the table item.
inline constexpr int exit_failed = 3;  ///< A statement failed for good; standard error says which.
inline constexpr int exit_unusable = 4;  ///< The limit could not be set.

/// Before the milliseconds of each recovery, on a line of standard output.
inline constexpr const char* recovery_mark = "recovered after ms: ";

/// 0: everything was done. `file`: a database as the driver makes it.
int run_survival_worker(const SurvivalPlan& plan, const char* file);

}  // namespace sqlitemem::bench
