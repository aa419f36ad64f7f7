// Runs workers round by round, all subjects in turn, so that a slow minute hits every subject
// alike.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/support/child.h"
#include "bench/support/measurements.h"
#include "bench/support/options.h"

namespace sqlitemem::bench {

/// The exit code by which a worker says that its allocator is not installed.
inline constexpr int exit_subject_missing = 77;

struct Job {
  std::string test, subject;
  ChildCommand command;
  /// Turns what the child printed and used into measurements. Default: lines "name value".
  std::function<bool(const ChildResult&, Measurements&)> read = {};
};

/// Runs every job `options.rounds` times. Within a round the jobs of one test run in an order that
/// is shuffled anew, directly after one another. A missing subject is said once and skipped from
/// then on; any other failure ends the run, because a table with holes of unknown cause is worth
/// nothing.
void run_interleaved(const std::vector<Job>& jobs, const Options& options,
                     Measurements& measurements);

/// Instructions of the command under valgrind's callgrind; nullopt (and a message) without
/// valgrind.
std::optional<double> count_instructions(ChildCommand command);

/// Instructions per operation of a worker that takes --count=N: the difference between two runs
/// that differ in the count only, so that starting and filling fall out. nullopt as above.
std::optional<double> instructions_per_operation(const ChildCommand& worker);

}  // namespace sqlitemem::bench
