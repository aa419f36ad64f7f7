// What the plan cache reads from SQL: kinds of statements, fingerprints, CALL.
#include "ext/plans/sql_text.h"
#include "tests/support/catch.h"

using namespace sqlitemem::ext::plans;

TEST_CASE("Plans: statements are told apart by what preparing them can do", "[plans]") {
  const auto plain = {"SELECT 1",
                      "select 1",
                      "\n -- note\n ; /* x */ Insert INTO t VALUES(1)",
                      "WITH a AS (SELECT 1) DELETE FROM t",
                      "values(1)",
                      "REPLACE INTO t VALUES(1)",
                      "UPDATE t SET a = 1",
                      "SELECT*FROM t"};
  for (const char* sql : plain) {
    CAPTURE(sql);
    CHECK(kind_of(sql) == StatementKind::plain);
  }
  const auto neutral = {"",
                        " ;; ",
                        "-- only this",
                        "/* open",
                        "COMMIT",
                        "end transaction",
                        "BEGIN",
                        "BEGIN DEFERRED",
                        "rollback to a",
                        "SAVEPOINT a",
                        "RELEASE a",
                        "EXPLAIN SELECT 1",
                        "explain query plan select 1"};
  for (const char* sql : neutral) {
    CAPTURE(sql);
    CHECK(kind_of(sql) == StatementKind::neutral);
  }
  for (const char* sql : {"BEGIN IMMEDIATE", "begin /* now */ exclusive transaction"}) {
    CAPTURE(sql);
    CHECK(kind_of(sql) == StatementKind::exclusive);
  }
  const auto hazards = {"PRAGMA foreign_keys=ON",
                        "EXPLAIN PRAGMA foreign_keys=ON",
                        "CREATE TABLE t(x)",
                        "ALTER TABLE t ADD COLUMN x",
                        "ATTACH 'x' AS y",
                        "VACUUM",
                        "ANALYZE",
                        "REINDEX",
                        "selectx 1",
                        "nonsense",
                        "(SELECT 1)",
                        "DROP TABLE t"};
  for (const char* sql : hazards) {
    CAPTURE(sql);
    CHECK(kind_of(sql) == StatementKind::hazard);
  }
}

TEST_CASE("Plans: only an ATTACH that says which file is trusted not to share a cache", "[plans]") {
  CHECK_FALSE(may_attach_shared("ATTACH 'file.db' AS a"));
  CHECK_FALSE(may_attach_shared("attach database \"x.db\" AS a"));
  CHECK_FALSE(may_attach_shared("DETACH a"));
  CHECK(may_attach_shared("ATTACH 'file:x?Cache=Shared' AS a"));
  CHECK(may_attach_shared("ATTACH 'file:x?cache=%73hared' AS a"));
  CHECK(may_attach_shared("ATTACH ?1 AS a"));
  CHECK(may_attach_shared("ATTACH 'file:x?cache=' || 'shared' AS a"));
}

TEST_CASE("Plans: statements that differ only in values have one fingerprint", "[plans]") {
  const std::string same = "select * from t where a = ? and b in(...)";
  CHECK(fingerprint_of("SELECT * FROM t WHERE a = 5 AND b IN (1, 2, 3)") == same);
  CHECK(fingerprint_of("select  *\nfrom T where A='it''s' and b in(:x,@y) -- end") == same);
  CHECK(fingerprint_of("SELECT*FROM t WHERE a=x'00ff' AND b IN(1.5e-3,-1,NULL); SELECT 2") == same);
  CHECK(fingerprint_of("INSERT INTO t VALUES(1, 'a'), (2, 'b'), (3, 'c')") ==
        fingerprint_of("INSERT INTO t VALUES(?, ?)"));
  CHECK(fingerprint_of("SELECT a FROM t") != fingerprint_of("SELECT b FROM t"));
  CHECK(fingerprint_of("SELECT f(a, 1), (SELECT max(b) FROM u)") ==
        "select f(a, ?),(select max(b) from u)");
  CHECK(fingerprint_of("SELECT \"Name\", [x y], `z`") == "select \"Name\", [x y], `z`");
  CHECK(fingerprint_of("  -- nothing\n") == "");
  CHECK(fingerprint_of("SELECT 'never closed") == "select ?");
  CHECK(fingerprint_of("SELECT )))((") == "select)))((");
  const std::string longest = fingerprint_of("SELECT " + std::string(3000, 'x'), 100);
  CHECK(longest.size() == 103);
  CHECK(longest.ends_with("..."));
}

TEST_CASE("Plans: the statements of full-text and R-tree modules are recognised", "[plans]") {
  CHECK(is_of_a_virtual_table("SELECT id, sz FROM 'main'.'notes_docsize' WHERE id=?"));
  CHECK(is_of_a_virtual_table("REPLACE INTO \"main\".\"box_rowid\" VALUES(?1, ?2)"));
  CHECK_FALSE(is_of_a_virtual_table("SELECT * FROM main.notes_content"));
  CHECK_FALSE(is_of_a_virtual_table("SELECT 'a' || '.' || 'b_data'"));
}

TEST_CASE("Plans: CALL is found where SQLite would find a statement", "[plans]") {
  CHECK(find_call("CALL f()") == 0U);
  CHECK(find_call(" ; -- x\ncall\t\"f\" (1, 2)") == 8U);
  CHECK_FALSE(find_call("CALL"));
  CHECK_FALSE(find_call("CALL f"));
  CHECK_FALSE(find_call("CALL (1)"));
  CHECK_FALSE(find_call("CALLED f()"));
  CHECK_FALSE(find_call("CREATE TABLE call(f)"));
  CHECK_FALSE(find_call("SELECT 1; CALL f()"));
}
