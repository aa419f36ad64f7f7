// The pointer to SQLite's functions that the extension's code expects; tests only read its lists.
#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT1
