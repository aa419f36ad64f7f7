// The round-robin that makes the medians comparable.
#include "bench/support/interleave.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <span>
#include <utility>

#include "bench/support/random.h"

namespace sqlitemem::bench {
namespace {

std::vector<std::string> tests_in_order(const std::vector<Job>& jobs) {
  std::vector<std::string> tests;
  for (const Job& job : jobs) {
    if (tests.empty() || tests.back() != job.test) tests.push_back(job.test);
  }
  return tests;
}

void run_one(const Job& job, Measurements& measurements, std::set<std::string>& missing) {
  const ChildResult result = run_child(job.command);
  if (result.exit_code == exit_subject_missing) {
    if (missing.insert(job.subject).second) {
      std::fprintf(stderr, "skipped: %s is not here\n", job.subject.c_str());
    }
    return;
  }
  const bool is_read =
      result.exit_code == 0 && (job.read ? job.read(result, measurements)
                                         : measurements.add_lines(job.subject, result.output));
  if (is_read) return;
  std::fprintf(stderr, "%s with %s failed (exit code %d):\n%s\n", job.test.c_str(),
               job.subject.c_str(), result.exit_code, result.output.c_str());
  std::exit(1);
}

}  // namespace

void run_interleaved(const std::vector<Job>& jobs, const Options& options,
                     Measurements& measurements) {
  const bool is_terminal = isatty(STDERR_FILENO) == 1;
  std::set<std::string> missing;
  Random random(20240229);
  for (const std::string& test : tests_in_order(jobs)) {
    std::vector<const Job*> turn;
    for (const Job& job : jobs) {
      if (job.test == test) turn.push_back(&job);
    }
    for (int round = 1; round <= options.rounds; ++round) {
      if (is_terminal) {
        std::fprintf(stderr, "\r\033[K%s: round %d of %d", test.c_str(), round, options.rounds);
      }
      random.shuffle(std::span(turn));
      for (const Job* job : turn) {
        if (!missing.contains(job->subject)) run_one(*job, measurements, missing);
      }
    }
  }
  if (is_terminal) std::fprintf(stderr, "\r\033[K");
}

std::optional<double> count_instructions(ChildCommand command) {
  const std::vector<std::string> valgrind = {"valgrind", "--tool=callgrind",
                                             "--callgrind-out-file=/dev/null"};
  command.arguments.insert(command.arguments.begin(), valgrind.begin(), valgrind.end());
  command.with_standard_error = true;
  const ChildResult result = run_child(command);
  constexpr std::string_view label = "Collected : ";
  const std::size_t at = result.output.find(label);
  if (result.exit_code != 0 || at == std::string::npos) {
    const std::string last_lines = result.output.substr(result.output.size() / 2);
    std::fprintf(stderr, "no instruction counts (exit code %d): %s\n", result.exit_code,
                 last_lines.c_str());
    return std::nullopt;
  }
  return std::strtod(result.output.c_str() + at + label.size(), nullptr);
}

std::optional<double> instructions_per_operation(const ChildCommand& worker) {
  constexpr std::uint64_t base = 20'000, added = 40'000;
  std::array<double, 2> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    ChildCommand command = worker;
    command.arguments.push_back("--count=" + std::to_string(base + i * added));
    // Valgrind cannot reserve our usual 64 GiB.
    command.environment.emplace_back("SQLITEMEM_REGION_SIZE=1GB");
    const auto count = count_instructions(std::move(command));
    if (!count) return std::nullopt;
    counts[i] = *count;
  }
  return (counts[1] - counts[0]) / double{added};
}

}  // namespace sqlitemem::bench
