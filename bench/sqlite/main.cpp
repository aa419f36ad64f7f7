// sqlite_bench: an unmodified SQLite with our memory and without, in interleaved rounds.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <map>

#include "bench/sqlite/figures.h"
#include "bench/sqlite/startup.h"
#include "bench/sqlite/subjects.h"
#include "bench/sqlite/tests.h"
#include "bench/sqlite/uneven.h"
#include "bench/sqlite/work_file.h"

namespace sqlitemem::bench {
namespace {

struct SqliteTest {
  std::string_view name;
  void (*run)(const SqliteRun& run);
  int threads = 1;
  bool is_in_memory = true;
  /// Its CPU time is that of the whole process, and its answers are compared.
  bool has_answers = false;
  /// It reads the 200 MB database, and its answers are compared; only stock and managed.
  bool reads_work_file = false;
  /// Its jobs are made by measure_uneven().
  bool is_uneven = false;
};

constexpr std::array<SqliteTest, 14> tests{{
    {"malloc_pair", test_malloc_pair},
    {"oltp_1_thread", test_oltp},
    {"oltp_2_threads", test_oltp, 2},
    {"open_transactions_ms", test_open_transactions},
    {"mix_memory", test_speed_mix, 1, true, true},
    {"mix_file", test_speed_mix, 1, false, true},
    {"zipf_reads", test_zipf_reads, 1, false, false, true},
    {"zipf_reads_in_transaction", test_zipf_reads_in_transaction, 1, false, false, true},
    {"zipf_tuned", test_tuned_zipf_reads, 1, false, false, true},
    {"zipf_tuned_in_transaction", test_tuned_zipf_reads_in_transaction, 1, false, false, true},
    {"zipf_cold_reads", test_zipf_cold_reads, 1, false, false, true},
    {"uneven_all", test_uneven, 1, false, false, true, true},
    {"uneven_10", test_uneven, 1, false, false, true, true},
    {"uneven_50", test_uneven, 1, false, false, true, true},
}};

int run_worker(const Options& options) {
  for (const SqliteTest& test : tests) {
    if (test.name != options.worker) continue;
    prepare_worker(options.subject);
    test.run({.name = test.name,
              .effort = options.is_quick ? 0.1 : 1.0,
              .threads = test.threads,
              .is_in_memory = test.is_in_memory});
    return EXIT_SUCCESS;
  }
  fmt::print(stderr, "no test is called '{}'\n", options.worker);
  return 2;
}

/// The answers that were given, by test: the first subject's are the measure for the others.
class Answers {
 public:
  /// False, and said, if another subject had other answers to the same test.
  bool agree(const std::string& test, const std::string& subject, const std::string& hash) {
    const auto [first, is_new] = first_.try_emplace(test, subject, hash);
    if (is_new || first->second.second == hash) return true;
    fmt::print(stderr, "\n{}: {} answers {}, {} answers {}\n", test, first->second.first,
               first->second.second, subject, hash);
    return false;
  }

 private:
  std::map<std::string, std::pair<std::string, std::string>> first_;
};

/// Takes the line "answers <hash>" out of a worker's output.
std::string take_answers(std::string& output) {
  constexpr std::string_view label = "answers ";
  const std::size_t at = output.find(label);
  if (at == std::string::npos) return "";
  const std::size_t end = output.find('\n', at);
  std::string hash = output.substr(at + label.size(), end - at - label.size());
  output.erase(at, end - at + 1);
  return hash;
}

Job job_of(const SqliteTest& test, const SqliteSubject& subject, const Options& options,
           Answers& answers) {
  Job job{.test = std::string(test.name), .subject = std::string(subject.name), .command = {}};
  job.command.arguments = {own_path(), fmt::format("--worker={}", test.name),
                           fmt::format("--subject={}", subject.name)};
  if (options.is_quick) job.command.arguments.emplace_back("--quick");
  job.command.environment = environment_of(subject);
  if (!test.has_answers && !test.reads_work_file) return job;
  // The uneven connections read the same whatever their caches hold.
  const std::string same_answers = test.is_uneven ? "uneven" : job.test;
  job.read = [same_answers, test = job.test, name = job.subject, &answers,
              is_timed = test.has_answers, is_verifying = options.verify](
                 const ChildResult& result, Measurements& measurements) {
    std::string output = result.output;
    const std::string hash = take_answers(output);
    if (hash.empty() || !answers.agree(same_answers, name, hash)) return false;
    if (is_verifying) fmt::print("{} {} {}\n", test, name, hash);
    if (is_timed) measurements.add(test, name, static_cast<double>(result.cpu_ns) / 1e6);
    return measurements.add_lines(name, output);
  };
  return job;
}

/// Those that read the 200 MB database, or the others.
std::vector<Job> jobs_of(const Options& options, Answers& answers, bool reads_work_file) {
  std::vector<Job> jobs;
  for (const SqliteTest& test : tests) {
    if (!options.wants_test(test.name) || test.reads_work_file != reads_work_file ||
        test.is_uneven || (options.verify && !test.has_answers)) {
      continue;
    }
    for (const SqliteSubject& subject : sqlite_subjects()) {
      if (!options.wants_subject(subject.name)) continue;
      if (reads_work_file && subject.name != "stock" && subject.name != "managed") continue;
      jobs.push_back(job_of(test, subject, options, answers));
    }
  }
  return jobs;
}

/// Everything that reads the 200 MB database, which is there meanwhile.
void run_on_work_file(const Options& options, Answers& answers, Measurements& measurements) {
  const auto is_wanted = [&](const SqliteTest& test) {
    return test.reads_work_file && options.wants_test(test.name);
  };
  if (std::none_of(tests.begin(), tests.end(), is_wanted)) return;
  const WorkFile file;
  std::vector<Job> jobs = jobs_of(options, answers, true);
  for (Job& job : jobs) job.command.environment.push_back(file.environment());
  run_interleaved(jobs, options, measurements);
  const auto make_job = [&](std::string_view test_name, std::string_view subject_name,
                            std::vector<std::string> environment) {
    const auto test = std::ranges::find(tests, test_name, &SqliteTest::name);
    const auto subject = std::ranges::find(sqlite_subjects(), subject_name, &SqliteSubject::name);
    Job job = job_of(*test, *subject, options, answers);
    environment.push_back(file.environment());
    std::ranges::move(environment, std::back_inserter(job.command.environment));
    return job;
  };
  if (!measure_uneven(options, make_job, measurements))
    fmt::print(stderr, "no figures of the uneven connections\n");
}

int run_driver(Options options) {
  Measurements measurements;
  Answers answers;
  if (options.verify) options.rounds = 1;
  run_interleaved(jobs_of(options, answers, false), options, measurements);
  if (options.verify) return EXIT_SUCCESS;
  run_on_work_file(options, answers, measurements);
  Options many_rounds = options;
  many_rounds.rounds = options.rounds * 20;  // A start takes a millisecond and varies by half.
  run_interleaved(startup_jobs(options), many_rounds, measurements);
  count_startup_instructions(options, measurements);
  print_report("SQLite",
               "malloc_pair ns, oltp and zipf thousand operations/s, mix CPU ms, uneven misses",
               sqlite_figures(), measurements, options.as_csv);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace sqlitemem::bench

int main(int count, char** arguments) {
  using namespace sqlitemem::bench;
  const Options options = parse_options(count, arguments);
  return options.worker.empty() ? run_driver(options) : run_worker(options);
}
