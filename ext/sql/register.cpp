// Registration from the two lists: tables.h's AllTables and functions.h's `functions`.
#include "ext/sql/register.h"

#include <memory>

#include "allocators/stats/tables.h"
#include "ext/sql/config_writer.h"
#include "ext/sql/functions.h"
#include "ext/sql/stats_vtab.h"
#include "ext/transactions/connection_arena.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

/// `created` counts those that succeeded.
int create_functions(sqlite3* db, int& created) {
  for (const Function& function : functions) {
    for (int count = function.min_arguments; count <= function.max_arguments; ++count) {
      const int rc =
          sqlite3_create_function_v2(db, function.name, count, SQLITE_UTF8 | function.flags,
                                     nullptr, function.body, nullptr, nullptr, nullptr);
      if (rc != SQLITE_OK) return rc;
      ++created;
    }
  }
  return SQLITE_OK;
}

void drop_readings(void* share) { delete static_cast<std::shared_ptr<StatementReadings>*>(share); }

/// All tables of a connection share what its statements have read.
int create_tables(sqlite3* db) {
  const auto readings = std::make_shared<StatementReadings>(db);
  int rc = SQLITE_OK;
  stats::for_each_table([&]<class Row>(std::type_identity<Row>) {
    if (rc != SQLITE_OK) return;
    rc = sqlite3_create_module_v2(db, stats::table<Row>.name.data(), &StatsVtab<Row>::module,
                                  new std::shared_ptr(readings), drop_readings);
  });
  return rc;
}

/// Taking back what was never there is harmless, and its result codes say nothing new.
void take_all_back(sqlite3* db) {
  for (const Function& function : functions) {
    for (int count = function.min_arguments; count <= function.max_arguments; ++count) {
      sqlite3_create_function_v2(db, function.name, count, SQLITE_UTF8, nullptr, nullptr, nullptr,
                                 nullptr, nullptr);
    }
  }
  stats::for_each_table([&]<class Row>(std::type_identity<Row>) {
    sqlite3_create_module_v2(db, stats::table<Row>.name.data(), nullptr, nullptr, nullptr);
  });
  unregister_transactions(db);
}

}  // namespace

int register_sql(sqlite3* db) {
  int created = 0;
  // Functions first: SQLite refuses to replace one while statements run, so that a second
  // registration at the wrong moment fails before it has changed anything.
  int rc = create_functions(db, created);
  const auto no_words = [](const char*) {};
  if (rc == SQLITE_OK) rc = guarded(no_words, [&] { return create_tables(db); });
  if (rc == SQLITE_OK) rc = guarded(no_words, [&] { return register_transactions(db); });
  if (rc != SQLITE_OK && created > 0) take_all_back(db);
  return rc;
}

}  // namespace sqlitemem::ext
