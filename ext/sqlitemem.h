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

/*
** Memory that lives as long as the current transaction of `db`: it disappears with COMMIT and
** ROLLBACK, and with ROLLBACK TO a savepoint that is older than the call; it cannot be freed
** before.
** Of an SQL function's caller, `db` is sqlite3_context_db_handle(context). 8-byte aligned; 0 bytes
** give an address, too. A few nanoseconds.
** Call it as you would call SQLite on `db`: by one thread at a time, outside of SQLite's hooks. The
** first call of a transaction runs SQL on `db`: it writes to the virtual table
** temp.sqlitemem_transaction, which the first of the connection creates, so that sqlite3_changes()
** is 0 after it, and a commit hook is called also for a transaction that otherwise only reads.
** total_changes() and last_insert_rowid() stay as they are, and readers stay readers.
** NULL: sqlitemem_errmsg() says why: no transaction is open (a single statement's own does not
** count), the connection is not registered, the limit of the transaction's profile is reached
** (option transaction_arena_growth), the authorizer or PRAGMA query_only forbids the write, or no
** memory.
*/
SQLITEMEM_API void* sqlitemem_txn_alloc(sqlite3* db, sqlite3_uint64 bytes);

/*
** A pointer that belongs to the current transaction, under a key of your own, such as the address
** of a static variable: where your data in the transaction's memory begins. NULL after the
** transaction's end; ROLLBACK TO brings back what it was when the savepoint began. So data that is
** not changed once the pointer leads to it, like a list that only grows at its head, is rolled back
** with the pointer.
** sqlitemem_txn_pointer() gives NULL where nothing is set, also without a transaction.
** sqlitemem_txn_set_pointer() gives SQLITE_OK, or a code; sqlitemem_errmsg() then says what
** sqlitemem_txn_alloc() would. The pointer may lead anywhere.
*/
SQLITEMEM_API void* sqlitemem_txn_pointer(sqlite3* db, const void* key);
SQLITEMEM_API int sqlitemem_txn_set_pointer(sqlite3* db, const void* key, void* pointer);

/*
** A hint, before or in a transaction: it will need that many bytes in all. Not needed: without it
** what recent transactions of the connection used is expected.
** SQLITE_OK, or SQLITE_MISUSE: the connection is not registered.
*/
SQLITEMEM_API int sqlitemem_txn_expect(sqlite3* db, sqlite3_uint64 bytes);

/*
** Tells the program of memory pressure: `callback` is called whenever the response goes from one
** stage to another (0 none, 1 gentle, 2 aggressive, 3 emergency, 4 refusal), and when a request for
** memory is refused, which then were `refused_bytes` (otherwise 0). `usage_ratio` is the share of
** the limit that is used. One callback for the process; NULL ends it, and it may still be called
** for a moment by another thread.
**
** It is called by whatever thread finds out, which as a rule is inside an allocation of SQLite: it
** must not call SQLite, must not wait for a thread that does, and should be short (set a flag, drop
** a cache of your own). SQLITE_OK, always.
*/
SQLITEMEM_API int sqlitemem_on_pressure(void (*callback)(void* context, int stage,
                                                         double usage_ratio,
                                                         sqlite3_uint64 refused_bytes),
                                        void* context);

/*
** Does what a response to memory pressure has left for a moment in which no SQLite is running: kept
** plans, caches of resting connections, passive checkpoints. A few nanoseconds when there is
** nothing. Programs under the preload library, or with option monitor=thread, need not call it.
** Call it outside of SQLite's callbacks, in an event loop say.
*/
SQLITEMEM_API void sqlitemem_relieve(void);

/* "0.1.0" */
SQLITEMEM_API const char* sqlitemem_libversion(void);

#ifdef __cplusplus
}

#include <new>

namespace sqlitemem {
/*
** For containers of the standard library: std::vector<int, sqlitemem::TxnAllocator<int>>. Throws
** std::bad_alloc where sqlitemem_txn_alloc() gives NULL. The container must not be used, nor be
** destroyed unless its elements are trivial, after the transaction or the savepoint that it was
** filled in.
*/
template <class T>
struct TxnAllocator {
  using value_type = T;
  static_assert(alignof(T) <= 8, "the memory of transactions is 8-byte aligned");

  explicit TxnAllocator(sqlite3* connection) noexcept : db(connection) {}
  template <class U>
  TxnAllocator(const TxnAllocator<U>& other) noexcept : db(other.db) {}

  T* allocate(decltype(sizeof 0) count) {
    if (count > static_cast<decltype(sizeof 0)>(-1) / sizeof(T)) throw std::bad_alloc();
    void* const block = sqlitemem_txn_alloc(db, count * sizeof(T));
    if (block == nullptr) throw std::bad_alloc();
    return static_cast<T*>(block);
  }
  void deallocate(T*, decltype(sizeof 0)) noexcept {}
  template <class U>
  bool operator==(const TxnAllocator<U>& other) const noexcept {
    return db == other.db;
  }
  template <class U>
  bool operator!=(const TxnAllocator<U>& other) const noexcept {
    return db != other.db;
  }

  sqlite3* db;
};
}  // namespace sqlitemem
#endif
#endif
