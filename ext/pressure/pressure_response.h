// What is done under memory pressure: at once, inside an allocation, or later, outside of SQLite.
#pragma once

#include <sqlite3.h>

#include <cstdint>

#include "allocators/pressure/pressure_controller.h"

namespace sqlitemem::ext {

/// What an order achieved.
struct ResponseOutcome {
  const char* action = "";        ///< The last step's name, a literal.
  std::uint64_t freed_bytes = 0;  ///< By how much less heap and buffer pool hold.
};

/// Evictions and purges, which take no lock of SQLite's. Writes its steps into memory_responses.
/// Where pressure_tick() may be called.
ResponseOutcome respond_at_once(const PressureOrder& order, double usage_ratio) noexcept;

/// Leaves the rest of that stage to the next safe point: kept plans, caches of resting connections,
/// passive checkpoints, long statements, the C library.
void leave_for_safe_point(ResponseStage stage, double usage_ratio) noexcept;
bool has_work_for_safe_point() noexcept;

/// Does what was left, if anything. Requires: this thread is not inside SQLite on behalf of SQLite
/// itself; connections are only tried, so one that this thread is using is left alone unless it is
/// at rest. `caller`: the connection whose call brings us here, or nullptr.
void work_at_safe_point(sqlite3* caller) noexcept;

/// The program's calls have to be looked at again, because an option has changed.
void look_at_calls_again() noexcept;

/// Told when work is left, so that it may arrange for a safe point. At most one, for ever.
void set_safe_point_requester(void (*request)() noexcept) noexcept;

}  // namespace sqlitemem::ext
