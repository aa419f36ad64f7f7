// What the interposed functions do that concern a connection's callbacks, its end and its errors.
#pragma once

#include "ext/host/host_sqlite.h"
#include "ext/preload/slots.h"

namespace sqlitemem::ext::preload {

/// The function in place of SQLite's for that slot: it remembers the program's authorizer and
/// rollback hook, notices a connection that is closed and not gone, and says what "not authorized"
/// means after a kill. nullptr: none for this slot. `sqlite` is the one that is served.
void* callback_function(const HostSqlite& sqlite, Slot slot) noexcept;

}  // namespace sqlitemem::ext::preload
