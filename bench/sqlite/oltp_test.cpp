// Connections of their own, one per thread, that prepare each statement anew, as most programs do.
#include <pthread.h>
#include <sched.h>

#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "bench/sqlite/database.h"
#include "bench/sqlite/tests.h"
#include "bench/support/clock.h"
#include "bench/support/random.h"

namespace sqlitemem::bench {
namespace {

constexpr std::uint32_t oltp_keys = 20'000;

/// Unpinned, the scheduler puts both threads on one core often enough to hide what they do to one
/// another.
void pin_to_core(int index) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<unsigned>(index) % std::thread::hardware_concurrency(), &cores);
  pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
}

void create_accounts(Database& database) {
  database.execute(
      "CREATE TABLE account(id INTEGER PRIMARY KEY, owner TEXT, balance INTEGER, note TEXT);"
      "CREATE TABLE entry(id INTEGER PRIMARY KEY, account INTEGER, amount INTEGER, memo TEXT);"
      "CREATE INDEX entry_account ON entry(account);"
      "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<20000) "
      "INSERT INTO account SELECT i, 'owner '||(i*7919%20000), i%1000, 'note of '||i FROM n;");
}

/// One operation: half look something up, the rest writes. Everything is prepared for this one use.
void run_operation(Database& database, Random& random) {
  const std::int64_t key = 1 + random.below(oltp_keys);
  const std::uint32_t kind = random.below(10);
  if (kind < 4) {
    Statement(database, "SELECT owner, balance, note FROM account WHERE id=?1").bind(1, key).run();
  } else if (kind < 5) {
    Statement(
        database,
        "SELECT a.owner, count(*), sum(e.amount) FROM account a JOIN entry e "
        "ON e.account=a.id WHERE a.id BETWEEN ?1 AND ?1+5 GROUP BY a.id ORDER BY 3 DESC LIMIT 3")
        .bind(1, key)
        .run();
  } else if (kind < 8) {
    Statement(database, "UPDATE account SET balance=balance+?2, note=note WHERE id=?1")
        .bind(1, key)
        .bind(2, std::int64_t{random.below(100)})
        .run();
  } else {
    Statement(database, "INSERT INTO entry(account, amount, memo) VALUES(?1, ?2, 'memo '||?2)")
        .bind(1, key)
        .bind(2, std::int64_t{random.below(100)})
        .run();
  }
}

struct Clerk {
  std::uint64_t started_ns = 0, ended_ns = 0, cpu_ns = 0;
};

void work(int index, std::uint32_t operations, std::barrier<>& start, Clerk& clerk) {
  pin_to_core(index);
  Database database(":memory:");
  create_accounts(database);
  Random random(static_cast<std::uint64_t>(23 + index));
  for (std::uint32_t i = 0; i < operations / 10; ++i) run_operation(database, random);
  start.arrive_and_wait();
  clerk.started_ns = wall_ns();
  const std::uint64_t cpu_before = thread_cpu_ns();
  for (std::uint32_t i = 0; i < operations; ++i) run_operation(database, random);
  clerk.cpu_ns = thread_cpu_ns() - cpu_before;
  clerk.ended_ns = wall_ns();
}

}  // namespace

void test_oltp(const SqliteRun& run) {
  const std::uint32_t operations = run.scaled(80'000);
  const auto threads = static_cast<std::size_t>(run.threads);
  std::barrier<> start(run.threads);
  std::vector<Clerk> clerks(threads);
  {
    std::vector<std::jthread> running;
    for (int i = 0; i < run.threads; ++i) {
      running.emplace_back(
          [&, i] { work(i, operations, start, clerks[static_cast<std::size_t>(i)]); });
    }
  }
  std::uint64_t first_ns = ~std::uint64_t{0}, last_ns = 0;
  double per_cpu_second = 0;
  for (const Clerk& clerk : clerks) {
    first_ns = clerk.started_ns < first_ns ? clerk.started_ns : first_ns;
    last_ns = clerk.ended_ns > last_ns ? clerk.ended_ns : last_ns;
    per_cpu_second += operations / (static_cast<double>(clerk.cpu_ns) / 1e9);
  }
  const double total = static_cast<double>(operations) * run.threads;
  emit(run.name, total / (static_cast<double>(last_ns - first_ns) / 1e9) / 1000);
  emit(std::string(run.name) + "_per_cpu_second", per_cpu_second / 1000);
}

}  // namespace sqlitemem::bench
