// pool_bench: the page caches themselves, without SQLite around them, in interleaved rounds.
#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "bench/page_cache/figures.h"
#include "bench/page_cache/subjects.h"
#include "bench/page_cache/tests.h"
#include "bench/support/interleave.h"

namespace sqlitemem::bench {
namespace {

int run_worker(const Options& options) {
  for (const PageCacheTest& test : page_cache_tests) {
    if (test.name != options.worker) continue;
    run_page_cache_test(test, options);
    return EXIT_SUCCESS;
  }
  fmt::print(stderr, "no test is called '{}'\n", options.worker);
  return 2;
}

ChildCommand worker_command(const PageCacheTest& test, std::string_view subject,
                            const Options& options) {
  ChildCommand command;
  command.arguments = {own_path(), fmt::format("--worker={}", test.name),
                       fmt::format("--subject={}", subject)};
  if (options.is_quick) command.arguments.emplace_back("--quick");
  return command;
}

std::vector<Job> timed_jobs(const Options& options) {
  std::vector<Job> jobs;
  for (const PageCacheTest& test : page_cache_tests) {
    if (!options.wants_test(test.name)) continue;
    for (const std::string_view subject : page_cache_subjects) {
      if (!options.wants_subject(subject)) continue;
      jobs.push_back(
          {std::string(test.name), std::string(subject), worker_command(test, subject, options)});
    }
  }
  return jobs;
}

/// Exact, hence one round.
void count_operations(const Options& options, Measurements& measurements) {
  for (const PageCacheTest& test : page_cache_tests) {
    const std::string name = fmt::format("instructions_{}", test.name);
    if (!test.is_counted || !options.wants_test(name)) continue;
    for (const std::string_view subject : page_cache_subjects) {
      if (!options.wants_subject(subject)) continue;
      if (subject == shared_group && std::getenv(shared_group_variable) == nullptr) continue;
      const auto count = instructions_per_operation(worker_command(test, subject, options));
      if (!count) return;
      measurements.add(name, subject, *count);
    }
  }
}

int run_driver(const Options& options) {
  Measurements measurements;
  run_interleaved(timed_jobs(options), options, measurements);
  count_operations(options, measurements);
  print_report("Page caches", "ns of CPU time; of wall time with threads", page_cache_figures(),
               measurements, options.as_csv);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace sqlitemem::bench

int main(int count, char** arguments) {
  using namespace sqlitemem::bench;
  const Options options = parse_options(count, arguments);
  return options.worker.empty() ? run_driver(options) : run_worker(options);
}
