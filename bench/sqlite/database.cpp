// Thin wrappers: they add no allocations of their own to what is measured.
#include "bench/sqlite/database.h"

#include <cstdio>
#include <cstdlib>

namespace sqlitemem::bench {
namespace {

[[noreturn]] void fail(sqlite3* handle, const char* what) {
  std::fprintf(stderr, "SQLite: %s: %s\n", sqlite3_errmsg(handle), what);
  std::exit(1);
}

void add_row(sqlite3_stmt* statement, AnswerHash& hash) {
  const int columns = sqlite3_column_count(statement);
  for (int i = 0; i < columns; ++i) {
    const int type = sqlite3_column_type(statement, i);
    hash.add(&type, sizeof type);
    const void* text = sqlite3_column_text(statement, i);
    hash.add(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, i)));
  }
}

}  // namespace

Database::Database(const std::string& path) {
  if (sqlite3_open(path.c_str(), &handle_) != SQLITE_OK) fail(handle_, path.c_str());
}

void Database::execute(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(handle_, sql);
}

void Database::query(const char* sql, AnswerHash& hash) { Statement(*this, sql).run(hash); }

Statement::Statement(Database& database, const char* sql) : database_(database) {
  if (sqlite3_prepare_v2(database.handle(), sql, -1, &handle_, nullptr) != SQLITE_OK) {
    fail(database.handle(), sql);
  }
}

Statement& Statement::bind(int index, std::int64_t value) {
  if (sqlite3_bind_int64(handle_, index, value) != SQLITE_OK) fail(database_.handle(), "bind");
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  const int bytes = static_cast<int>(text.size());
  if (sqlite3_bind_text(handle_, index, text.data(), bytes, SQLITE_TRANSIENT) != SQLITE_OK) {
    fail(database_.handle(), "bind");
  }
  return *this;
}

bool Statement::step() {
  const int rc = sqlite3_step(handle_);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) fail(database_.handle(), sqlite3_sql(handle_));
  return rc == SQLITE_ROW;
}

void Statement::run() {
  while (step()) {
  }
  reset();
}

void Statement::run(AnswerHash& hash) {
  while (step()) add_row(handle_, hash);
  reset();
}

}  // namespace sqlitemem::bench
