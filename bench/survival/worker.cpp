// The process of a plan: how it ends tells whether it has survived.
#include "bench/survival/worker.h"

#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/survival/usage_watch.h"

namespace sqlitemem::bench {
namespace {

/// As a careful program does: what fails for lack of memory, or was interrupted, is rolled back and
/// tried again, a little later.
constexpr int most_attempts = 6;

class Worker {
 public:
  Worker(const SurvivalPlan& plan, const char* file)
      : plan_(plan), random_(plan.seed), file_(file) {}
  ~Worker() {
    for (sqlite3* db : pool_) sqlite3_close(db);
    sqlite3_close(memory_);
    for (void* block : foreign_) std::free(block);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void run() {
    memory_ = open(":memory:");
    attempt(memory_, "CREATE TABLE queue(id INTEGER PRIMARY KEY, body BLOB)");
    for (unsigned i = 0; i < plan_.connections; ++i) {
      pool_.push_back(open(file_));
      attempt(pool_.back(), "PRAGMA cache_size=-" + std::to_string(plan_.cache_bytes / 1024));
    }
    for (unsigned step = 0; step < plan_.steps; ++step) {
      read_rows();
      if (step % 100 == 99) write_row();  // Each write empties the caches of all others.
      fill_queue();
      if (step % 20 == 0) sort();
      if (step % 5 == 0) use_own_memory(step);
    }
  }

 private:
  [[noreturn]] static void fail(const char* what, int rc) {
    std::fprintf(stderr, "%s: %s\n", what, sqlite3_errstr(rc));
    std::_Exit(exit_failed);
  }
  static bool is_worth_another(int rc) {
    return rc == SQLITE_NOMEM || rc == SQLITE_INTERRUPT || rc == SQLITE_BUSY ||
           rc == SQLITE_IOERR_NOMEM || (rc & 0xff) == SQLITE_NOMEM;
  }
  sqlite3* open(const char* file) {
    sqlite3* db = nullptr;
    int rc = SQLITE_OK;
    for (int i = 0; i < most_attempts; ++i, ::usleep(50'000)) {
      rc = sqlite3_open(file, &db);
      if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db, 5000);
        attempt(db, "PRAGMA temp_store=memory");
        return db;
      }
      sqlite3_close(db);
    }
    fail("open", rc);
  }
  void attempt(sqlite3* db, const std::string& sql) {
    int rc = SQLITE_OK;
    for (int i = 0; i < most_attempts; ++i, ::usleep(50'000)) {
      rc = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
      if (rc == SQLITE_OK) return;
      if (!is_worth_another(rc)) break;
      if (sqlite3_get_autocommit(db) == 0) sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr);
    }
    fail(sql.c_str(), rc);
  }
  sqlite3* any_connection() { return pool_[random_.below(plan_.connections)]; }

  void read_rows() {
    const auto first = std::to_string(random_.below(rows_in_file - 2000));
    attempt(any_connection(), "SELECT sum(length(body)) FROM item WHERE id BETWEEN " + first +
                                  " AND " + first + "+1500");
  }
  void write_row() {
    attempt(any_connection(), "UPDATE item SET body = randomblob(900) WHERE id = " +
                                  std::to_string(random_.below(rows_in_file)));
  }
  void fill_queue() {
    attempt(memory_, "INSERT INTO queue(body) VALUES(zeroblob(" +
                         std::to_string(random_.between(500, 60'000)) + "))");
    queued_ += 30'000;
    if (queued_ < plan_.table_bytes) return;
    attempt(memory_, "DELETE FROM queue WHERE id <= (SELECT max(id) - 20 FROM queue)");
    queued_ = 600'000;
  }
  void sort() {
    attempt(any_connection(), "SELECT count(*) FROM (SELECT body FROM item LIMIT " +
                                  std::to_string(plan_.sort_bytes / 1000) + ") ORDER BY body");
    attempt(any_connection(),
            "SELECT length(group_concat(hex(body))) FROM (SELECT body FROM item "
            "ORDER BY random() LIMIT " +
                std::to_string(plan_.sort_bytes / 4000) + ")");
  }
  /// Grows to its full size by two thirds of the run, and shrinks a little now and then.
  void use_own_memory(unsigned step) {
    constexpr std::size_t block_bytes = 512 * 1024;
    const std::uint64_t wanted =
        plan_.foreign_bytes * std::min(step * 3 / 2, plan_.steps) / plan_.steps / block_bytes;
    while (foreign_.size() < wanted) {
      void* block = std::malloc(block_bytes);
      if (block == nullptr) std::abort();  // As operator new does, and most programs.
      std::memset(block, 1, block_bytes);
      foreign_.push_back(block);
    }
    if (!foreign_.empty() && random_.below(4) == 0) {
      std::free(foreign_.back());
      foreign_.pop_back();
    }
  }

  const SurvivalPlan& plan_;
  Random random_;
  const char* file_;
  std::vector<sqlite3*> pool_;
  sqlite3* memory_ = nullptr;
  std::uint64_t queued_ = 0;
  std::vector<void*> foreign_;
};

}  // namespace

int run_survival_worker(const SurvivalPlan& plan, const char* file) {
  if (plan.kind == LimitKind::address_space) {
    const rlimit limit{plan.limit_bytes, plan.limit_bytes};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) return exit_unusable;
  } else {
    sqlite3_hard_heap_limit64(static_cast<sqlite3_int64>(plan.limit_bytes));
  }
  std::unique_ptr<UsageWatch> watch;
  if (plan.kind == LimitKind::address_space) watch = std::make_unique<UsageWatch>(plan.limit_bytes);
  Worker(plan, file).run();
  if (watch == nullptr) return 0;
  for (const std::uint32_t milliseconds : watch->finish())
    std::printf("%s%u\n", recovery_mark, milliseconds);
  return 0;
}

}  // namespace sqlitemem::bench
