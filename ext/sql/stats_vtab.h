// Serves any described row type as an eponymous virtual table and table-valued function. Knows no
// allocator.
#pragma once

#include <sqlite3ext.h>

#include <array>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "allocators/stats/describe.h"
#include "ext/sql/guarded.h"
#include "ext/sql/statement_reading.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {

/// Specialised for a table that can be written; see config_writer.h for what it must have.
template <class Row>
struct Writer {};

template <class Row>
concept Writable = requires(Writer<Row> writer, const RunningStatement& statement,
                            std::string_view key, sqlite3_value** columns) {
  Writer<Row>::key_column;                             // WHERE key = … names a row.
  Writer<Row>::require_known(key);                     // Refusal if there is no such row.
  writer.update(statement, sqlite3_int64{}, columns);  // Refusal if it cannot be done.
  writer.roll_back(statement);                         // Perhaps that statement has failed.
  writer.forget();                                     // Nothing will be rolled back any more.
};

template <class Row>
class StatsVtab {
  static constexpr const auto& description = stats::table<Row>;
  static constexpr std::size_t column_count = description.columns.size();
  static constexpr std::size_t argument_count = description.arguments.size();
  static constexpr int key_bit = 1 << argument_count;  // In idxNum, behind the arguments' bits.

  using Rows = std::shared_ptr<const std::vector<Row>>;

  struct Table : sqlite3_vtab {
    std::shared_ptr<StatementReadings> readings;
    bool is_writing = false;
    [[no_unique_address]] Writer<Row> writer;
  };
  /// Shares the reading of the statement that opened it: all tables of one statement show the same
  /// figures, however often they are scanned.
  struct Cursor : sqlite3_vtab_cursor {
    std::shared_ptr<StatementReading> reading;
    Rows rows;
    std::array<stats::ArgumentValue, argument_count> arguments;
    std::size_t at = 0;
  };
  static Table& self(sqlite3_vtab* base) { return *static_cast<Table*>(base); }
  static Cursor& self(sqlite3_vtab_cursor* base) { return *static_cast<Cursor*>(base); }

  static int connect(sqlite3* db, void* readings, int, const char* const*, sqlite3_vtab** out,
                     char** error) {
    const auto report = [&](const char* text) { *error = sqlite3_mprintf("%s", text); };
    return guarded(report, [&] {
      const int rc = sqlite3_declare_vtab(db, stats::create_table_sql<Row>().c_str());
      if (rc != SQLITE_OK) return rc;
      // A view or trigger of an untrusted database must not change what concerns the process.
      if constexpr (Writable<Row>) sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
      auto* table = new Table{};
      table->readings = *static_cast<std::shared_ptr<StatementReadings>*>(readings);
      *out = table;
      return SQLITE_OK;
    });
  }
  static int disconnect(sqlite3_vtab* base) {
    delete &self(base);
    return SQLITE_OK;
  }

  /// Arguments are equality constraints on hidden columns. A plan that leaves one unset although
  /// the query gives it is refused, so that SQLite finds the one that sets it first.
  static int best_index(sqlite3_vtab*, sqlite3_index_info* info) {
    std::array<int, argument_count + 1> constraint_of{};
    constraint_of.fill(-1);
    for (int index = 0; index < info->nConstraint; ++index) {
      const auto& constraint = info->aConstraint[index];
      if (constraint.op != SQLITE_INDEX_CONSTRAINT_EQ || constraint.iColumn < 0) continue;
      const auto column = static_cast<std::size_t>(constraint.iColumn);
      if (column >= column_count) {
        if (constraint.usable == 0) return SQLITE_CONSTRAINT;
        constraint_of[column - column_count] = index;
      } else if (is_key(column) && constraint.usable != 0 &&
                 std::string_view(sqlite3_vtab_collation(info, index)) == "BINARY") {
        constraint_of[argument_count] = index;
      }
    }
    int next_argument = 0;
    for (std::size_t slot = 0; slot < constraint_of.size(); ++slot) {
      if (constraint_of[slot] < 0) continue;
      auto& usage = info->aConstraintUsage[constraint_of[slot]];
      usage.argvIndex = ++next_argument;
      usage.omit = slot < argument_count ? 1 : 0;
      info->idxNum |= 1 << slot;
    }
    info->estimatedCost = 1000;
    info->estimatedRows = 100;
    return SQLITE_OK;
  }
  static constexpr bool is_key(std::size_t column) {
    if constexpr (Writable<Row>) {
      return description.columns[column].name == Writer<Row>::key_column;
    } else {
      return false;
    }
  }

  static int open(sqlite3_vtab* base, sqlite3_vtab_cursor** out) {
    return guarded_for(base, description.name, [&] {
      auto cursor = std::make_unique<Cursor>();
      cursor->reading = self(base).readings->of_running_statement();
      // An UPDATE opens its cursors before it changes anything.
      if constexpr (Writable<Row>) self(base).writer.forget();
      *out = cursor.release();
      return SQLITE_OK;
    });
  }
  static int close(sqlite3_vtab_cursor* base) {
    delete &self(base);
    return SQLITE_OK;
  }

  static stats::ArgumentValue read_argument(const stats::Argument& argument, sqlite3_value* value) {
    if (sqlite3_value_type(value) == SQLITE_NULL) return {};
    if (argument.type == stats::ArgumentType::integer) {
      if (const auto integer = integer_of(value)) return *integer;
    } else if (sqlite3_value_type(value) != SQLITE_BLOB) {
      return text_of(value);
    }
    throw stats::Refusal("argument '" + std::string(argument.name) + "' must be " +
                         (argument.type == stats::ArgumentType::integer ? "an integer" : "text") +
                         ": " + std::string(argument.doc));
  }

  static Rows rows_for(const Cursor& cursor) {
    const auto read = [&] {
      return std::make_shared<const std::vector<Row>>(
          Row::snapshot(cursor.reading->sources, cursor.arguments));
    };
    // What an UPDATE changes is no figure of the process: it is shown as it is.
    if constexpr (Writable<Row> || argument_count > 0) return read();
    std::shared_ptr<const void>& known = cursor.reading->rows[&description];
    if (known == nullptr) known = read();
    return std::static_pointer_cast<const std::vector<Row>>(known);
  }

  static int filter(sqlite3_vtab_cursor* base, int given, const char*, int,
                    sqlite3_value** values) {
    Cursor& cursor = self(base);
    Table& table = self(base->pVtab);
    return guarded_for(base->pVtab, description.name, [&] {
      cursor.rows = nullptr;
      cursor.at = 0;
      std::size_t next_value = 0;
      for (std::size_t index = 0; index < argument_count; ++index) {
        const stats::Argument& argument = description.arguments[index];
        const bool is_given = (given & (1 << index)) != 0;
        cursor.arguments[index] =
            is_given ? read_argument(argument, values[next_value++]) : stats::ArgumentValue{};
        if (argument.is_required && cursor.arguments[index].index() == 0) {
          throw stats::Refusal("argument '" + std::string(argument.name) +
                               "' is missing: " + std::string(argument.doc));
        }
      }
      if constexpr (Writable<Row>) {
        // Only a statement that writes: SELECT … WHERE name = 'unknown' has simply no rows.
        if (table.is_writing && (given & key_bit) != 0) {
          Writer<Row>::require_known(text_of(values[next_value]));
        }
      }
      cursor.rows = rows_for(cursor);
      return SQLITE_OK;
    });
  }
  static int next(sqlite3_vtab_cursor* base) {
    ++self(base).at;
    return SQLITE_OK;
  }
  static int eof(sqlite3_vtab_cursor* base) {
    const Cursor& cursor = self(base);
    return cursor.rows == nullptr || cursor.at >= cursor.rows->size() ? 1 : 0;
  }
  static int rowid(sqlite3_vtab_cursor* base, sqlite3_int64* out) {
    *out = static_cast<sqlite3_int64>(self(base).at) + 1;
    return SQLITE_OK;
  }
  static int column(sqlite3_vtab_cursor* base, sqlite3_context* context, int number) {
    const Cursor& cursor = self(base);
    const auto index = static_cast<std::size_t>(number);
    // An UPDATE asks for the columns it leaves alone: no value says so to xUpdate.
    if (Writable<Row> && sqlite3_vtab_nochange(context) != 0) return SQLITE_OK;
    if (index < column_count) {
      set_result(context, stats::cell_of((*cursor.rows)[cursor.at], description.columns[index]));
    } else if (const auto& given = cursor.arguments.begin()[index - column_count];
               const auto* integer = std::get_if<std::int64_t>(&given)) {
      set_result(context, *integer);
    } else if (const auto* text = std::get_if<std::string>(&given)) {
      set_result(context, *text);
    }
    return SQLITE_OK;
  }

  static int update(sqlite3_vtab* base, int value_count, sqlite3_value** values, sqlite3_int64*) {
    return guarded_for(base, description.name, [&] {
      if (value_count == 1) throw stats::Refusal("rows cannot be deleted");
      if (sqlite3_value_type(values[0]) == SQLITE_NULL) {
        throw stats::Refusal("rows cannot be inserted");
      }
      if constexpr (Writable<Row>) {
        Table& table = self(base);
        table.writer.update(running_statement(table.readings->db()), sqlite3_value_int64(values[0]),
                            values + 2);
      }
      return SQLITE_OK;
    });
  }
  static int begin(sqlite3_vtab* base) {
    self(base).is_writing = true;
    return SQLITE_OK;
  }
  static int commit(sqlite3_vtab* base) {
    self(base).is_writing = false;
    self(base).writer.forget();
    return SQLITE_OK;
  }
  static int roll_back_to(sqlite3_vtab* base, int) {
    Table& table = self(base);
    return guarded_for(base, description.name, [&] {
      table.writer.roll_back(running_statement(table.readings->db()));
      return SQLITE_OK;
    });
  }
  static int roll_back(sqlite3_vtab* base) {
    const int rc = roll_back_to(base, 0);
    commit(base);
    return rc;
  }
  static int no_savepoint(sqlite3_vtab*, int) { return SQLITE_OK; }

  static constexpr sqlite3_module make_module() {
    sqlite3_module made{};  // xCreate stays null: the table is eponymous and cannot be CREATEd.
    made.xConnect = connect, made.xDisconnect = disconnect, made.xBestIndex = best_index;
    made.xOpen = open, made.xClose = close, made.xFilter = filter, made.xNext = next;
    made.xEof = eof, made.xColumn = column, made.xRowid = rowid;
    if constexpr (Writable<Row>) {
      made.iVersion = 2;  // With savepoints: so SQLite tells of a statement that fails inside one.
      made.xUpdate = update, made.xBegin = begin, made.xCommit = commit;
      made.xRollback = roll_back, made.xRollbackTo = roll_back_to;
      made.xSavepoint = no_savepoint, made.xRelease = no_savepoint;
    }
    return made;
  }

 public:
  static constexpr sqlite3_module module = make_module();
};

}  // namespace sqlitemem::ext
