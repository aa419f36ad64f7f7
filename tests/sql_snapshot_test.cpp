// One statement sees one reading of the process, and no statement sees another's.
#include <string>

#include "tests/support/catch.h"
#include "tests/support/surface.h"

using sqlitemem::tests::Surface;

namespace {

/// Of the heap, as a query of its own sees it now.
const char* const allocations_now = "SELECT allocations FROM heap_stats";

/// A statement that shows the heap's count of allocations in each of four rows, from a subquery
/// that is run anew for each row.
class SlowStatement {
 public:
  explicit SlowStatement(sqlite3* db) {
    REQUIRE(sqlite3_prepare_v2(db,
                               "WITH n(i) AS (VALUES (1), (2), (3), (4)) SELECT (SELECT "
                               "allocations FROM heap_stats WHERE live_bytes >= n.i) FROM n",
                               -1, &statement_, nullptr) == SQLITE_OK);
  }
  ~SlowStatement() { sqlite3_finalize(statement_); }
  SlowStatement(const SlowStatement&) = delete;
  SlowStatement& operator=(const SlowStatement&) = delete;

  std::int64_t next() {
    REQUIRE(sqlite3_step(statement_) == SQLITE_ROW);
    return sqlite3_column_int64(statement_, 0);
  }
  void begin_again() { sqlite3_reset(statement_); }
  void forget_runs() { sqlite3_stmt_status(statement_, SQLITE_STMTSTATUS_RUN, 1); }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace

TEST_CASE("sql: a table joined to itself disagreed within one statement", "[sql][snapshot]") {
  Surface surface;
  // randomblob() and hex() allocate in the inner loop, between one reading and the next.
  CHECK(surface.value("SELECT count(*) > 10 AND total(a.allocations <> b.allocations "
                      "OR a.live_bytes <> b.live_bytes) = 0 FROM slab_allocator_stats AS a, "
                      "slab_allocator_stats AS b WHERE a.size_class = b.size_class "
                      "AND length(hex(randomblob(a.size_class))) > 0") == "1");
}

TEST_CASE("sql: two tables of one statement showed two moments", "[sql][snapshot]") {
  Surface surface;
  CHECK(surface.value("SELECT (SELECT sum(live_bytes) FROM slab_allocator_stats "
                      "WHERE NOT is_page_run AND length(hex(randomblob(size_class))) > 0) = "
                      "(SELECT used_bytes FROM memory_contexts WHERE name = 'slab allocator')") ==
        "1");
  CHECK(surface.value("SELECT (SELECT live_bytes FROM heap_stats WHERE "
                      "length(hex(randomblob(5000))) > 0) = (SELECT memory_bytes "
                      "FROM memory_stats('allocator') WHERE component = 'live')") == "1");
}

TEST_CASE("sql: a statement that is stepped slowly keeps its reading, and others see the present",
          "[sql][snapshot]") {
  Surface surface;
  SlowStatement slow(surface.db());
  const std::int64_t first = slow.next();
  const std::int64_t between = surface.number(allocations_now);
  CHECK(between > first);
  CHECK(slow.next() == first);
  SlowStatement other(surface.db());
  CHECK(other.next() > between);
  CHECK(slow.next() == first);
}

TEST_CASE("sql: a prepared statement's next run sees the present", "[sql][snapshot]") {
  Surface surface;
  SlowStatement slow(surface.db());
  const std::int64_t first = slow.next();
  slow.forget_runs();
  slow.begin_again();
  slow.forget_runs();
  CHECK(slow.next() > first);
}

TEST_CASE("sql: a query from within a function sees the present, its caller what it saw before",
          "[sql][snapshot]") {
  Surface surface;
  const auto query = [](sqlite3_context* context, int, sqlite3_value**) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(sqlite3_context_db_handle(context), allocations_now, -1, &statement,
                       nullptr);
    if (sqlite3_step(statement) == SQLITE_ROW) {
      sqlite3_result_int64(context, sqlite3_column_int64(statement, 0));
    }
    sqlite3_finalize(statement);
  };
  REQUIRE(sqlite3_create_function(surface.db(), "query", 0, SQLITE_UTF8, nullptr, query, nullptr,
                                  nullptr) == SQLITE_OK);
  CHECK(surface.value("WITH n(i) AS (VALUES (1), (2)), r AS MATERIALIZED (SELECT query() AS q, "
                      "(SELECT allocations FROM heap_stats WHERE live_bytes >= n.i) AS a FROM n) "
                      "SELECT count(DISTINCT q) = 2 AND count(DISTINCT a) = 1 FROM r") == "1");
}
