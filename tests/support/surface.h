// An in-memory or file database with the built extension loaded, and its answers as text.
#pragma once

#include <sqlite3.h>

#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace sqlitemem::tests {

/// Attached if the process allows it; set SQLITEMEM_ATTACH=never before for observing.
class Surface {
 public:
  explicit Surface(const char* file = ":memory:") {
    REQUIRE(sqlite3_open(file, &db_) == SQLITE_OK);
    sqlite3_enable_load_extension(db_, 1);
    char* error = nullptr;
    const int rc = sqlite3_load_extension(db_, SQLITEMEM_BUILD_DIR "/sqlitemem", nullptr, &error);
    INFO((error != nullptr ? error : "no message"));
    REQUIRE(rc == SQLITE_OK);
  }
  ~Surface() { sqlite3_close(db_); }
  Surface(const Surface&) = delete;
  Surface& operator=(const Surface&) = delete;

  [[nodiscard]] sqlite3* db() const { return db_; }

  /// The first column of every row; "NULL" for NULL.
  std::vector<std::string> column(const std::string& sql) {
    std::vector<std::string> values;
    CAPTURE(sql);
    sqlite3_stmt* statement = nullptr;
    rc_ = sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr);
    while (rc_ == SQLITE_OK || rc_ == SQLITE_ROW) {
      rc_ = sqlite3_step(statement);
      if (rc_ != SQLITE_ROW) break;
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
      values.emplace_back(text != nullptr ? text : "NULL");
    }
    message_ = rc_ == SQLITE_DONE ? "" : sqlite3_errmsg(db_);
    sqlite3_finalize(statement);
    return values;
  }
  /// The first value; the test fails if there is none.
  std::string value(const std::string& sql) {
    const std::vector<std::string> values = column(sql);
    INFO(sql << ": " << message_);
    REQUIRE_FALSE(values.empty());
    return values[0];
  }
  std::int64_t number(const std::string& sql) { return std::stoll(value(sql)); }
  /// The message that the statement fails with; empty if it does not. rc() has its code.
  std::string error(const std::string& sql) {
    column(sql);
    return message_;
  }
  [[nodiscard]] int rc() const { return rc_; }

 private:
  sqlite3* db_ = nullptr;
  int rc_ = SQLITE_OK;
  std::string message_;
};

}  // namespace sqlitemem::tests
