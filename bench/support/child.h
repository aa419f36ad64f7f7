// Runs a program to its end and returns what it printed, how it ended and what it used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sqlitemem::bench {

struct ChildResult {
  std::string output;         ///< Standard output (and standard error if asked for), complete.
  int exit_code = -1;         ///< 128 + signal if a signal ended it.
  std::uint64_t wall_ns = 0;  ///< From just before the start to after the end.
  std::uint64_t cpu_ns = 0;   ///< User and kernel time of all its threads.
};

struct ChildCommand {
  std::vector<std::string> arguments;  ///< The first is looked up in PATH.
  std::vector<std::string>
      environment;  ///< "NAME=value", added to ours; LD_PRELOAD is never inherited.
  bool with_standard_error = false;
};

ChildResult run_child(const ChildCommand& command);

/// Path of the running program, for starting itself again as a worker.
std::string own_path();

}  // namespace sqlitemem::bench
