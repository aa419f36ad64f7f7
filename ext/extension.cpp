// The loadable module's entry point: what `.load ./sqlitemem` calls.
#include <sqlite3ext.h>

#include "ext/host/core.h"
#include "ext/host/exported.h"
SQLITE_EXTENSION_INIT1

SQLITEMEM_EXPORT int sqlite3_sqlitemem_init(sqlite3* db, char** error,
                                            const sqlite3_api_routines* api) {
  return sqlitemem::ext::load_extension(db, error, api);
}

SQLITEMEM_EXPORT const sqlitemem::ext::CoreInterface* sqlitemem_core_v1() noexcept {
  return &sqlitemem::ext::own_core();
}
