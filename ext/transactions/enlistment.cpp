// The virtual table that has no rows and hears of every commit, rollback and savepoint.
#include "ext/transactions/enlistment.h"

#include <cstring>
#include <memory>

#include "allocators/manager/process_arenas.h"
#include "ext/sql/guarded.h"
#include "ext/transactions/connection_arena.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

constexpr const char* create_sql =
    "CREATE VIRTUAL TABLE IF NOT EXISTS temp.sqlitemem_transaction USING sqlitemem_transaction";
// From a SELECT, and into a virtual table: SQLite opens a statement journal for it, and thereby
// tells the table how many savepoints there are around it. OR IGNORE: the row is refused and
// nothing is counted, so total_changes() and last_insert_rowid() stay as they are.
constexpr const char* insert_sql =
    "INSERT OR IGNORE INTO temp.sqlitemem_transaction SELECT 'enlist'";

constexpr const char* look_up_sql = "SELECT 1 FROM temp.sqlitemem_transaction";

using Share = std::shared_ptr<ConnectionArena>;

struct Table : sqlite3_vtab {
  Share arena;  // The module may be registered anew while the table lives.
};

}  // namespace

struct Enlistment::Callbacks {
  static Enlistment& of(sqlite3_vtab* table) {
    return static_cast<Table*>(table)->arena->enlistment();
  }

  /// SQLite is about to tell of the transaction: the arena must be there before the first mark.
  static void begin_if_enlisting(Enlistment& enlistment) noexcept {
    if (enlistment.is_enlisting_) enlistment.memory_.begin(configured_arena_rules());
  }

  static int make(sqlite3* db, void* share, sqlite3_vtab** out, char** error) {
    const auto report = [&](const char* text) { *error = sqlite3_mprintf("%s", text); };
    return guarded(report, [&] {
      auto table = std::make_unique<Table>();
      table->arena = *static_cast<Share*>(share);
      const int rc = sqlite3_declare_vtab(db, "CREATE TABLE x(purpose TEXT)");
      if (rc != SQLITE_OK) return rc;
      sqlite3_vtab_config(db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
      ++table->arena->enlistment().tables_;
      *out = table.release();
      return SQLITE_OK;
    });
  }
  static int create(sqlite3* db, void* share, int count, const char* const* words,
                    sqlite3_vtab** out, char** error) {
    Enlistment& enlistment = (*static_cast<Share*>(share))->enlistment();
    if (!enlistment.is_enlisting_ || count != 3 || std::strcmp(words[1], "temp") != 0) {
      *error =
          sqlite3_mprintf("%s is made by sqlitemem itself, in the schema temp", enlistment_name);
      return SQLITE_ERROR;
    }
    // A table takes part in the transaction that creates it, without xBegin.
    begin_if_enlisting(enlistment);
    return make(db, share, out, error);
  }
  static int connect(sqlite3* db, void* share, int, const char* const*, sqlite3_vtab** out,
                     char** error) {
    return make(db, share, out, error);
  }
  static int disconnect(sqlite3_vtab* base) {
    --of(base).tables_;
    delete static_cast<Table*>(base);
    return SQLITE_OK;
  }
  /// DROP TABLE in a transaction that uses it would leave the arena without an end.
  static int destroy(sqlite3_vtab* base) {
    return of(base).memory_.is_open() ? SQLITE_LOCKED : disconnect(base);
  }

  static int update(sqlite3_vtab* base, int, sqlite3_value**, sqlite3_int64*) {
    Enlistment& enlistment = of(base);
    if (!enlistment.is_enlisting_) {
      sqlite3_free(base->zErrMsg);
      base->zErrMsg = sqlite3_mprintf("%s is written by sqlitemem itself", enlistment_name);
      return SQLITE_READONLY;
    }
    enlistment.is_enlisted_ = true;
    return SQLITE_CONSTRAINT;
  }

  static int begin(sqlite3_vtab* base) {
    begin_if_enlisting(of(base));
    return SQLITE_OK;
  }
  static int sync(sqlite3_vtab*) { return SQLITE_OK; }
  static int commit(sqlite3_vtab* base) {
    of(base).memory_.commit();
    return SQLITE_OK;
  }
  static int roll_back(sqlite3_vtab* base) {
    of(base).memory_.roll_back();
    return SQLITE_OK;
  }
  static int savepoint(sqlite3_vtab* base, int level) {
    begin_if_enlisting(of(base));
    const bool is_marked = of(base).memory_.savepoint(static_cast<std::size_t>(level));
    return is_marked ? SQLITE_OK : SQLITE_NOMEM;
  }
  static int release(sqlite3_vtab* base, int level) {
    of(base).memory_.release(static_cast<std::size_t>(level));
    return SQLITE_OK;
  }
  static int roll_back_to(sqlite3_vtab* base, int level) {
    // -1: to a SAVEPOINT that began the transaction, which has no number.
    if (level < 0) {
      of(base).memory_.roll_back_to_start();
    } else {
      of(base).memory_.roll_back_to(static_cast<std::size_t>(level));
    }
    return SQLITE_OK;
  }

  // Reading: no rows.
  static int best_index(sqlite3_vtab*, sqlite3_index_info* info) {
    info->estimatedCost = 1;
    info->estimatedRows = 1;
    return SQLITE_OK;
  }
  static int open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
    return guarded([](const char*) {},
                   [&] {
                     *out = new sqlite3_vtab_cursor{};
                     return SQLITE_OK;
                   });
  }
  static int close(sqlite3_vtab_cursor* cursor) {
    delete cursor;
    return SQLITE_OK;
  }
  static int filter(sqlite3_vtab_cursor*, int, const char*, int, sqlite3_value**) {
    return SQLITE_OK;
  }
  static int next(sqlite3_vtab_cursor*) { return SQLITE_OK; }
  static int eof(sqlite3_vtab_cursor*) { return 1; }
  static int column(sqlite3_vtab_cursor*, sqlite3_context*, int) { return SQLITE_OK; }
  static int rowid(sqlite3_vtab_cursor*, sqlite3_int64* out) {
    *out = 0;
    return SQLITE_OK;
  }

  static constexpr sqlite3_module make_module() {
    sqlite3_module made{};
    made.iVersion = 2;  // With savepoints.
    made.xCreate = create, made.xConnect = connect, made.xBestIndex = best_index;
    made.xDisconnect = disconnect, made.xDestroy = destroy, made.xOpen = open, made.xClose = close;
    made.xFilter = filter, made.xNext = next, made.xEof = eof, made.xColumn = column;
    made.xRowid = rowid, made.xUpdate = update, made.xBegin = begin, made.xSync = sync;
    made.xCommit = commit, made.xRollback = roll_back, made.xSavepoint = savepoint;
    made.xRelease = release, made.xRollbackTo = roll_back_to;
    return made;
  }
};

const sqlite3_module& enlistment_module() noexcept {
  static constexpr sqlite3_module module = Enlistment::Callbacks::make_module();
  return module;
}

int Enlistment::run(const char* sql, std::string& reason) {
  sqlite3_stmt* statement = nullptr;
  int rc = sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr);
  if (rc == SQLITE_OK) {
    sqlite3_step(statement);
    rc = sqlite3_finalize(statement);
  }
  if (rc != SQLITE_OK) reason = sqlite3_errmsg(db_);
  return rc;
}

/// Requires: CREATE IF NOT EXISTS has found or made the table. Looking it up connects ours.
bool Enlistment::is_name_taken() {
  if (tables_ > 0) return false;
  sqlite3_stmt* statement = nullptr;
  const int rc = sqlite3_prepare_v2(db_, look_up_sql, -1, &statement, nullptr);
  sqlite3_finalize(statement);
  return rc == SQLITE_OK && tables_ == 0;
}

int Enlistment::word_failure(int rc, std::string& reason) const {
  const std::string table = std::string("temp.") + enlistment_name;
  if (rc == SQLITE_AUTH || rc == SQLITE_OK) {
    reason = "the program's authorizer does not allow " + table +
             ", through which SQLite tells of the transaction's end";
    return SQLITE_AUTH;
  }
  if ((rc & 0xFF) == SQLITE_READONLY) {
    reason = "PRAGMA query_only forbids " + table +
             ", through which SQLite tells of the transaction's end";
    return rc;
  }
  reason = "SQLite could not enlist " + table + ": " + reason;
  return rc;
}

int Enlistment::enlist(std::string& reason) {
  is_enlisting_ = true;
  is_enlisted_ = false;
  int rc = SQLITE_ERROR;
  bool is_taken = false;
  // Twice, for a table that is connected but no longer in the schema, or the other way round:
  // SQLite notices what a rollback or a lack of memory left behind only when the INSERT looks for
  // it.
  for (int attempt = 0; attempt < 2 && rc == SQLITE_ERROR; ++attempt) {
    rc = tables_ == 0 || attempt > 0 ? run(create_sql, reason) : SQLITE_OK;
    // The program's own table must not get our row.
    is_taken = rc == SQLITE_OK && is_name_taken();
    if (is_taken) {
      reason = "another table or view has its name";
      rc = SQLITE_ERROR;
      break;
    }
    if (rc == SQLITE_OK) rc = run(insert_sql, reason);
  }
  is_enlisting_ = false;
  // SQLITE_IGNORE: the authorizer let CREATE do nothing.
  if (rc == SQLITE_ERROR && tables_ == 0 && !is_taken) rc = SQLITE_AUTH;
  if (rc == SQLITE_OK && is_enlisted_ && memory_.is_open()) return SQLITE_OK;
  memory_.roll_back();
  return word_failure(rc, reason);
}

}  // namespace sqlitemem::ext
