// What UPDATE memory_config does.
#pragma once

#include "allocators/config.h"
#include "allocators/stats/config_rows.h"
#include "ext/sql/stats_vtab.h"

namespace sqlitemem::ext {

/// Sets an option on behalf of SQL. Returns the sentence to show if the change waits for a restart,
/// else an empty one. Throws CodedRefusal: unknown name SQLITE_ERROR, unreadable value
/// SQLITE_MISMATCH, outside the range SQLITE_CONSTRAINT.
std::string set_option_from_sql(std::string_view name, std::string_view text);

template <>
struct Writer<stats::MemoryConfigRow> {
  static constexpr std::string_view key_column = "name";
  static void require_known(std::string_view name);
  /// `rowid` counts the options from 1; a column that is not to change has no value.
  static void update(sqlite3_int64 rowid, sqlite3_value** columns);
};

}  // namespace sqlitemem::ext
