// arena_bench: the memory of transactions, without SQLite around it, in interleaved rounds.
#include <fmt/format.h>

#include <cstdlib>

#include "bench/arena/figures.h"
#include "bench/arena/tests.h"
#include "bench/support/interleave.h"

namespace sqlitemem::bench {
namespace {

int run_worker(const Options& options) {
  for (const ArenaTest& test : arena_tests) {
    if (test.name != options.worker) continue;
    run_arena_test(test, options);
    return EXIT_SUCCESS;
  }
  fmt::print(stderr, "no test is called '{}'\n", options.worker);
  return 2;
}

ChildCommand worker_command(const ArenaTest& test, std::string_view subject,
                            const Options& options) {
  ChildCommand command;
  command.arguments = {own_path(), fmt::format("--worker={}", test.name),
                       fmt::format("--subject={}", subject)};
  if (options.is_quick) command.arguments.emplace_back("--quick");
  return command;
}

std::vector<Job> timed_jobs(const Options& options) {
  std::vector<Job> jobs;
  for (const ArenaTest& test : arena_tests) {
    if (!options.wants_test(test.name)) continue;
    for (const std::string_view subject : arena_subjects) {
      if (!options.wants_subject(subject)) continue;
      jobs.push_back(
          {std::string(test.name), std::string(subject), worker_command(test, subject, options)});
    }
  }
  return jobs;
}

int run_driver(const Options& options) {
  Measurements measurements;
  run_interleaved(timed_jobs(options), options, measurements);
  print_report("Transaction arenas",
               "ns of CPU time per allocation, of wall time per rollback; overhead as a ratio",
               arena_figures(), measurements, options.as_csv);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace sqlitemem::bench

int main(int count, char** arguments) {
  using namespace sqlitemem::bench;
  const Options options = parse_options(count, arguments);
  return options.worker.empty() ? run_driver(options) : run_worker(options);
}
