// An SQL function that keeps what it needs in the memory of the transaction: a log that COMMIT and
// ROLLBACK clear, and ROLLBACK TO takes back. The functions are plain C.
#include <sqlitemem.h>

#include <cstdio>
#include <cstring>

namespace {

// Lines are never changed once they are in the list: the list goes back with its head.
struct Line {
  const Line* before;
  char text[1];
};
const char log_key = 0;  // Its address is the key.

// note(text): adds a line to the transaction's log.
void note(sqlite3_context* context, int, sqlite3_value** arguments) {
  sqlite3* db = sqlite3_context_db_handle(context);
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(arguments[0]));
  if (text == nullptr) return;
  auto* line = static_cast<Line*>(sqlitemem_txn_alloc(db, sizeof(Line) + std::strlen(text)));
  if (line == nullptr) return sqlite3_result_error(context, sqlitemem_errmsg(), -1);
  line->before = static_cast<const Line*>(sqlitemem_txn_pointer(db, &log_key));
  std::memcpy(line->text, text, std::strlen(text) + 1);
  if (sqlitemem_txn_set_pointer(db, &log_key, line) != SQLITE_OK) {
    sqlite3_result_error(context, sqlitemem_errmsg(), -1);
  }
}

// notes(): the log, latest line first.
void notes(sqlite3_context* context, int, sqlite3_value**) {
  sqlite3_str* all = sqlite3_str_new(nullptr);
  const auto* line =
      static_cast<const Line*>(sqlitemem_txn_pointer(sqlite3_context_db_handle(context), &log_key));
  for (; line != nullptr; line = line->before) sqlite3_str_appendf(all, "%s;", line->text);
  char* text = sqlite3_str_finish(all);
  sqlite3_result_text(context, text != nullptr ? text : "", -1, SQLITE_TRANSIENT);
  sqlite3_free(text);
}

int print_row(void*, int, char** values, char**) {
  std::printf("notes: %s\n", values[0] != nullptr ? values[0] : "-");
  return 0;
}

bool run(sqlite3* db, const char* sql) {
  char* error = nullptr;
  if (sqlite3_exec(db, sql, print_row, nullptr, &error) == SQLITE_OK) return true;
  std::printf("error: %s\n", error);
  sqlite3_free(error);
  return false;
}

}  // namespace

int main() {
  if (sqlitemem_install() != SQLITE_OK) {
    std::fprintf(stderr, "sqlitemem: %s\n", sqlitemem_errmsg());
    return 1;
  }
  sqlite3* db = nullptr;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  sqlite3_create_function(db, "note", 1, SQLITE_UTF8, nullptr, note, nullptr, nullptr);
  sqlite3_create_function(db, "notes", 0, SQLITE_UTF8, nullptr, notes, nullptr, nullptr);
  const bool is_done =
      run(db,
          "CREATE TABLE t(a);"
          "CREATE TRIGGER log AFTER INSERT ON t BEGIN SELECT note('added ' || new.a); END;"
          "BEGIN; INSERT INTO t VALUES (1), (2); SAVEPOINT s; INSERT INTO t VALUES (3);") &&
      run(db, "SELECT notes();") && run(db, "ROLLBACK TO s; SELECT notes();") &&
      run(db, "COMMIT; SELECT notes();");
  run(db, "INSERT INTO t VALUES (4);");  // No transaction: the trigger's note() says so.
  sqlite3_close(db);
  return is_done ? 0 : 1;
}
