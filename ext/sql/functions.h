// THE place to add an SQL function: its line in `functions`, and its body in functions.cpp.
#pragma once

#include <sqlite3.h>

#include <array>
#include <string_view>

namespace sqlitemem::ext {

/// A scalar function. DIRECTONLY unless it says otherwise: views and triggers of a database cannot
/// call it.
struct Function {
  const char* name;
  int min_arguments, max_arguments;
  void (*body)(sqlite3_context*, int, sqlite3_value**);
  std::string_view arguments;  ///< As the manual shows them.
  std::string_view doc;
  int flags = SQLITE_DIRECTONLY;
};

namespace function_bodies {
void buffer_pool_evict(sqlite3_context* context, int count, sqlite3_value** arguments);
void clear_plan_cache(sqlite3_context* context, int count, sqlite3_value** arguments);
void coalesce_all(sqlite3_context* context, int count, sqlite3_value** arguments);
void connection_priority(sqlite3_context* context, int count, sqlite3_value** arguments);
void force_garbage_collection(sqlite3_context* context, int count, sqlite3_value** arguments);
void kill_orphaned_transactions(sqlite3_context* context, int count, sqlite3_value** arguments);
void memory_config(sqlite3_context* context, int count, sqlite3_value** arguments);
void memory_heap_check(sqlite3_context* context, int count, sqlite3_value** arguments);
void memory_mode(sqlite3_context* context, int count, sqlite3_value** arguments);
void memory_report(sqlite3_context* context, int count, sqlite3_value** arguments);
void memory_snapshot(sqlite3_context* context, int count, sqlite3_value** arguments);
void prometheus_metrics(sqlite3_context* context, int count, sqlite3_value** arguments);
void reset_memory_stats(sqlite3_context* context, int count, sqlite3_value** arguments);
void txn_get(sqlite3_context* context, int count, sqlite3_value** arguments);
void txn_set(sqlite3_context* context, int count, sqlite3_value** arguments);
void sqlitemem_version(sqlite3_context* context, int count, sqlite3_value** arguments);
}  // namespace function_bodies

// clang-format off
inline constexpr auto functions = std::to_array<Function>({
    {"memory_mode", 0, 0, function_bodies::memory_mode, "",
     "How this process is served and why: managed, attached or observing, a colon, and full "
     "sentences."},
    {"sqlitemem_version", 0, 0, function_bodies::sqlitemem_version, "",
     "The version of sqlitemem."},
    {"force_garbage_collection", 0, 1, function_bodies::force_garbage_collection, "[level]",
     "Releases memory, and returns how many bytes. Level 1: connections at rest give back the "
     "clean pages of their caches; the bytes are those by which SQLite uses less, and they stay in "
     "the heap for others. At rest: no transaction, no statement between two rows, no other thread "
     "inside; others are skipped, and the caller's connection is judged likewise. Level 2: then "
     "the plan cache is emptied, and the heap's and the buffer pool's free memory goes to the "
     "operating system; the bytes are those by which their resident memory fell. Level 3, the "
     "default: then the C library is asked to return its free memory, too, which holds blocks from "
     "before a live take-over, and each WAL file is checkpointed (passive) by a connection at "
     "rest; neither is part of the result. In observing mode, where there is no heap of ours, the "
     "bytes are those of level 1 for every level; NULL if SQLite does not count. "
     "memory_responses() shows each step."},
    {"coalesce_all", 0, 0, function_bodies::coalesce_all, "",
     "Merges free regions of large objects and page runs, returns them to the operating system, "
     "and says by how many bytes resident memory fell. Not in observing mode."},
    {"buffer_pool_evict", 0, 1, function_bodies::buffer_pool_evict, "[percent]",
     "Evicts that share (default 100) of the pages that can be evicted from the buffer pool, "
     "coldest first, whatever connection they belong to; returns by how many bytes the memory that "
     "the pool holds fell. Pages in use, changed pages and pages of connections that are busy just "
     "now stay."},
    {"clear_plan_cache", 0, 1, function_bodies::clear_plan_cache, "[percent]",
     "Finalizes that share (default 100) of the statements that the plan cache keeps, whatever "
     "connection they belong to, the oldest first; returns how many. Statements that the program "
     "has are not touched, nor connections that are busy just now."},
    {"kill_orphaned_transactions", 0, 2, function_bodies::kill_orphaned_transactions,
     "[min_idle_seconds [, mode]]",
     "Rolls back the transactions that orphaned_transactions(min_idle_seconds) lists, and refuses "
     "everything on their connections but ROLLBACK until the owner says it (SQLITE_AUTH; COMMIT "
     "included): so no half of a transaction is stored. Returns how many; the table "
     "transaction_kills says why for each, also for those left alone: the asking connection, one "
     "in use by another thread, without a mutex (SQLITE_OPEN_NOMUTEX), with a statement between "
     "two rows, closed, from before fork(), or with a shared cache. Mode 'dry_run' only counts "
     "and explains; 'kill' is the default, and leaves a connection alone whose authorizer is, or "
     "may be, the program's; 'force' takes its place, and gives it back afterwards where the "
     "preload library knows it."},
    {"connection_priority", 0, 1, function_bodies::connection_priority, "[priority]",
     "'normal', or 'low' once this connection was marked so: in response_mode full, long "
     "statements of connections with a low priority are interrupted before those of others. "
     "Returns the priority, and with an argument sets it first; it ends with the connection."},
    {"memory_snapshot", 0, 1, function_bodies::memory_snapshot, "[label]",
     "Remembers what every component holds now; returns the id for memory_diff(a, b)."},
    {"reset_memory_stats", 0, 0, function_bodies::reset_memory_stats, "",
     "Sets the heap's and the buffer pool's counters to zero and peaks to the present; returns 1. "
     "Not in observing mode."},
    {"memory_heap_check", 0, 0, function_bodies::memory_heap_check, "",
     "Walks the whole heap and the buffer pool: ok, or the first broken rule with expected value, "
     "actual value and address. Not in observing mode."},
    {"memory_config", 1, 2, function_bodies::memory_config, "name, [setting]",
     "The setting of an option. With a second argument, changes it as UPDATE memory_config does, "
     "without taking a lock of the database; returns the setting, or what a startup option waits "
     "for."},
    {"txn_set", 2, 2, function_bodies::txn_set, "name, value",
     "Sets a variable of the current transaction, and returns the value. It vanishes with COMMIT "
     "and ROLLBACK; ROLLBACK TO brings back the value that it had when the savepoint began. An "
     "error where no transaction is open. Takes no lock of the databases. The first of a "
     "transaction writes to temp.sqlitemem_transaction: afterwards changes() is 0, commit hooks "
     "are called, and an interrupt or a lack of memory during it rolls back the transaction, as in "
     "any write."},
    {"txn_get", 1, 1, function_bodies::txn_get, "name",
     "The value that txn_set() gave the variable in the current transaction; NULL if it was not "
     "set, and outside of transactions. May be used in views and triggers.", SQLITE_INNOCUOUS},
    {"memory_report", 0, 2, function_bodies::memory_report, "[style [, width]]",
     "One page for a terminal: usage and limit, the forecast, what the resident set is made of, "
     "the buffer pool, size classes, a picture of fragmentation, the largest connections, alerts "
     "and advice. Style 'unicode' (default) or 'ascii', also with a width, as in 'ascii 100'. No "
     "line is longer than width, 60 to 200 columns; by default the variable COLUMNS if it is one "
     "of these, else 80. A dash stands for what cannot be measured."},
    {"prometheus_metrics", 0, 1, function_bodies::prometheus_metrics, "[format]",
     "All metrics as text: Prometheus text/plain 0.0.4, or with 'openmetrics' OpenMetrics 1.0."},
});
// clang-format on

}  // namespace sqlitemem::ext
