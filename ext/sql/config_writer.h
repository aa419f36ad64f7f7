// What UPDATE memory_config does.
#pragma once

#include "allocators/config.h"
#include "allocators/stats/config_rows.h"
#include "ext/sql/stats_vtab.h"

namespace sqlitemem::ext {

/// Sets an option on behalf of SQL. Returns the sentence to show if the change does not act in this
/// process, else an empty one. Throws CodedRefusal: SQLITE_ERROR for an unknown name, or in a mode
/// where no option acts; SQLITE_CONSTRAINT for a value that is not allowed.
std::string set_option_from_sql(std::string_view name, std::string_view text);

/// A statement changes all its rows or none: what it has changed so far is kept in mind until it is
/// known to have succeeded.
template <>
class Writer<stats::MemoryConfigRow> {
 public:
  static constexpr std::string_view key_column = "name";
  static void require_known(std::string_view name);
  /// `rowid` counts the options from 1; a column that is not to change has no value. Before a
  /// refusal leaves, everything that `statement` changed is put back.
  void update(const RunningStatement& statement, sqlite3_int64 rowid, sqlite3_value** columns);
  /// SQLite rolls back while `statement` runs. If that one made the changes, it has failed; a
  /// ROLLBACK of the user is another one, and undoes nothing.
  void roll_back(const RunningStatement& statement);
  /// Another statement begins, or the transaction has ended.
  void forget() noexcept { changed_.clear(); }

 private:
  struct Change {
    const OptionSpec* spec;
    OptionBefore before;
  };
  void put_all_back() noexcept;

  RunningStatement statement_;
  std::string statement_text_;  // The next statement may have the address of the last.
  std::vector<Change> changed_;
};

}  // namespace sqlitemem::ext
