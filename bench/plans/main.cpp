// plan_bench: statements that are prepared again and again, without us, preloaded, and with the
// plan cache. Another SQLite is measured with LD_LIBRARY_PATH.
#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>

#include "bench/plans/tests.h"
#include "bench/support/figures.h"
#include "bench/support/interleave.h"

namespace sqlitemem::bench {
namespace {

struct Subject {
  std::string_view name;
  std::vector<std::string> environment;
};

const std::vector<Subject>& subjects() {
  static const std::string preload = std::string("LD_PRELOAD=") + SQLITEMEM_BENCH_PRELOAD;
  static const std::vector<Subject> list = {
      {"stock", {}},
      {"off", {preload}},
      {"on", {preload, "SQLITEMEM_PLAN_CACHE=on"}},
  };
  return list;
}

std::string first_text(const char* sql) {
  sqlite3* db = nullptr;
  sqlite3_stmt* statement = nullptr;
  std::string text = "nothing";
  if (sqlite3_open(":memory:", &db) == SQLITE_OK &&
      sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW)
    text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return text;
}

/// That the subject is what its name says, not a preload that the loader has ignored.
bool is_in_force(std::string_view subject) {
  const std::string mode = first_text("SELECT memory_mode()");
  const bool is_kept = mode.find("are kept for re-use") != std::string::npos;
  if (subject == "stock") return mode == "nothing";
  return mode.starts_with("managed") && is_kept == (subject == "on");
}

int run_worker(const Options& options) {
  if (!is_in_force(options.subject)) {
    std::fprintf(stderr, "%s is not in force\n", options.subject.c_str());
    return 1;
  }
  for (const PlanTest& test : plan_tests)
    if (test.name == options.worker) test.run(test.name, options.is_quick ? 0.1 : 1.0);
  return EXIT_SUCCESS;
}

std::vector<Figure> figures() {
  using enum Comparison;
  const std::vector<std::string_view> stock = {"stock"};
  // clang-format off
  return {
      {"point SELECT, times stock's speed", "point_select", "on", times_better, 5.5, stock},
      {"INSERT in a transaction, times stock", "insert", "on", times_better, 4.0, stock},
      {"UPDATE, times stock", "update", "on", times_better, 3.3, stock},
      {"JOIN, ORDER BY, LIMIT, times stock", "join", "on", times_better, 2.0, stock},
      {"2 threads, point SELECT, times stock", "two_threads", "on", times_better, 10.0, stock},
      {"never repeats a statement, cache on : stock", "never_repeating", "on", ratio, 1.05, stock},
      {"never repeats a statement, cache on : off", "never_repeating", "on", ratio, 1.05, {"off"}},
      {"preloaded and off : stock, point SELECT", "point_select", "off", ratio, 1.0, stock},
  };
  // clang-format on
}

int run_driver(const Options& options) {
  std::vector<Job> jobs;
  for (const PlanTest& test : plan_tests) {
    if (!options.wants_test(test.name)) continue;
    for (const Subject& subject : subjects()) {
      if (!options.wants_subject(subject.name)) continue;
      Job job{.test = std::string(test.name), .subject = std::string(subject.name), .command = {}};
      job.command.arguments = {own_path(), "--worker=" + job.test, "--subject=" + job.subject};
      if (options.is_quick) job.command.arguments.emplace_back("--quick");
      job.command.environment = subject.environment;
      jobs.push_back(job);
    }
  }
  Measurements measurements;
  run_interleaved(jobs, options, measurements);
  print_report("plan cache", "CPU ns per statement or row; two_threads wall ns per statement",
               figures(), measurements, options.as_csv);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace sqlitemem::bench

int main(int count, char** arguments) {
  using namespace sqlitemem::bench;
  const Options options = parse_options(count, arguments);
  return options.worker.empty() ? run_driver(options) : run_worker(options);
}
