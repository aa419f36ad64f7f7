// What earlier readings of a connection have shown of its transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sqlitemem::ext {

/// SQLite does not say how long a connection has been idle: two readings do, between which nothing
/// has moved.
struct TransactionHistory {
  bool is_open = false;  ///< At the last reading; the rest is about that transaction.
  std::optional<std::string> state;
  std::uint64_t activity = 0;          ///< A sum of counters that any use of the connection moves.
  std::uint64_t first_page_at_ns = 0;  ///< Which transaction; 0: not known.
  std::uint64_t seen_at_ns = 0;        ///< First reading since which nothing has moved.
  bool owner_was_gone = false;         ///< The thread that began it.
  bool is_handed_over = false;         ///< Used since then, by a thread that is not known.
};

}  // namespace sqlitemem::ext
