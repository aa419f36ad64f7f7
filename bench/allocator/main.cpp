// allocator_bench: our heap against glibc, jemalloc, mimalloc and tcmalloc, in interleaved rounds.
#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "bench/allocator/figures.h"
#include "bench/allocator/tests.h"
#include "bench/support/interleave.h"

namespace sqlitemem::bench {
namespace {

constexpr std::array<AllocatorTest, 22> tests{{
    {"hot_64", test_hot_pair, 64},
    {"hot_256", test_hot_pair, 256},
    {"hot_1024", test_hot_pair, 1024},
    {"hot_4368", test_hot_pair, 4368},
    {"random_order_64", test_random_order, 64},
    {"random_order_256", test_random_order, 256},
    {"random_order_1024", test_random_order, 1024},
    {"random_order_4368", test_random_order, 4368},
    {"mix", test_size_mix},
    {"handover", test_handover},
    {"large_touched", test_large_churn_touched},
    {"large_untouched", test_large_churn_untouched},
    {"growth_alone", test_growth_alone},
    {"growth_of_eight", test_growth_of_eight},
    {"large_growth", test_large_growth},
    {"large_growth_of_two", test_large_growth_of_two},
    {"large_growth_touched", test_large_growth_touched},
    {"instructions_hot_64", test_pair_instructions, 64, false},
    {"instructions_hot_256", test_pair_instructions, 256, false},
    {"instructions_hot_1024", test_pair_instructions, 1024, false},
    {"instructions_hot_4368", test_pair_instructions, 4368, false},
    {"instructions_mix", test_mix_instructions, 0, false},
}};

int run_worker(const Options& options) {
  for (const AllocatorTest& test : tests) {
    if (test.name != options.worker) continue;
    const Subject subject = load_subject(options.subject);
    test.run({subject, test.size_bytes, options.is_quick ? 0.1 : 1.0, options.count}, test.name);
    return EXIT_SUCCESS;
  }
  fmt::print(stderr, "no test is called '{}'\n", options.worker);
  return 2;
}

ChildCommand worker_command(const AllocatorTest& test, const SubjectSpec& subject,
                            const Options& options) {
  ChildCommand command;
  command.arguments = {own_path(), fmt::format("--worker={}", test.name),
                       fmt::format("--subject={}", subject.name)};
  if (options.is_quick) command.arguments.emplace_back("--quick");
  if (!subject.preload.empty()) {
    command.environment.push_back(fmt::format("LD_PRELOAD={}", subject.preload));
  }
  return command;
}

/// Without statistics only the tests that the figure names are run: the rest would say nothing.
bool belongs(const AllocatorTest& test, const SubjectSpec& subject) {
  return subject.name != ours_without_statistics || test.name.starts_with("hot") ||
         test.name == "mix";
}

std::vector<Job> timed_jobs(const Options& options) {
  std::vector<Job> jobs;
  for (const AllocatorTest& test : tests) {
    if (!test.is_timed || !options.wants_test(test.name)) continue;
    for (const SubjectSpec& subject : all_subjects()) {
      if (!options.wants_subject(subject.name) || !belongs(test, subject)) continue;
      jobs.push_back({std::string(test.name), std::string(subject.name),
                      worker_command(test, subject, options)});
    }
  }
  return jobs;
}

/// Exact, hence one round.
void count_statistics_cost(const Options& options, Measurements& measurements) {
  for (const AllocatorTest& test : tests) {
    if (test.is_timed || !options.wants_test(test.name)) continue;
    for (const SubjectSpec& subject : all_subjects()) {
      if (subject.module.empty() || !options.wants_subject(subject.name)) continue;
      const auto count = instructions_per_operation(worker_command(test, subject, options));
      if (!count) return;
      measurements.add(test.name, subject.name, *count);
    }
  }
}

int run_driver(const Options& options) {
  Measurements measurements;
  run_interleaved(timed_jobs(options), options, measurements);
  count_statistics_cost(options, measurements);
  print_report("Allocators", "ns of CPU time unless the name says otherwise", allocator_figures(),
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
