// The table connection_memory: what each open connection uses.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct ConnectionMemoryRow {
  std::uint64_t connection_id = 0;
  std::optional<std::string> database_file;
  std::string opened_at;
  std::optional<std::string> txn_state;
  std::optional<std::uint64_t> cache_used_bytes, cache_share_bytes, schema_used_bytes;
  std::optional<std::uint64_t> stmt_used_bytes;
  std::optional<std::uint64_t> lookaside_used_bytes, lookaside_hits, lookaside_misses;
  std::optional<std::uint64_t> cache_hits, cache_misses, cache_writes, cache_spills;
  std::optional<std::uint64_t> open_statements, busy_statements, total_bytes;
  Flag is_stale;

  static constexpr auto describe() {
    using R = ConnectionMemoryRow;
    // clang-format off
    return describe_table<R>("connection_memory", "connection",
        "One row per open connection of the process, by id. A connection that another thread is "
        "using just now is not waited for: it shows the figures of its last reading. Where the "
        "extension was loaded into a running program, connections opened before that are missing, "
        "except those that loaded it: SQLite has no list of them.", {
        {"connection_id", &R::connection_id, Role::label, "",
         "A small number, in the order in which connections were opened."},
        {"database_file", &R::database_file, Role::detail, "",
         "The file of the schema main; NULL for in-memory and temporary databases."},
        {"opened_at", &R::opened_at, Role::detail, "",
         "When sqlitemem first saw the connection, ISO 8601, UTC."},
        {"txn_state", &R::txn_state, Role::detail, "",
         "none, read or write, of any database but temp; NULL if it was never read or SQLite is "
         "too old to say."},
        {"cache_used_bytes", &R::cache_used_bytes, Role::gauge, "bytes",
         "Page cache of all its schemas, whole."},
        {"cache_share_bytes", &R::cache_share_bytes, Role::gauge, "bytes",
         "Its part of that, for sums: a cache that connections share (shared-cache mode) is "
         "counted once, in equal parts, or all for the connection that asks if it is one of "
         "them."},
        {"schema_used_bytes", &R::schema_used_bytes, Role::gauge, "bytes",
         "Parsed schemas: tables, indexes, triggers, views. One that connections share is counted "
         "by each."},
        {"stmt_used_bytes", &R::stmt_used_bytes, Role::gauge, "bytes",
         "Prepared statements."},
        {"lookaside_used_bytes", &R::lookaside_used_bytes, Role::gauge, "bytes",
         "Lookaside slots in use now, times their size if it is known; part of the figures above."},
        {"lookaside_hits", &R::lookaside_hits, Role::counter, "",
         "Small requests served from lookaside memory; NULL: SQLite was built without it."},
        {"lookaside_misses", &R::lookaside_misses, Role::counter, "",
         "Small requests that went to the heap, because they were too large for a slot or none was "
         "free; NULL as above."},
        {"cache_hits", &R::cache_hits, Role::counter, "", "Pages found in the page cache."},
        {"cache_misses", &R::cache_misses, Role::counter, "", "Pages read from the file."},
        {"cache_writes", &R::cache_writes, Role::counter, "", "Pages written to the file."},
        {"cache_spills", &R::cache_spills, Role::counter, "",
         "Dirty pages written in mid-transaction for lack of room in the cache."},
        {"open_statements", &R::open_statements, Role::gauge, "",
         "Prepared statements not finalized, those of virtual tables included."},
        {"busy_statements", &R::busy_statements, Role::gauge, "",
         "Of these, statements that were stepped and neither finished nor were reset."},
        {"total_bytes", &R::total_bytes, Role::gauge, "bytes",
         "cache_share_bytes + schema_used_bytes + stmt_used_bytes."},
        {"is_stale", &R::is_stale, Role::detail, "",
         "1: figures are from the last reading, because another thread was inside the connection, "
         "or, for the bytes of caches and schemas, because a running statement holds a shared "
         "cache."},
    });
    // clang-format on
  }
  static std::vector<ConnectionMemoryRow> snapshot(Sources& sources, Arguments arguments);
};

}  // namespace sqlitemem::stats
