// Starts small programs many times.
#include "bench/sqlite/startup.h"

#include <unistd.h>

#include <array>

#include "bench/sqlite/subjects.h"

namespace sqlitemem::bench {
namespace {

struct Program {
  std::string_view test, instructions;
  std::vector<std::string> arguments;
};

const std::array<Program, 2>& programs() {
  static const std::array<Program, 2> list{{
      {"start_true_us", "instructions_start_true", {"true"}},
      {"start_shell_us", "instructions_start_shell", {"sqlite3", ":memory:", "select 1"}},
  }};
  return list;
}

/// A missing preload library would only make the loader print a warning, and compare stock with
/// itself.
bool is_compared(const SqliteSubject& subject, const Options& options) {
  const bool is_wanted = subject.name == "stock" || subject.name == "managed";
  const bool is_there =
      subject.preload.empty() || access(std::string(subject.preload).c_str(), R_OK) == 0;
  return is_wanted && is_there && options.wants_subject(subject.name);
}

}  // namespace

std::vector<Job> startup_jobs(const Options& options) {
  std::vector<Job> jobs;
  for (const Program& program : programs()) {
    if (!options.wants_test(program.test)) continue;
    for (const SqliteSubject& subject : sqlite_subjects()) {
      if (!is_compared(subject, options)) continue;
      Job job;
      job.test = program.test;
      job.subject = subject.name;
      job.command.arguments = program.arguments;
      job.command.environment = environment_of(subject);
      job.read = [test = job.test, name = job.subject](const ChildResult& result,
                                                       Measurements& measurements) {
        measurements.add(test, name, static_cast<double>(result.wall_ns) / 1000);
        return true;
      };
      jobs.push_back(job);
    }
  }
  return jobs;
}

void count_startup_instructions(const Options& options, Measurements& measurements) {
  for (const Program& program : programs()) {
    if (!options.wants_test(program.instructions)) continue;
    for (const SqliteSubject& subject : sqlite_subjects()) {
      if (!is_compared(subject, options)) continue;
      ChildCommand command;
      command.arguments = program.arguments;
      command.environment = environment_of(subject);
      command.environment.emplace_back("SQLITEMEM_REGION_SIZE=1GB");  // Valgrind has no 64 GiB.
      const std::optional<double> count = count_instructions(command);
      if (!count) return;
      measurements.add(program.instructions, subject.name, *count);
    }
  }
}

}  // namespace sqlitemem::bench
