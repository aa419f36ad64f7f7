// Turns what the connections show of their transactions into rows, with the words for them.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "allocators/base/clock.h"
#include "allocators/config.h"
#include "ext/host/transaction_kill.h"
#include "ext/host/transactions.h"
#include "ext/host/wal_readers.h"
#include "ext/sql/live_sources.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

using stats::Flag;
using stats::OpenTransactionsRow;

std::optional<Flag> as_flag(std::optional<bool> value) {
  if (!value) return std::nullopt;
  return Flag(*value);
}

/// Sentences that are true of the row, the gravest first.
std::optional<std::string> reason_of(const OpenTransactionsRow& row) {
  std::string words;
  const auto say = [&words](const std::string& sentence) {
    words += (words.empty() ? "" : " ") + sentence;
  };
  if (row.is_zombie && *row.is_zombie)
    say("The connection was closed (sqlite3_close_v2) and lives on until what is open of it is "
        "finalized: a leak.");
  if (row.state == "aborted")
    say("Rolled back by kill_orphaned_transactions(); waits for its owner's ROLLBACK.");
  if (row.owner_alive && !*row.owner_alive)
    say(fmt::format("Thread {}, which began it, has ended.", row.thread_id.value_or(0)));
  const double limit = static_cast<double>(option(&Config::orphan_idle_time)) / 1000;
  if (!row.is_in_use && row.idle_seconds && *row.idle_seconds >= limit && row.state != "aborted")
    say(fmt::format("Nothing has moved for {:.0f} seconds.", *row.idle_seconds));
  if (row.state == "write") say("Nobody else can write to its database.");
  if (row.wal_frames_pinned && *row.wal_frames_pinned > 0)
    say(fmt::format("{} frames of the WAL wait for it to end.", *row.wal_frames_pinned));
  if (!row.is_in_use && row.busy_statements.value_or(0) > 0 && row.state != "begun")
    say("A statement was stepped and neither finished nor reset.");
  if (row.is_in_use)
    say("Another thread is using it, or it has no mutex; more is not known without waiting.");
  if (words.empty()) return std::nullopt;
  return words;
}

OpenTransactionsRow as_row(OpenTransaction&& from) {
  OpenTransactionsRow row;
  row.connection_id = from.connection_id;
  row.database_file = std::move(from.database_file);
  row.state = std::move(from.state);
  if (from.began_at_ns) {
    const std::uint64_t now = coarse_clock_ns();
    row.age_seconds = static_cast<double>(now - std::min(now, *from.began_at_ns)) / 1e9;
    row.started_at = utc_text(std::time(nullptr) - static_cast<std::time_t>(*row.age_seconds));
    row.is_start_exact = Flag(from.is_start_exact);
  }
  row.idle_seconds = from.idle_seconds;
  row.thread_id = from.thread_id;
  row.owner_alive = as_flag(from.is_owner_alive);
  row.open_statements = from.open_statements;
  row.busy_statements = from.busy_statements;
  row.last_sql = std::move(from.last_sql);
  row.wal_frames_pinned = from.wal_frames_pinned;
  if (from.wal_frames_pinned) row.blocks_checkpoint = Flag(*from.wal_frames_pinned > 0);
  row.is_in_use = from.is_in_use;
  row.is_zombie = as_flag(from.is_zombie);
  row.is_killable = !from.why_not_killable;
  row.why_not = std::move(from.why_not_killable);
  row.reason = reason_of(row);
  return row;
}

const char* name_of(KillMode mode) {
  switch (mode) {
    case KillMode::dry_run:
      return "dry_run";
    case KillMode::kill:
      return "kill";
    case KillMode::force:
      return "force";
  }
  return "kill";
}

}  // namespace

std::vector<OpenTransactionsRow> LiveSources::transactions() {
  std::vector<OpenTransactionsRow> rows;
  std::vector<OpenTransaction> open = open_transactions(db_);
  WalIndexes indexes;
  find_wal_frames(open, indexes);
  rows.reserve(open.size());
  for (OpenTransaction& transaction : open) rows.push_back(as_row(std::move(transaction)));
  return rows;
}

std::vector<stats::TransactionKillsRow> LiveSources::transaction_kills() {
  std::vector<stats::TransactionKillsRow> rows;
  for (TransactionKill& kill : ext::transaction_kills()) {
    stats::TransactionKillsRow row;
    row.kill_id = kill.kill_id;
    row.decided_at = std::move(kill.decided_at);
    row.connection_id = kill.connection_id;
    row.database_file = std::move(kill.database_file);
    row.mode = name_of(kill.mode);
    row.outcome = !kill.is_killed                  ? "refused"
                  : kill.mode == KillMode::dry_run ? "would be killed"
                                                   : "killed";
    row.state = std::move(kill.state);
    row.last_sql = std::move(kill.last_sql);
    row.age_seconds = kill.age_seconds;
    row.idle_seconds = kill.idle_seconds;
    row.reason = std::move(kill.reason);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<stats::WalStatsRow> LiveSources::wal_databases() {
  std::vector<stats::WalStatsRow> rows;
  for (WalDatabase& database : ext::wal_databases(db_)) {
    stats::WalStatsRow row;
    row.connection_id = database.connection_id;
    row.schema = std::move(database.schema);
    row.database_file = std::move(database.database_file);
    row.page_bytes = database.index.page_bytes;
    row.wal_bytes = database.index.wal_bytes;
    row.frames = database.index.frames;
    row.checkpointed_frames = database.index.checkpointed;
    row.reader_frame = database.reader_frame;
    row.oldest_reader_frame = database.oldest_reader_frame;
    row.oldest_reader_connection_id = database.oldest_reader_connection_id;
    row.is_oldest_elsewhere = as_flag(database.is_oldest_elsewhere);
    if (row.oldest_reader_frame) row.pinned_frames = row.frames - *row.oldest_reader_frame;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sqlitemem::ext
