// Which statements have been running for long, so that an emergency can interrupt them.
#pragma once

#include <sqlite3.h>

#include <cstdint>

namespace sqlitemem::ext {

/// sqlite3_step() for an outermost call on this thread: notes when it began, and calls `step`.
/// Two uncontended locks; used only in response mode full, under preload.
int timed_step(int (*step)(sqlite3_stmt*), sqlite3* (*db_handle)(sqlite3_stmt*),
               sqlite3_stmt* statement);

struct InterruptSummary {
  std::uint64_t interrupted = 0;  ///< Connections.
  std::uint64_t spared = 0;       ///< Long as well, but others have a lower priority.
};
/// sqlite3_interrupt() for calls of sqlite3_step() that began more than long_query_seconds ago: of
/// connections with a low priority if there are such among them, else of all.
InterruptSummary interrupt_long_statements() noexcept;

/// SQL's connection_priority(): a mark on the connection, gone when it closes. false: `db` is not
/// registered.
bool set_low_priority(sqlite3* db, bool is_low) noexcept;
bool has_low_priority(sqlite3* db) noexcept;

}  // namespace sqlitemem::ext
