// survival_bench: processes that die or fail under a memory limit with stock SQLite, and what
// becomes of them with ours.
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bench/support/child.h"
#include "bench/survival/worker.h"

namespace sqlitemem::bench {
namespace {

namespace fs = std::filesystem;

struct Subject {
  const char* name;
  const char* mode;  ///< Option response_mode; nullptr: stock SQLite.
};
constexpr std::array<Subject, 4> subjects = {
    {{"stock", nullptr}, {"off", "off"}, {"reclaim", "reclaim"}, {"full", "full"}}};

struct Outcome {
  unsigned survived = 0, failed = 0, died = 0, damaged = 0;
  std::vector<std::uint32_t> recoveries_ms;  ///< Under RLIMIT_AS, of those that survived.

  /// "-" if there was none.
  [[nodiscard]] std::string recovery_percentile(std::size_t percent) {
    if (recoveries_ms.empty()) return "-";
    std::ranges::sort(recoveries_ms);
    return std::to_string(recoveries_ms[(recoveries_ms.size() - 1) * percent / 100]);
  }
  void add_recoveries(const std::string& output) {
    const std::string mark = recovery_mark;
    for (auto at = output.find(mark); at != std::string::npos; at = output.find(mark, at + 1))
      recoveries_ms.push_back(
          static_cast<std::uint32_t>(std::strtoul(output.c_str() + at + mark.size(), nullptr, 10)));
  }
};

[[noreturn]] void stop(const std::string& why) {
  fmt::print(stderr, "survival_bench: {}\n", why);
  std::exit(2);
}

void make_database(const fs::path& file) {
  sqlite3* db = nullptr;
  const std::string sql = fmt::format(
      "PRAGMA journal_mode=WAL; CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB);"
      "WITH n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
      "INSERT INTO item SELECT i, randomblob(850 + i % 100) FROM n;"
      "PRAGMA wal_checkpoint(TRUNCATE)",
      rows_in_file - 1);
  if (sqlite3_open(file.c_str(), &db) != SQLITE_OK ||
      sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    stop(fmt::format("{}: {}", file.string(), sqlite3_errmsg(db)));
  sqlite3_close(db);
}

bool is_intact(const fs::path& file) {
  sqlite3* db = nullptr;
  std::string verdict;
  const auto take = [](void* text, int, char** values, char**) {
    *static_cast<std::string*>(text) += values[0];
    return 0;
  };
  sqlite3_open(file.c_str(), &db);
  sqlite3_exec(db, "PRAGMA integrity_check; SELECT count(*) FROM item", take, &verdict, nullptr);
  sqlite3_close(db);
  return verdict == fmt::format("ok{}", rows_in_file);
}

ChildCommand command_for(const Subject& subject, const SurvivalPlan& plan, const fs::path& file) {
  ChildCommand command;
  command.arguments = {own_path(), "--worker", std::to_string(plan.seed), file.string()};
  command.with_standard_error = true;
  if (subject.mode == nullptr) return command;
  command.environment = {fmt::format("LD_PRELOAD={}", SQLITEMEM_BENCH_PRELOAD),
                         fmt::format("SQLITEMEM_RESPONSE_MODE={}", subject.mode)};
  if (plan.kind == LimitKind::hard_limit)
    command.environment.push_back(fmt::format("SQLITEMEM_MEMORY_LIMIT={}", plan.limit_bytes));
  return command;
}

/// Whether the process survived.
bool run(const Subject& subject, const SurvivalPlan& plan, const fs::path& original,
         const fs::path& directory, bool is_verbose, Outcome& outcome) {
  const fs::path file = directory / "work.db";
  for (const char* end : {"", "-wal", "-shm"}) fs::remove(file.string() + end);
  fs::copy_file(original, file);
  const ChildResult result = run_child(command_for(subject, plan, file));
  if (result.exit_code == exit_unusable) stop("RLIMIT_AS cannot be set here");
  const bool has_survived = result.exit_code == 0, has_failed = result.exit_code == exit_failed;
  ++(has_survived ? outcome.survived : has_failed ? outcome.failed : outcome.died);
  if (has_survived) outcome.add_recoveries(result.output);
  if (!is_intact(file)) ++outcome.damaged;
  if (is_verbose && !has_survived) {
    fmt::print("seed {} {} limit {} MiB by {}: exit {}: {}\n", plan.seed, subject.name,
               plan.limit_bytes / bytes_in_mb,
               plan.kind == LimitKind::address_space ? "RLIMIT_AS" : "hard limit", result.exit_code,
               result.output.substr(0, 200));
  }
  return has_survived;
}

int drive(unsigned wanted, std::uint64_t seed, bool is_verbose) {
  const fs::path directory =
      fs::temp_directory_path() / fmt::format("survival_bench.{}", ::getpid());
  fs::create_directories(directory);
  const fs::path original = directory / "original.db";
  make_database(original);
  std::array<Outcome, subjects.size()> outcomes;
  unsigned doomed = 0, tried = 0;
  for (; doomed < wanted && tried < wanted * 20; ++seed, ++tried) {
    const SurvivalPlan plan = survival_plan(seed);
    if (run(subjects[0], plan, original, directory, false, outcomes[0])) continue;
    ++doomed;
    for (std::size_t i = 1; i < subjects.size(); ++i)
      run(subjects[i], plan, original, directory, is_verbose, outcomes[i]);
    if (is_verbose) std::fflush(stdout);
  }
  fs::remove_all(directory);
  fmt::print("{} processes tried, of which {} fail or die with stock SQLite\n\n", tried, doomed);
  fmt::print(
      "| subject | survived | failed | died | damaged databases | above 80 % of RLIMIT_AS, times | "
      "until below again, p50 ms | p90 ms |\n|---|---|---|---|---|---|---|---|\n");
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    Outcome& of = outcomes[i];
    if (i == 0) of.survived = 0;  // Those were not counted.
    fmt::print("| {} | {:.1f} % | {} | {} | {} | {} | {} | {} |\n", subjects[i].name,
               doomed == 0 ? 0 : 100.0 * of.survived / doomed, of.failed, of.died, of.damaged,
               of.recoveries_ms.size(), of.recovery_percentile(50), of.recovery_percentile(90));
  }
  return 0;
}

int main_with(const std::vector<std::string>& arguments) {
  if (arguments.size() == 3 && arguments[0] == "--worker")
    return run_survival_worker(survival_plan(std::stoull(arguments[1])), arguments[2].c_str());
  unsigned count = 200;
  std::uint64_t first = 1;
  bool is_verbose = false;
  for (const std::string& argument : arguments) {
    if (argument.starts_with("--count=")) {
      count = static_cast<unsigned>(std::stoul(argument.substr(8)));
    } else if (argument.starts_with("--first=")) {
      first = std::stoull(argument.substr(8));
    } else if (argument == "--verbose") {
      is_verbose = true;
    } else {
      stop("usage: survival_bench [--count=N] [--first=SEED] [--verbose]");
    }
  }
  return drive(count, first, is_verbose);
}

}  // namespace
}  // namespace sqlitemem::bench

int main(int count, char** arguments) {
  try {
    return sqlitemem::bench::main_with({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    fmt::print(stderr, "survival_bench: {}\n", error.what());
    return 2;
  }
}
