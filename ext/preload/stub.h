// The parts of the stub: small C++ that needs no C++ runtime, because it is loaded into every
// process.
#pragma once

#include "ext/preload/interface.h"

namespace sqlitemem::ext::preload {

/// The core, opened with the first call of any thread; or a table that forwards to SQLite where it
/// cannot be opened.
const Interface& core() noexcept;

/// Forwards every call to the SQLite that its caller means.
extern const Interface forward_only;

extern constinit StraightThrough straight_through;

}  // namespace sqlitemem::ext::preload
