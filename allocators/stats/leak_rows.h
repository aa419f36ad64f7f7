// The table leak_suspects: what is kept, and looks as if nobody will give it back.
#pragma once

#include "allocators/base/bytes.h"
#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;
struct Examination;

struct LeakSuspectsRow {
  std::string kind, subject;
  std::optional<std::uint64_t> live_count, live_bytes;
  std::optional<double> growth_bytes_per_hour, oldest_seconds;
  std::string evidence;

  static constexpr auto describe() {
    using R = LeakSuspectsRow;
    // clang-format off
    return describe_table<R>("leak_suspects", "",
        "What may be a leak, the most bytes first: memory that has only grown, statements prepared "
        "again and again and not finalized, connections and transactions that nobody uses, large "
        "objects that come and stay. Suspects, not proofs: evidence says what was seen. Small "
        "amounts are left out. A snapshot now and then (memory_snapshot()) lets it see what "
        "grows.", {
        {"kind", &R::kind, Role::label, "",
         "heap, size_class, statement, connection, transaction or large_object."},
        {"subject", &R::subject, Role::label, "",
         "Which: a component as in memory_diff, a statement's fingerprint, a database file, a "
         "connection, a size."},
        {"live_count", &R::live_count, Role::detail, "",
         "Objects, statements, connections; NULL where nothing is counted."},
        {"live_bytes", &R::live_bytes, Role::detail, "", "What they hold now; NULL: not known."},
        {"growth_bytes_per_hour", &R::growth_bytes_per_hour, Role::detail, "",
         "How fast that has grown; NULL: seen at one moment only."},
        {"oldest_seconds", &R::oldest_seconds, Role::detail, "",
         "The age of the oldest of them, or how long the growth was watched; NULL: not known."},
        {"evidence", &R::evidence, Role::detail, "", "What was seen, in a sentence or two."},
    });
    // clang-format on
  }
  static std::vector<LeakSuspectsRow> snapshot(Sources& sources, Arguments arguments);
};

/// Less is not worth a row.
namespace leak_floor {
inline constexpr std::uint64_t class_growth_bytes = 256 * kib;  ///< And a fifth of what there was.
inline constexpr std::int64_t watched_seconds = 60;
inline constexpr std::size_t statements = 10;
inline constexpr std::size_t connections = 16;
inline constexpr std::int64_t idle_connection_seconds = 300;
inline constexpr double transaction_seconds = 300;
inline constexpr std::size_t large_objects = 8;
inline constexpr std::uint64_t large_object_bytes = 4 * mib;
inline constexpr double large_object_seconds = 600;
}  // namespace leak_floor

/// Pure.
[[nodiscard]] std::vector<LeakSuspectsRow> find_leak_suspects(const Examination& seen);

}  // namespace sqlitemem::stats
