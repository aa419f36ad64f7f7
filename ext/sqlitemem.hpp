// The plan cache of sqlitemem.h for C++17: a statement that goes back by itself.
#pragma once

#include <sqlitemem.h>

#include <string_view>
#include <utility>

namespace sqlitemem {

/// A statement from sqlitemem_prepare_cached(), released when this goes out of scope. Use get()
/// with SQLite's functions. Belongs to one thread at a time, and must go before its connection is
/// closed.
///
///     sqlitemem::CachedStatement insert(db, "INSERT INTO words VALUES(?)");
///     if (insert.rc() != SQLITE_OK) …                   // sqlite3_errmsg(db) says why
///     sqlite3_bind_text(insert.get(), 1, word, -1, SQLITE_TRANSIENT);
///     sqlite3_step(insert.get());
class CachedStatement {
 public:
  CachedStatement() = default;
  CachedStatement(sqlite3* db, std::string_view sql)
      : rc_(sqlitemem_prepare_cached(db, sql.data(), static_cast<int>(sql.size()), &statement_,
                                     nullptr)) {}
  ~CachedStatement() { sqlitemem_release(statement_); }
  CachedStatement(CachedStatement&& other) noexcept
      : statement_(std::exchange(other.statement_, nullptr)), rc_(other.rc_) {}
  CachedStatement& operator=(CachedStatement&& other) noexcept {
    std::swap(rc_, other.rc_);
    std::swap(statement_, other.statement_);
    return *this;
  }

  /// What preparing it returned.
  [[nodiscard]] int rc() const noexcept { return rc_; }
  /// nullptr: it could not be prepared, or the text had no statement in it.
  [[nodiscard]] sqlite3_stmt* get() const noexcept { return statement_; }
  explicit operator bool() const noexcept { return statement_ != nullptr; }

  /// Releases it now; returns the error of its last run, as sqlite3_finalize() does.
  int release() noexcept { return sqlitemem_release(std::exchange(statement_, nullptr)); }

 private:
  sqlite3_stmt* statement_ = nullptr;  // Before rc_, whose initializer sets it.
  int rc_ = SQLITE_OK;
};

}  // namespace sqlitemem
