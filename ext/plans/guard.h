// How a connection tells us that it closes: before it looks for open statements, and at the end.
#pragma once

#include "ext/plans/plan_cache.h"

namespace sqlitemem::ext::plans {

/// Puts a module on the connection whose destructor, called when the connection goes, removes the
/// cache (remove_cache). false: SQLite refused, and the cache is removed already.
bool register_guard(const SqliteCalls& calls, PlanCache& cache) noexcept;

/// Connects the module's table. sqlite3_close() disconnects virtual tables before it asks whether
/// statements are open, and that drops the parked ones. Sets `is_armed` if it succeeds.
void arm_guard(const SqliteCalls& calls, PlanCache& cache) noexcept;

}  // namespace sqlitemem::ext::plans
