// Under preload: safe points for the response to memory pressure, and statements that are timed.
#pragma once

namespace sqlitemem::ext::preload {

/// Calls that come by become safe points when work is left for one. Idempotent.
void offer_safe_points() noexcept;

/// In place of `target`, which is sqlite3_step() or a function that stands for it: in response mode
/// full one that notes how long it runs, else `target` itself.
void* step_function(void* target) noexcept;

}  // namespace sqlitemem::ext::preload
