// sqlite3_prepare() and its kin under preload: CALL, and statements taken from the plan cache.
#pragma once

#include "ext/preload/interface.h"

namespace sqlitemem::ext::preload {

/// The function in place of SQLite's for a slot that prepares, or nullptr: it does not. It is for
/// the served SQLite only.
void* prepare_function(Slot slot) noexcept;

/// Where the functions find SQLite's own; before any of them can be called.
void set_prepare_targets(void* const* functions_by_slot) noexcept;

}  // namespace sqlitemem::ext::preload
