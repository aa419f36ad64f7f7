// CPU nanoseconds per statement, or per row, on a table of 10,000 rows in memory.
#include "bench/plans/tests.h"

#include <sqlite3.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "bench/support/clock.h"
#include "bench/support/emit.h"

namespace sqlitemem::bench {
namespace {

constexpr int row_count = 10'000;

class Database {
 public:
  Database() {
    check(sqlite3_open(":memory:", &db_));
    run("CREATE TABLE t(id INTEGER PRIMARY KEY, owner INTEGER, name TEXT, amount INTEGER);"
        "CREATE TABLE log(id INTEGER PRIMARY KEY, owner INTEGER, name TEXT, amount INTEGER);"
        "CREATE TABLE owners(id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE INDEX by_owner ON t(owner);"
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
        "INSERT INTO t SELECT i, i % 1000, printf('name %d', i), i % 7 FROM n;"
        "INSERT INTO owners SELECT DISTINCT owner, 'owner ' || owner FROM t");
  }
  ~Database() { sqlite3_close(db_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void run(const std::string& sql) {
    check(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr));
  }
  /// Prepares, binds one number, steps to the end, finalizes; how many rows.
  int use(const char* sql, int number) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr));
    sqlite3_bind_int(statement, 1, number);
    int rows = 0;
    while (sqlite3_step(statement) == SQLITE_ROW) ++rows;
    check(sqlite3_finalize(statement));
    return rows;
  }

 private:
  void check(int rc) const {
    if (rc == SQLITE_OK) return;
    std::fprintf(stderr, "%s\n", sqlite3_errmsg(db_));
    std::exit(1);
  }
  sqlite3* db_ = nullptr;
};

int scaled(int count, double effort) { return static_cast<int>(count * effort); }

/// CPU ns per call of `work(i)`, after some that are not counted.
template <class Work>
double measure(int count, Work work) {
  for (int i = 0; i < count / 10; ++i) work(i);
  const std::uint64_t begin = thread_cpu_ns();
  for (int i = 0; i < count; ++i) work(i);
  return static_cast<double>(thread_cpu_ns() - begin) / count;
}

void measure_statement(std::string_view name, int count, const char* sql) {
  Database database;
  database.run("BEGIN");
  emit(name, measure(count, [&](int i) { database.use(sql, i * 7919 % row_count + 1); }));
  database.run("COMMIT");
}

}  // namespace

void test_point_select(std::string_view name, double effort) {
  measure_statement(name, scaled(200'000, effort),
                    "SELECT id, owner, name, amount FROM t WHERE id = ?");
}

void test_insert(std::string_view name, double effort) {
  measure_statement(name, scaled(200'000, effort),
                    "INSERT INTO log(owner, name, amount) VALUES(?, 'a name', 1)");
}

void test_update(std::string_view name, double effort) {
  measure_statement(name, scaled(200'000, effort), "UPDATE t SET amount = amount + 1 WHERE id = ?");
}

void test_join(std::string_view name, double effort) {
  measure_statement(name, scaled(20'000, effort),
                    "SELECT t.name, owners.name FROM t JOIN owners ON owners.id = t.owner "
                    "WHERE t.owner = ? % 1000 AND t.amount > 1 ORDER BY t.name LIMIT 10");
}

void test_never_repeating(std::string_view name, double effort) {
  Database database;
  database.run("BEGIN");
  int number = 0;
  emit(name, measure(scaled(200'000, effort), [&](int) {
         char sql[100];
         std::snprintf(sql, sizeof sql, "INSERT INTO log(owner, name) VALUES(%d, 'x')", ++number);
         database.use(sql, 0);
       }));
  database.run("COMMIT");
}

void test_exec(std::string_view name, double effort) {
  Database database;
  const std::string sql = "SELECT 1";
  emit(name, measure(scaled(200'000, effort), [&](int) { database.run(sql); }));
}

void test_scan(std::string_view name, double effort) {
  Database database;
  const double per_scan = measure(scaled(300, effort), [&](int) {
    if (database.use("SELECT id FROM t WHERE id > ?", 0) != row_count) std::exit(1);
  });
  emit(name, per_scan / row_count);
}

void test_two_threads(std::string_view name, double effort) {
  const int count = scaled(200'000, effort);
  Database databases[2];
  std::atomic<std::uint64_t> cpu_ns{0};
  const auto work = [count, &cpu_ns](Database& database) {
    const std::uint64_t begin_ns = thread_cpu_ns();
    for (int i = 0; i < count; ++i)
      database.use("SELECT id, owner, name, amount FROM t WHERE id = ?", i * 7919 % row_count + 1);
    cpu_ns += thread_cpu_ns() - begin_ns;
  };
  const std::uint64_t begin = wall_ns();
  std::thread first(work, std::ref(databases[0])), second(work, std::ref(databases[1]));
  first.join();
  second.join();
  emit(name, static_cast<double>(wall_ns() - begin) / (2.0 * count));
  emit("two_threads_cpu", static_cast<double>(cpu_ns) / (2.0 * count));
}

}  // namespace sqlitemem::bench
