// The command line that both drivers share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sqlitemem::bench {

struct Options {
  int rounds = 9;         ///< --rounds=N
  bool is_quick = false;  ///< --quick: three rounds and a tenth of the work; for trying things out.
  bool as_csv = false;    ///< --csv
  bool verify = false;    ///< --verify: sqlite_bench only; compares answers instead of speed.
  std::string only;       ///< --only=TEXT: tests whose name contains it.
  std::vector<std::string> subjects;  ///< --subjects=a,b: instead of all.

  std::string
      worker;  ///< --worker=TEST: run it here and print the values. Used by the driver itself.
  std::string subject;      ///< --subject=NAME: whose worker.
  std::uint64_t count = 0;  ///< --count=N: repetitions, for the workers that count instructions.

  [[nodiscard]] bool wants_test(std::string_view name) const {
    return only.empty() || name.find(only) != std::string_view::npos;
  }
  [[nodiscard]] bool wants_subject(std::string_view name) const;
};

/// Ends the process with a usage text when an option is unknown or unreadable.
Options parse_options(int count, char** arguments);

}  // namespace sqlitemem::bench
