/* The public C interface of sqlitemem, for programs that embed it. C99 and C++. */
#ifndef SQLITEMEM_H
#define SQLITEMEM_H

#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SQLITEMEM_API __attribute__((visibility("default")))

/*
** Routes SQLite's heap through sqlitemem and registers the SQL functions and tables on every
** connection opened from now on. Call it before sqlite3_initialize() and before the first
** sqlite3_open(), from one thread; after your own calls of sqlite3_config(), because it initialises
** SQLite. Options that are read at the start (memory_config, context 'startup') are set before it.
**
** SQLITE_OK: installed (also if it already was, here or by the preload library). After
** sqlite3_shutdown(), call it again: SQLite forgets what it calls on new connections.
** SQLITE_MISUSE: SQLite is initialised already.
** SQLITE_NOMEM: no address space. After a failure SQLite is as it was, and sqlitemem_errmsg() says
** why.
*/
SQLITEMEM_API int sqlitemem_install(void);

/* Why the last call of a function of this file failed on this thread; "" if it did not. */
SQLITEMEM_API const char* sqlitemem_errmsg(void);

/*
** Sets an option of the table memory_config, by name and text: sqlitemem_set("memory_limit",
** "64MB").
** Any thread. SQLITE_OK; SQLITE_NOTFOUND: no such option; SQLITE_RANGE: outside the range;
** SQLITE_MISMATCH: not readable; SQLITE_BUSY: a start-up option, too late for this process.
*/
SQLITEMEM_API int sqlitemem_set(const char* name, const char* value);

/* Registers the tables and functions on one connection that was opened before the install. */
SQLITEMEM_API int sqlitemem_register(sqlite3* db);

/*
** The plan cache: prepared statements that are kept for whoever prepares the same text next. A
** program that keeps its statements itself does not need it.
**
** sqlitemem_prepare_cached() is sqlite3_prepare_v3() with SQLITE_PREPARE_PERSISTENT, or gives a
** statement that was released, of the same text (all `bytes` of it; negative: up to its NUL) and
** connection: as new, without bindings. What a statement that you kept yourself would not notice,
** this one does not notice either: SQLite compiles it again when the schema has changed, but a new
** authorizer, limit, or function that overloads one it calls acts on statements prepared later.
** Only SELECT, INSERT, UPDATE, DELETE, REPLACE, WITH and VALUES are kept, up to 4096 bytes of text.
**
** sqlitemem_release() takes the place of sqlite3_finalize(), also for statements that were prepared
** otherwise and for NULL, and returns what that would: the error of the last run. Afterwards the
** statement is not yours any more. Limits: memory_config, 'plan_cache_max_plans' and others.
**
** sqlite3_close() needs no preparation: kept statements are finalized before it looks for open
** ones. Both functions may be called by every thread that may use the connection.
*/
SQLITEMEM_API int sqlitemem_prepare_cached(sqlite3* db, const char* sql, int bytes,
                                           sqlite3_stmt** statement, const char** tail);
SQLITEMEM_API int sqlitemem_release(sqlite3_stmt* statement);

/* Finalizes the kept statements of a connection; returns how many. For every connection at once:
** SELECT clear_plan_cache().
*/
SQLITEMEM_API int sqlitemem_drop_cached(sqlite3* db);

/* "0.1.0" */
SQLITEMEM_API const char* sqlitemem_libversion(void);

#ifdef __cplusplus
}
#endif
#endif
