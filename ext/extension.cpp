// The loadable module's entry points: what `.load ./sqlitemem` calls, and what the preload library
// asks for.
#include <sqlite3ext.h>

#include "ext/host/core.h"
#include "ext/host/exported.h"
#include "ext/host/preload.h"
SQLITE_EXTENSION_INIT1

SQLITEMEM_EXPORT int sqlite3_sqlitemem_init(sqlite3* db, char** error,
                                            const sqlite3_api_routines* api) {
  return sqlitemem::ext::load_extension(db, error, api);
}

SQLITEMEM_EXPORT const sqlitemem::ext::CoreInterface* sqlitemem_core_v1() noexcept {
  return &sqlitemem::ext::own_core();
}

SQLITEMEM_EXPORT const sqlitemem::ext::preload::Interface* sqlitemem_preload_v1(
    sqlitemem::ext::preload::StraightThrough* straight_through) noexcept {
  return &sqlitemem::ext::preload::interface_for(straight_through);
}
