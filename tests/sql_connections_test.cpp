// Several connections at once: which are listed, what their sums count, and whose caches are
// emptied.
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/resident_bytes.h"
#include "tests/support/surface.h"

using sqlitemem::tests::resident_bytes_of_process;
using sqlitemem::tests::Surface;

namespace {

/// A file database with a table of about 2 MB, removed at the end.
class FileDatabase {
 public:
  FileDatabase()
      : path_(std::filesystem::temp_directory_path() /
              ("sqlitemem_connections_" + std::to_string(::getpid()))) {}
  ~FileDatabase() { std::filesystem::remove(path_); }
  FileDatabase(const FileDatabase&) = delete;
  FileDatabase& operator=(const FileDatabase&) = delete;

  [[nodiscard]] const char* name() const { return path_.c_str(); }
  static void fill(Surface& surface) {
    REQUIRE(surface.error("CREATE TABLE t(x)") == "");
    REQUIRE(surface.error("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
                          "INSERT INTO t SELECT randomblob(900) FROM n") == "");
    REQUIRE(surface.value("SELECT count(*) FROM t") == "2000");
  }

 private:
  std::filesystem::path path_;
};

std::int64_t cache_bytes(sqlite3* db) {
  int now = 0, highest = 0;
  sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_USED, &now, &highest, 0);
  return now;
}

}  // namespace

TEST_CASE("sql: a cache that connections share was counted once for each", "[sql][connections]") {
  const char* const shared = "file:shared?mode=memory&cache=shared";
  sqlite3_config(SQLITE_CONFIG_URI, 1);
  Surface first(shared), second(shared);
  FileDatabase::fill(first);
  REQUIRE(second.value("SELECT count(*) FROM t") == "2000");
  const std::int64_t whole = cache_bytes(first.db());
  REQUIRE(whole > 1'000'000);
  Surface third;  // Shares nothing, so it can read the others' parts.
  for (Surface* surface : {&first, &second, &third}) {
    const std::int64_t own = surface == &third ? cache_bytes(third.db()) : 0;
    const auto near = Approx(static_cast<double>(whole + own)).margin(30'000);
    CHECK(surface->number("SELECT sum(cache_share_bytes) FROM connection_memory") == near);
    CHECK(surface->number("SELECT memory_bytes FROM memory_stats('page_caches')") == near);
    CHECK(surface->number("SELECT sum(total_bytes) FROM memory_contexts WHERE name = "
                          "'page cache'") == near);
    CHECK(surface->value("SELECT total(total_bytes) = total(cache_share_bytes + "
                         "schema_used_bytes + stmt_used_bytes) FROM connection_memory") == "1");
  }
  CHECK(third.number("SELECT max(cache_used_bytes) FROM connection_memory") == whole);
}

TEST_CASE("sql: a query of the connections hung when one of them shared the asker's cache",
          "[sql][connections]") {
  const char* const shared = "file:hung?mode=memory&cache=shared";
  sqlite3_config(SQLITE_CONFIG_URI, 1);
  Surface first(shared), second(shared);
  REQUIRE(first.error("CREATE TABLE t(x)") == "");
  CHECK(second.value("SELECT count(*), (SELECT count(*) FROM t) FROM connection_memory") == "2");
  CHECK(second.value("SELECT sum(is_stale) FROM connection_memory") == "1");
  CHECK(second.number("SELECT force_garbage_collection()") >= 0);
  CHECK(second.error("CREATE TABLE kept AS SELECT * FROM memory_stats") == "");
}

TEST_CASE("sql: connections from before the load were missing without a word",
          "[sql][connections]") {
  sqlite3* earlier = nullptr;
  REQUIRE(sqlite3_open(":memory:", &earlier) == SQLITE_OK);
  Surface surface;
  const char* const count = "SELECT count(*) FROM connection_memory";
  CHECK(surface.value(count) == "1");
  CHECK_THAT(surface.value("SELECT memory_mode()"),
             Catch::Contains("Connections opened before sqlitemem was loaded are not in"));
  CHECK_THAT(surface.value("SELECT note FROM memory_stats('page_caches')"),
             Catch::Contains("1 connection. Connections opened before"));
  sqlite3_enable_load_extension(earlier, 1);
  REQUIRE(sqlite3_load_extension(earlier, SQLITEMEM_BUILD_DIR "/sqlitemem", nullptr, nullptr) ==
          SQLITE_OK);
  CHECK(surface.value(count) == "2");
  sqlite3_close(earlier);
  CHECK(surface.value(count) == "1");
}

TEST_CASE("sql: a collection emptied the cache of a connection with an open transaction",
          "[sql][connections]") {
  const FileDatabase file;
  Surface writer(file.name());
  FileDatabase::fill(writer);
  Surface other;
  const std::int64_t full = cache_bytes(writer.db());
  REQUIRE(full > 1'000'000);
  REQUIRE(writer.error("BEGIN IMMEDIATE") == "");
  CHECK(other.number("SELECT force_garbage_collection()") >= 0);
  CHECK(cache_bytes(writer.db()) == full);
  CHECK(writer.number("SELECT force_garbage_collection()") >= 0);
  CHECK(cache_bytes(writer.db()) == full);
  REQUIRE(writer.error("COMMIT") == "");

  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(writer.db(), "SELECT x FROM t", -1, &statement, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
  CHECK(other.number("SELECT force_garbage_collection()") >= 0);
  CHECK(cache_bytes(writer.db()) == full);
  sqlite3_finalize(statement);
  CHECK(other.number("SELECT force_garbage_collection()") > 0);
  CHECK(cache_bytes(writer.db()) < full / 10);
}

TEST_CASE("sql: a reader that had set a transaction variable was shown as a writer",
          "[sql][connections]") {
  const FileDatabase file;
  Surface reader(file.name());
  FileDatabase::fill(reader);
  const char* const states =
      "SELECT (SELECT txn_state FROM connection_memory) || ', ' || state FROM open_transactions";
  REQUIRE(reader.error("BEGIN") == "");
  REQUIRE(reader.value("SELECT txn_set('user', 'alice')") == "alice");
  CHECK(reader.value(states) == "read, read");  // By this very statement.
  REQUIRE(reader.value("SELECT count(*) FROM t") == "2000");
  CHECK(reader.value(states) == "read, read");
  REQUIRE(reader.error("DELETE FROM t WHERE x < 0") == "");
  CHECK(reader.value(states) == "write, write");
}

TEST_CASE("sql: a collection of caches returned 0 when their memory stayed in the heap",
          "[sql][connections]") {
  const FileDatabase file;
  Surface surface(file.name());
  FileDatabase::fill(surface);
  const std::int64_t full = cache_bytes(surface.db());
  const std::int64_t released = surface.number("SELECT force_garbage_collection(1)");
  const std::int64_t given = full - cache_bytes(surface.db());
  CHECK(given > 1'000'000);
  CHECK(static_cast<double>(released) == Approx(static_cast<double>(given)).epsilon(0.1));
  CHECK(surface.number("SELECT force_garbage_collection(1)") < released / 10);
}

TEST_CASE("sql: the third level of a collection also trims the C library's heap", "[sql]") {
  Surface surface;
  if (::mallinfo2().arena == 0) return;  // A sanitizer's malloc.
  std::vector<void*> blocks;
  for (int count = 0; count < 30000; ++count) {
    blocks.push_back(std::malloc(1000));
    static_cast<char*>(blocks.back())[0] = static_cast<char*>(blocks.back())[999] = 1;
  }
  for (std::size_t index = 0; index + 1 < blocks.size(); ++index) std::free(blocks[index]);
  surface.number("SELECT force_garbage_collection(2)");
  const std::int64_t before = resident_bytes_of_process();
  surface.number("SELECT force_garbage_collection(3)");
  CHECK(before - resident_bytes_of_process() > 20'000'000);
  std::free(blocks.back());
}

TEST_CASE("sql: what SQLite holds outside the heap had no row, and older blocks counted below zero",
          "[sql]") {
  std::vector<void*> older;
  for (int count = 0; count < 1000; ++count) older.push_back(sqlite3_malloc(10'000));
  Surface surface;
  const char* const outside = "SELECT memory_bytes FROM memory_stats('outside')";
  // What SQLite itself counts is what lies in the heap, and what lies outside.
  const char* const difference =
      "SELECT sum(CASE component WHEN 'memory_used' THEN memory_bytes ELSE -memory_bytes END) "
      "FROM memory_stats WHERE component IN ('memory_used', 'live', 'outside')";
  const std::int64_t at_first = surface.number(outside);
  CHECK(at_first > 10'000'000);
  CHECK(surface.value(difference) == "0");
  for (void* block : older) sqlite3_free(block);
  CHECK(at_first - surface.number(outside) == Approx(10'000'000).epsilon(0.01));
  CHECK(surface.number(outside) >= 0);
  CHECK(surface.value(difference) == "0");
}
