// What the SQL surface shows of prepared statements, and what it can do about them.
#pragma once

#include <sqlite3.h>

#include <cstdint>

#include "allocators/stats/plan_rows.h"

namespace sqlitemem::ext::plans {

/// For a query on `caller`. Never waits for a connection.
stats::PlanReading read_plans(sqlite3* caller);

/// Drops that share of the plans that are parked, the oldest first; how many.
std::uint64_t clear_cached(unsigned percent) noexcept;

bool has_cached() noexcept;

}  // namespace sqlitemem::ext::plans
