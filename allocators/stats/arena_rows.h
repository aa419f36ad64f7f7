// The table transaction_arena_stats: the memory of transactions, by profile and by live arena.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct TransactionArenaStatsRow {
  std::optional<std::uint64_t> arena_id, connection_id, level;
  std::string profile, state;
  std::uint64_t initial_bytes = 0, limit_bytes = 0, used_bytes = 0;
  std::optional<std::uint64_t> reserved_bytes;
  std::uint64_t peak_bytes = 0, allocations = 0;
  std::optional<std::uint64_t> commits;
  std::uint64_t rollbacks = 0;
  std::optional<std::uint64_t> limit_hits, last_reset_ns;
  std::optional<double> age_seconds;

  static constexpr auto describe() {
    using R = TransactionArenaStatsRow;
    // clang-format off
    return describe_table<R>("transaction_arena_stats", "transaction_arena",
        "The memory of transactions (txn_set(), sqlitemem_txn_alloc()): a row for each profile, "
        "and for each open transaction that uses it one more, with one for each savepoint in it.", {
        {"arena_id", &R::arena_id, Role::detail, "",
         "Which transaction; never used twice. NULL in a profile's row."},
        {"connection_id", &R::connection_id, Role::label, "",
         "As in connection_memory; NULL in a profile's row."},
        {"level", &R::level, Role::label, "",
         "How many savepoints are around it: 0 is the transaction itself. A statement that can be "
         "undone counts as one while it runs. NULL in a profile's row."},
        {"profile", &R::profile, Role::label, "", "tiny, small, medium, large or huge."},
        {"state", &R::state, Role::label, "", "profile, transaction or savepoint."},
        {"initial_bytes", &R::initial_bytes, Role::gauge, "bytes",
         "What a transaction of the profile begins with."},
        {"limit_bytes", &R::limit_bytes, Role::gauge, "bytes",
         "The most that it may use before it moves to the next profile, or is refused more."},
        {"used_bytes", &R::used_bytes, Role::gauge, "bytes",
         "Handed out. A transaction's or savepoint's without those of savepoints in it; a "
         "profile's of all its open transactions."},
        {"reserved_bytes", &R::reserved_bytes, Role::gauge, "bytes",
         "Taken from the heap. A profile's includes what idle connections keep for their next "
         "transaction; NULL for a savepoint, whose memory is part of the transaction's."},
        {"peak_bytes", &R::peak_bytes, Role::gauge, "bytes",
         "The most that was used at a time: by the transaction, by one transaction of the "
         "profile. A savepoint's is what it uses."},
        {"allocations", &R::allocations, Role::counter, "",
         "Allocations. What a rollback to a savepoint took back counts in the savepoint's row."},
        {"commits", &R::commits, Role::counter, "",
         "Transactions committed: of the connection, of the profile; NULL for a savepoint."},
        {"rollbacks", &R::rollbacks, Role::counter, "",
         "Transactions rolled back; for a savepoint, how often it was rolled back to."},
        {"limit_hits", &R::limit_hits, Role::counter, "",
         "Allocations that met the limit, whether the transaction could move on or not; NULL for a "
         "savepoint."},
        {"last_reset_ns", &R::last_reset_ns, Role::detail, "",
         "How long the last commit or rollback took to free everything, in nanoseconds; NULL "
         "before the first, and for a savepoint."},
        {"age_seconds", &R::age_seconds, Role::gauge, "seconds",
         "Since the first use in the transaction, or since the savepoint began; NULL for a "
         "profile."},
    });
    // clang-format on
  }
  static std::vector<TransactionArenaStatsRow> snapshot(Sources& sources, Arguments arguments);
};

}  // namespace sqlitemem::stats
