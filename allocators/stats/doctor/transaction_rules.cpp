// Transactions and connections that nobody ends, and what waits for them: the write-ahead log.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "allocators/base/bytes.h"
#include "allocators/base/words.h"
#include "allocators/stats/doctor/doctor_rules.h"
#include "allocators/stats/leak_rows.h"
#include "allocators/stats/wal_rows.h"

namespace sqlitemem::stats {
namespace {

constexpr std::uint64_t many_frames = 1000;  // SQLite checkpoints after so many by default.
constexpr std::uint64_t large_log_bytes = 64 * mib;

std::uint64_t log_bytes(const WalStatsRow& log) {
  return log.frames * (log.page_bytes + wal_frame_header_bytes);
}

std::string last_statement(const OpenTransactionsRow& open) {
  return open.last_sql ? fmt::format(" Last statement: {}.", quoted(*open.last_sql)) : "";
}

std::optional<std::string> kill_if_possible(const OpenTransactionsRow& open,
                                            const Examination& seen) {
  if (!open.is_killable || !is_orphaned(open, seen.orphan_idle_seconds)) return std::nullopt;
  return fix::kill_orphans(seen.orphan_idle_seconds);
}

Findings orphaned(const Examination& seen) {
  Findings findings;
  for (const OpenTransactionsRow& open : seen.transactions) {
    if (!is_orphaned(open, seen.orphan_idle_seconds) || open.is_zombie.value_or(false)) continue;
    Finding finding{
        fmt::format("Connection {} ({}): {}{}", open.connection_id, open.state.value_or("in use"),
                    open.reason.value_or("Idle."), last_statement(open)),
        kill_if_possible(open, seen)};
    if (open.state == "write") finding.severity = Severity::critical;
    findings.push_back(std::move(finding));
  }
  std::stable_partition(findings.begin(), findings.end(),
                        [](const Finding& each) { return each.severity.has_value(); });
  return findings;
}

Findings zombies(const Examination& seen) {
  Findings findings;
  for (const OpenTransactionsRow& open : seen.transactions) {
    if (!open.is_zombie.value_or(false)) continue;
    findings.push_back({fmt::format(
        "Connection {} was closed, and {} statements of it are still open.{}", open.connection_id,
        open.open_statements ? std::to_string(*open.open_statements) : "unknown",
        last_statement(open))});
  }
  return findings;
}

auto reader_of(const WalStatsRow& log, const Examination& seen) {
  return log.oldest_reader_connection_id
             ? std::ranges::find(seen.transactions, *log.oldest_reader_connection_id,
                                 &OpenTransactionsRow::connection_id)
             : seen.transactions.end();
}

/// Many frames wait for a reader which is old, or of another process.
bool is_pinned_for_long(const WalStatsRow& log, const Examination& seen) {
  if (log.pinned_frames.value_or(0) < many_frames) return false;
  const auto holder = reader_of(log, seen);
  return holder != seen.transactions.end() ? holder->age_seconds.value_or(0) >= old_reader_seconds
                                           : bool(log.is_oldest_elsewhere.value_or(false));
}

Findings pinned_logs(const Examination& seen) {
  Findings findings;
  std::vector<std::string> told;
  for (const WalStatsRow& log : seen.logs) {
    if (!is_pinned_for_long(log, seen)) continue;
    if (std::ranges::find(told, log.database_file) != told.end()) continue;
    const auto holder = reader_of(log, seen);
    const std::string waiting =
        fmt::format("{} frames ({}) of the log of {} wait for ", *log.pinned_frames,
                    in_words(*log.pinned_frames * (log.page_bytes + wal_frame_header_bytes)),
                    log.database_file);
    if (holder != seen.transactions.end()) {
      findings.push_back(
          {fmt::format("{}connection {}, {} old, idle for {}.{}", waiting, holder->connection_id,
                       seconds_in_words(*holder->age_seconds),
                       seconds_in_words(holder->idle_seconds.value_or(0)), last_statement(*holder)),
           kill_if_possible(*holder, seen)});
    } else {
      findings.push_back({waiting + "a reader in another process."});
    }
    told.push_back(log.database_file);
  }
  return findings;
}

Findings large_logs(const Examination& seen) {
  Findings findings;
  std::vector<std::string> told;
  for (const WalStatsRow& log : seen.logs) {
    if (log_bytes(log) < large_log_bytes || is_pinned_for_long(log, seen)) continue;
    if (std::ranges::find(told, log.database_file) != told.end()) continue;
    told.push_back(log.database_file);
    findings.push_back(
        {fmt::format("The log of {} has {} frames ({}), of which {} are in the database already.",
                     log.database_file, log.frames, in_words(log_bytes(log)),
                     log.checkpointed_frames),
         fix::collect(3)});
  }
  return findings;
}

/// With growth on, only the greatest profile has an end.
Findings arenas_at_limit(const Examination& seen) {
  if (!seen.arenas) return {};
  std::uint64_t hits = 0;
  for (std::size_t index = seen.arenas_grow ? arena_profile_count - 1 : 0;
       index < arena_profile_count; ++index)
    hits += seen.arenas->profiles[index].limit_hits;
  if (hits == 0) return {};
  Finding finding{fmt::format("{} requests of transactions met the end of {} since the start.",
                              hits, seen.arenas_grow ? "the profile huge" : "their profile")};
  if (!seen.arenas_grow)
    finding.fix_sql =
        "UPDATE memory_config SET setting = 'on' WHERE name = 'transaction_arena_growth'";
  return {finding};
}

Findings leaked_connections(const Examination& seen) {
  Findings findings;
  for (const LeakSuspectsRow& suspect : find_leak_suspects(seen)) {
    if (suspect.kind != "connection") continue;
    findings.push_back({fmt::format("{}: {} They hold {}.", suspect.subject, suspect.evidence,
                                    in_words(suspect.live_bytes.value_or(0))),
                        std::nullopt, suspect.live_bytes});
  }
  return findings;
}

constexpr auto transaction_rule_list = std::to_array<DoctorRule>({
    {"orphaned_transaction", Severity::warning, Judges::facts,
     "A transaction is open that nobody seems to end.",
     "Find the code that began it: commit, roll back, or reset its statement on every path. "
     "kill_orphaned_transactions() ends it now; its owner is told at its next statement.",
     orphaned},
    {"zombie_connection", Severity::warning, Judges::facts,
     "A connection was closed with sqlite3_close_v2() and lives on: something of it is still open.",
     "Finalize all statements, blobs and backups before closing; sqlite3_close() refuses instead.",
     zombies},
    {"wal_pinned", Severity::warning, Judges::facts,
     "A reader keeps the write-ahead log from being checkpointed: it grows with every write.",
     "End the reader's transaction, or reset its statement; open_transactions() shows both.",
     pinned_logs},
    {"wal_growth", Severity::warning, Judges::facts,
     "The write-ahead log is large, and no old reader explains it: checkpoints do not run, or do "
     "not keep up.",
     "Let force_garbage_collection(3) or PRAGMA wal_checkpoint run one; look at "
     "wal_autocheckpoint, and at writes that never pause.",
     large_logs},
    {"arena_limit", Severity::warning, Judges::facts,
     "Transactions met the limit of their memory: txn_set() or sqlitemem_txn_alloc() was refused.",
     "Commit in smaller parts, or let profiles grow (option transaction_arena_growth).",
     arenas_at_limit},
    {"connection_leak", Severity::warning, Judges::facts,
     "Many connections to one file are open, and hardly any is used.",
     "Close them when a request ends, or keep a pool with a fixed number.", leaked_connections},
});

}  // namespace

std::span<const DoctorRule> transaction_rules() { return transaction_rule_list; }

}  // namespace sqlitemem::stats
