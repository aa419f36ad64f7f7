// The tables open_transactions, orphaned_transactions and transaction_kills.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct OpenTransactionsRow {
  std::uint64_t connection_id = 0;
  std::optional<std::string> database_file, state;
  std::optional<std::string> started_at;
  std::optional<Flag> is_start_exact;
  std::optional<double> age_seconds, idle_seconds;
  std::optional<std::uint64_t> thread_id;
  std::optional<Flag> owner_alive;
  std::optional<std::uint64_t> open_statements, busy_statements;
  std::optional<std::string> last_sql;
  std::optional<std::uint64_t> wal_frames_pinned;
  std::optional<Flag> blocks_checkpoint;
  Flag is_in_use;
  std::optional<Flag> is_zombie;
  Flag is_killable;
  std::optional<std::string> why_not, reason;

  static constexpr auto describe();
  static std::vector<OpenTransactionsRow> snapshot(Sources& sources, Arguments arguments);
};

/// The same columns.
struct OrphanedTransactionsRow : OpenTransactionsRow {
  explicit OrphanedTransactionsRow(const OpenTransactionsRow& row) : OpenTransactionsRow(row) {}
  static constexpr auto describe();
  static std::vector<OrphanedTransactionsRow> snapshot(Sources& sources, Arguments arguments);
};

/// Nothing has moved for so long, its thread is gone, or its connection is closed; and it was not
/// killed already.
bool is_orphaned(const OpenTransactionsRow& row, double min_idle_seconds);

namespace transaction_detail {
/// The columns of both tables.
template <class R>
constexpr auto columns() {
  // clang-format off
  return std::to_array<Column<R>>({
      {"connection_id", &R::connection_id, Role::label, "", "As in connection_memory."},
      {"database_file", &R::database_file, Role::detail, "",
       "The file of the schema main; NULL for in-memory and temporary databases."},
      {"state", &R::state, Role::detail, "",
       "read, write; begun: BEGIN was run, and nothing was read yet; aborted: killed, and waiting "
       "for its owner's ROLLBACK; none: a closed connection that is not gone; NULL: in use, so not "
       "known."},
      {"started_at", &R::started_at, Role::detail, "",
       "When it began, ISO 8601, UTC; see is_start_exact. NULL: not known."},
      {"is_start_exact", &R::is_start_exact, Role::detail, "",
       "1: the page cache saw it begin, that is, read its first page. 0: started_at is when this "
       "table first saw it and it has not moved since; it may be older."},
      {"age_seconds", &R::age_seconds, Role::gauge, "seconds", "Since started_at."},
      {"idle_seconds", &R::idle_seconds, Role::gauge, "seconds",
       "For so long, at least, nothing of the connection has moved: no page, no statement, no "
       "change. Measured from one reading of these tables to the next, so the first shows 0. An "
       "SQLite built without lookaside memory does not show statements that are finalized again "
       "and read nothing, or read from a memory map (mmap_size)."},
      {"thread_id", &R::thread_id, Role::detail, "",
       "The thread (gettid) that began it. NULL: not known, because the pages are not in the "
       "buffer pool, or another thread has used it since."},
      {"owner_alive", &R::owner_alive, Role::gauge, "",
       "Whether that thread still exists. A later thread with the same number is taken for it. "
       "NULL: not known."},
      {"open_statements", &R::open_statements, Role::detail, "", "As in connection_memory."},
      {"busy_statements", &R::busy_statements, Role::detail, "",
       "Of these, statements that were stepped and neither finished nor were reset."},
      {"last_sql", &R::last_sql, Role::detail, "",
       "The text of a busy statement; else of the one prepared last of those that have run, "
       "which mostly ran last, too. NULL: there is none."},
      {"wal_frames_pinned", &R::wal_frames_pinned, Role::gauge, "",
       "Frames of the write-ahead log that no checkpoint can copy while it is open. NULL: not a "
       "WAL database, or not known."},
      {"blocks_checkpoint", &R::blocks_checkpoint, Role::detail, "",
       "1: it pins frames. NULL: not known."},
      {"is_in_use", &R::is_in_use, Role::detail, "",
       "1: another thread is inside the connection, or it has no mutex to keep one out."},
      {"is_zombie", &R::is_zombie, Role::gauge, "",
       "1: closed with sqlite3_close_v2() while a statement, a blob or a backup was open: a leak "
       "of the program. NULL: only the preload library can tell."},
      {"is_killable", &R::is_killable, Role::detail, "",
       "1: kill_orphaned_transactions() may roll it back, if it is orphaned."},
      {"why_not", &R::why_not, Role::detail, "", "Why it may not; NULL if it may."},
      {"reason", &R::reason, Role::detail, "",
       "What it blocks, and why it may be orphaned, in words; NULL if there is nothing to say."},
  });
  // clang-format on
}
template <class R, std::size_t count, std::size_t arguments>
constexpr Table<R, count, arguments> as_table(std::string_view name, std::string_view prefix,
                                              std::string_view doc,
                                              const std::array<Column<R>, count>& columns,
                                              const std::array<Argument, arguments>& given) {
  return {name, prefix, doc, columns, given};
}
}  // namespace transaction_detail

constexpr auto OpenTransactionsRow::describe() {
  return transaction_detail::as_table<OpenTransactionsRow>(
      "open_transactions", "transaction",
      "One row per connection of the process with an open transaction, by id; the asking one "
      "has to have begun one. Also connections that were closed and are not gone. Nobody is waited "
      "for: a "
      "connection that another thread is using is shown as that. Reading it changes nothing.",
      transaction_detail::columns<OpenTransactionsRow>(), std::array<Argument, 0>{});
}

constexpr auto OrphanedTransactionsRow::describe() {
  return transaction_detail::as_table<OrphanedTransactionsRow>(
      "orphaned_transactions", "",
      "Those of open_transactions that have been idle for min_idle_seconds, whose thread has "
      "ended, or whose connection was closed and is not gone. What was killed already is left out.",
      transaction_detail::columns<OrphanedTransactionsRow>(),
      std::to_array<Argument>({{"min_idle_seconds", ArgumentType::integer, false,
                                "How long nothing may have moved; default: option "
                                "orphan_idle_time."}}));
}

struct TransactionKillsRow {
  std::uint64_t kill_id = 0;
  std::string decided_at;
  std::uint64_t connection_id = 0;
  std::optional<std::string> database_file;
  std::string mode, outcome;
  std::optional<std::string> state, last_sql;
  std::optional<double> age_seconds, idle_seconds;
  std::string reason;

  static constexpr auto describe() {
    using R = TransactionKillsRow;
    // clang-format off
    return describe_table<R>("transaction_kills", "",
        "What kill_orphaned_transactions() decided for each orphaned transaction, the last "
        "hundred, oldest first.", {
        {"kill_id", &R::kill_id, Role::label, "", "In order, from 1."},
        {"decided_at", &R::decided_at, Role::detail, "", "ISO 8601, UTC."},
        {"connection_id", &R::connection_id, Role::detail, "", "As in connection_memory."},
        {"database_file", &R::database_file, Role::detail, "", "As in open_transactions."},
        {"mode", &R::mode, Role::detail, "", "dry_run, kill or force."},
        {"outcome", &R::outcome, Role::detail, "", "killed, would be killed, or refused."},
        {"state", &R::state, Role::detail, "", "As in open_transactions, before the kill."},
        {"last_sql", &R::last_sql, Role::detail, "", "As in open_transactions."},
        {"age_seconds", &R::age_seconds, Role::detail, "", "As in open_transactions."},
        {"idle_seconds", &R::idle_seconds, Role::detail, "", "As in open_transactions."},
        {"reason", &R::reason, Role::detail, "",
         "Why it was orphaned; then what was done, or why it was left alone."},
    });
    // clang-format on
  }
  static std::vector<TransactionKillsRow> snapshot(Sources& sources, Arguments arguments);
};

}  // namespace sqlitemem::stats
