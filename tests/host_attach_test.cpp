// The live take-over: what survives it, what forbids it, and what is left when a step of it fails.
#include <atomic>
#include <cstdarg>
#include <cstdlib>
#include <string>
#include <thread>

#include "allocators/manager/process_heap.h"
#include "ext/host/attach.h"
#include "ext/host/heap_hook.h"
#include "tests/support/linked_sqlite.h"

namespace sqlitemem::ext {
namespace {

using Catch::Matchers::Contains;
using tests::linked_sqlite;

struct Database {
  explicit Database(const char* file = ":memory:") {
    REQUIRE(sqlite3_open(file, &db) == SQLITE_OK);
  }
  ~Database() { sqlite3_close(db); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void run(const std::string& sql) const {
    CAPTURE(sql);
    REQUIRE(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  [[nodiscard]] sqlite3_int64 number(const char* sql) const {
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
    const sqlite3_int64 value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
  }
  sqlite3* db = nullptr;
};

void fill(const Database& database) {
  database.run(
      "CREATE TABLE t(x, y);"
      "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
      "INSERT INTO t SELECT i, hex(randomblob(50)) FROM n;");
}

HostSqlite real;

int refuse_configuration(int, ...) { return SQLITE_MISUSE; }

int refuse_allocator(int option, ...) {
  va_list arguments;
  va_start(arguments, option);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return option == SQLITE_CONFIG_MALLOC ? SQLITE_ERROR : real.config(option, argument);
}

bool sqlite_uses_our_heap() {
  void* block = sqlite3_malloc(100);
  const bool is_ours = heap_owns(block);
  sqlite3_free(block);
  return is_ours;
}

void check_that_allocator_forbids(const sqlite3_mem_methods& own) {
  REQUIRE(sqlite3_config(SQLITE_CONFIG_MALLOC, &own) == SQLITE_OK);
  const Database database;
  fill(database);
  const AttachOutcome outcome = attach(linked_sqlite());
  CHECK_FALSE(outcome.is_attached);
  CHECK_THAT(outcome.reason, Contains("allocator of its own"));
  CHECK_FALSE(heap_hook_in_force());
  CHECK(database.number("SELECT count(*) FROM t") == 3000);
}

}  // namespace

TEST_CASE("Attach: statements and transactions that are under way go on", "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  const Database database;
  fill(database);
  database.run("BEGIN; UPDATE t SET y = y || 'more' WHERE x % 3 = 0;");
  sqlite3_stmt* open = nullptr;
  REQUIRE(sqlite3_prepare_v2(database.db, "SELECT x, y FROM t ORDER BY y", -1, &open, nullptr) ==
          SQLITE_OK);
  REQUIRE(sqlite3_step(open) == SQLITE_ROW);

  const AttachOutcome outcome = attach(linked_sqlite());
  INFO(outcome.reason);
  REQUIRE(outcome.is_attached);
  CHECK(sqlite_uses_our_heap());

  int rows = 1;
  while (sqlite3_step(open) == SQLITE_ROW) ++rows;
  CHECK(rows == 3000);
  CHECK(sqlite3_finalize(open) == SQLITE_OK);
  database.run("ROLLBACK");
  CHECK(database.number("SELECT count(*) FROM t WHERE y LIKE '%more'") == 0);
  database.run("DELETE FROM t WHERE x % 2; VACUUM;");
  CHECK(database.number("SELECT count(*) FROM t") == 1500);
  CHECK(database.number("SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
}

TEST_CASE("Attach: limits, directories, the default VFS and the count of bytes are kept",
          "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  const Database database;
  fill(database);
  static sqlite3_vfs custom;
  custom = *sqlite3_vfs_find(nullptr);
  custom.zName = "custom";
  REQUIRE(sqlite3_vfs_register(&custom, 1) == SQLITE_OK);
  sqlite3_soft_heap_limit64(50'000'000);
  sqlite3_hard_heap_limit64(70'000'000);
  sqlite3_temp_directory = sqlite3_mprintf("/tmp");
  const sqlite3_int64 used = sqlite3_memory_used();

  const AttachOutcome outcome = attach(linked_sqlite());
  INFO(outcome.reason);
  REQUIRE(outcome.is_attached);
  CHECK(sqlite3_vfs_find(nullptr) == &custom);
  CHECK(sqlite3_soft_heap_limit64(-1) == 50'000'000);
  CHECK(sqlite3_hard_heap_limit64(-1) == 70'000'000);
  REQUIRE(sqlite3_temp_directory != nullptr);
  CHECK(std::string(sqlite3_temp_directory) == "/tmp");
  CHECK(sqlite3_memory_used() >= used);
  CHECK(sqlite3_memory_used() < used + 20'000);

  // An older block, freed through the new allocator.
  sqlite3_free(sqlite3_temp_directory);
  sqlite3_temp_directory = nullptr;
  sqlite3_vfs_unregister(&custom);
}

TEST_CASE("Attach: the hard heap limit still ends in SQLITE_NOMEM", "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  const Database database;
  fill(database);
  REQUIRE(attach(linked_sqlite()).is_attached);
  sqlite3_hard_heap_limit64(sqlite3_memory_used() + 100'000);
  CHECK(sqlite3_exec(database.db, "SELECT length(group_concat(y || y || y || y)) FROM t", nullptr,
                     nullptr, nullptr) == SQLITE_NOMEM);
  sqlite3_hard_heap_limit64(0);
  CHECK(database.number("SELECT count(*) FROM t") == 3000);
}

TEST_CASE("Attach: SQLite's own numbers come down to nothing when everything is closed",
          "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  {
    const Database database;
    fill(database);
    REQUIRE(attach(linked_sqlite()).is_attached);
    database.run("CREATE INDEX i ON t(y); DROP TABLE t;");
  }
  CHECK(sqlite3_memory_used() == 0);
}

TEST_CASE("Attach: another thread forbids it", "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  const Database database;
  std::atomic<bool> is_done{false};
  std::thread other([&] {
    while (!is_done) std::this_thread::yield();
  });
  const auto reason = reason_not_to_attach(linked_sqlite());
  is_done = true;
  other.join();
  REQUIRE(reason.has_value());
  CHECK_THAT(*reason, Contains("2 threads"));
  CHECK_FALSE(reason_not_to_attach(linked_sqlite()).has_value());
}

TEST_CASE("Attach: the program's auto-extensions forbid it", "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  const Database database;
  const auto theirs = +[] {};
  REQUIRE(sqlite3_auto_extension(theirs) == SQLITE_OK);
  const auto reason = reason_not_to_attach(linked_sqlite());
  REQUIRE(reason.has_value());
  CHECK_THAT(*reason, Contains("auto-extensions"));
  CHECK(sqlite3_cancel_auto_extension(theirs) == 1);  // Ours did not disturb it.
}

TEST_CASE("Attach: page-cache memory of the program forbids it", "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  static char buffer[200 * 4500];
  REQUIRE(sqlite3_config(SQLITE_CONFIG_PAGECACHE, buffer, 4500, 200) == SQLITE_OK);
  const Database database;
  const auto reason = reason_not_to_attach(linked_sqlite());
  REQUIRE(reason.has_value());
  CHECK_THAT(*reason, Contains("SQLITE_CONFIG_PAGECACHE"));
}

TEST_CASE("Attach: a page cache of the program's own forbids it", "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  sqlite3_pcache_methods2 methods{};
  REQUIRE(sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &methods) == SQLITE_OK);
  static sqlite3_pcache_methods2 own;
  own = methods;
  // One that counts nothing, as a foreign cache would: the smallest change is to have no bulk
  // pages.
  REQUIRE(sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, 0) == SQLITE_OK);
  REQUIRE(sqlite3_config(SQLITE_CONFIG_PCACHE2, &own) == SQLITE_OK);
  const Database database;
  CHECK(reason_not_to_attach(linked_sqlite()).has_value());
}

TEST_CASE("Attach: an allocator that works like SQLite's own forbids it, too", "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  sqlite3_mem_methods own{};
  REQUIRE(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &own) == SQLITE_OK);
  static void* (*allocate)(int);
  allocate = own.xMalloc;
  own.xMalloc = [](int bytes) { return allocate(bytes); };
  check_that_allocator_forbids(own);
}

TEST_CASE("Attach: an allocator with sizes of its own forbids it", "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  sqlite3_mem_methods own{};
  REQUIRE(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &own) == SQLITE_OK);
  own.xMalloc = [](int bytes) {
    auto* block = static_cast<std::int64_t*>(std::malloc(static_cast<std::size_t>(bytes) + 16));
    *block = bytes;
    return static_cast<void*>(block + 2);
  };
  own.xSize = [](void* block) { return static_cast<int>(static_cast<std::int64_t*>(block)[-2]); };
  own.xRoundup = [](int bytes) { return (bytes + 15) & ~15; };
  own.xFree = [](void* block) { std::free(static_cast<std::int64_t*>(block) - 2); };
  own.xRealloc = [](void* block, int bytes) {
    auto* moved = static_cast<std::int64_t*>(
        std::realloc(static_cast<std::int64_t*>(block) - 2, static_cast<std::size_t>(bytes) + 16));
    *moved = bytes;
    return static_cast<void*>(moved + 2);
  };
  check_that_allocator_forbids(own);
}

TEST_CASE("Attach: a SQLite without sqlite3_config, or too old a one, is observed", "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  const Database database;
  HostSqlite host = linked_sqlite();
  host.config = nullptr;
  CHECK_THAT(reason_not_to_attach(host).value_or(""), Contains("linked statically"));
  host = linked_sqlite();
  host.libversion_number = [] { return 3033000; };
  CHECK_THAT(reason_not_to_attach(host).value_or(""), Contains("too old"));
}

TEST_CASE("Attach: whichever step fails, SQLite goes on as before", "[attach]") {
  if (tests::has_threads_of_its_own()) return;
  real = linked_sqlite();
  HostSqlite host = real;
  SECTION("asking for the present allocator") { host.config = refuse_configuration; }
  SECTION("setting ours") { host.config = refuse_allocator; }
  SECTION("starting with ours") {
    static int starts;
    starts = 0;
    host.initialize = [] { return ++starts == 1 ? SQLITE_NOMEM : real.initialize(); };
  }
  const Database database;
  fill(database);
  sqlite3_soft_heap_limit64(50'000'000);
  sqlite3_stmt* open = nullptr;
  REQUIRE(sqlite3_prepare_v2(database.db, "SELECT x FROM t", -1, &open, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_step(open) == SQLITE_ROW);

  const AttachOutcome outcome = attach(host);
  CHECK_FALSE(outcome.is_attached);
  CHECK_THAT(outcome.reason, Contains("goes on with its previous allocator"));
  CHECK_FALSE(heap_hook_in_force());
  CHECK_FALSE(sqlite_uses_our_heap());
  CHECK(sqlite3_step(open) == SQLITE_ROW);
  CHECK(sqlite3_finalize(open) == SQLITE_OK);
  CHECK(sqlite3_soft_heap_limit64(-1) == 50'000'000);
  CHECK(database.number("SELECT count(*) FROM t") == 3000);
  sqlite3_soft_heap_limit64(0);
}

}  // namespace sqlitemem::ext
