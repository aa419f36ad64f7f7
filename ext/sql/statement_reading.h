// What one run of one statement sees of the process: all its cursors share one reading.
#pragma once

#include <sqlite3ext.h>

#include <map>
#include <memory>
#include <vector>

#include "ext/sql/live_sources.h"
#include "ext/sql/running_statement.h"

namespace sqlitemem::ext {

/// The figures, and the rows that were made of them. Its memory is operator new's, not the heap's
/// that is being measured.
struct StatementReading {
  explicit StatementReading(sqlite3* db) : sources(db) {}

  LiveSources sources;
  /// By the address of the table's description; only of tables read without arguments.
  std::map<const void*, std::shared_ptr<const void>> rows;
};

/// The readings in use on one connection. Called with the connection's mutex held, as all callbacks
/// of virtual tables are.
class StatementReadings {
 public:
  explicit StatementReadings(sqlite3* db) : db_(db) {}

  /// The reading of the statement that is running. It lives as long as a cursor of that run has it:
  /// a statement that is stepped slowly, with others in between, keeps its own; the next run, or
  /// another statement, starts with a new one.
  std::shared_ptr<StatementReading> of_running_statement();

  [[nodiscard]] sqlite3* db() const { return db_; }

 private:
  struct Known {
    RunningStatement statement;
    std::weak_ptr<StatementReading> reading;
  };
  sqlite3* db_;
  std::vector<Known> known_;
};

}  // namespace sqlitemem::ext
