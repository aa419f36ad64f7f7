// Reads the command line; says what is wrong with it and stops.
#include "bench/support/options.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace sqlitemem::bench {
namespace {

constexpr const char* usage =
    "  --quick          three rounds and a tenth of the work\n"
    "  --csv            CSV instead of Markdown\n"
    "  --rounds=N       interleaved rounds (9)\n"
    "  --only=TEXT      only tests whose name contains TEXT\n"
    "  --subjects=A,B   only these allocators or libraries\n"
    "  --verify         sqlite_bench: compare the answers, not the speed\n";

[[noreturn]] void refuse(std::string_view argument) {
  std::fprintf(stderr, "unknown or unreadable option '%.*s'; there are:\n%s",
               static_cast<int>(argument.size()), argument.data(), usage);
  std::exit(2);
}

bool take_value(std::string_view argument, std::string_view name, std::string_view& value) {
  if (!argument.starts_with(name)) return false;
  value = argument.substr(name.size());
  return true;
}

std::uint64_t read_number(std::string_view argument, std::string_view text) {
  std::uint64_t number = 0;
  const char* last = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), last, number);
  if (parsed.ec != std::errc{} || parsed.ptr != last || number == 0) refuse(argument);
  return number;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

}  // namespace

bool Options::wants_subject(std::string_view name) const {
  return subjects.empty() || std::find(subjects.begin(), subjects.end(), name) != subjects.end();
}

Options parse_options(int count, char** arguments) {
  Options options;
  bool has_rounds = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    std::string_view value;
    if (argument == "--quick") {
      options.is_quick = true;
    } else if (argument == "--csv") {
      options.as_csv = true;
    } else if (argument == "--verify") {
      options.verify = true;
    } else if (take_value(argument, "--rounds=", value)) {
      options.rounds = static_cast<int>(read_number(argument, value));
      has_rounds = true;
    } else if (take_value(argument, "--only=", value)) {
      options.only = value;
    } else if (take_value(argument, "--subjects=", value)) {
      options.subjects = split(value);
    } else if (take_value(argument, "--worker=", value)) {
      options.worker = value;
    } else if (take_value(argument, "--subject=", value)) {
      options.subject = value;
    } else if (take_value(argument, "--count=", value)) {
      options.count = read_number(argument, value);
    } else {
      refuse(argument);
    }
  }
  if (options.is_quick && !has_rounds) options.rounds = 3;
  return options;
}

}  // namespace sqlitemem::bench
