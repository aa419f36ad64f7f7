// forecast_bench: forecasts of memory usage against what came, over recorded or generated series.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bench/forecast/cost.h"
#include "bench/forecast/series.h"
#include "bench/forecast/tables.h"

namespace {

using namespace sqlitemem::bench;

constexpr const char* usage =
    "usage: forecast_bench [options] [DIRECTORY|FILE ...]\n"
    "  DIRECTORY              every .txt file in it: a usage per line, as a share of the limit, "
    "one\n"
    "                         per second\n"
    "  --seeds=FIRST:COUNT    generated series instead: so many seeds of every class\n"
    "  --samples=N            seconds of each generated series (1200)\n"
    "  --cost                 the cost of a sample; needs no series\n";

struct Request {
  std::vector<std::string> paths;
  bool is_generated = false;
  SeedRange seeds;
  std::size_t samples = 1200;
  bool cost = false;
  std::string worker;
  std::uint64_t count = 0;
};

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number > 0;
}

bool read_seeds(std::string_view text, SeedRange& seeds) {
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && read_number(text.substr(0, colon), seeds.first) &&
         read_number(text.substr(colon + 1), seeds.count);
}

/// false: the argument is not known or not readable.
bool take(Request& request, std::string_view argument) {
  const auto value = [&](std::string_view option) { return argument.substr(option.size()); };
  if (argument == "--cost") return request.cost = true;
  if (argument.starts_with("--seeds=")) {
    return request.is_generated = read_seeds(value("--seeds="), request.seeds);
  }
  if (argument.starts_with("--samples=")) {
    return read_number(value("--samples="), request.samples) && request.samples <= 10'000'000;
  }
  if (argument.starts_with("--worker=")) return request.worker = value("--worker="), true;
  if (argument.starts_with("--count=")) return read_number(value("--count="), request.count);
  if (argument.starts_with("-")) return false;
  request.paths.emplace_back(argument);
  return true;
}

/// Adds to `all`; false after saying what is missing.
bool add_series(std::variant<std::vector<UsageSeries>, std::string> found,
                std::vector<UsageSeries>& all) {
  if (const auto* problem = std::get_if<std::string>(&found)) {
    fmt::print(stderr, "forecast_bench: {}\n", *problem);
    return false;
  }
  auto& series = std::get<std::vector<UsageSeries>>(found);
  all.insert(all.end(), std::make_move_iterator(series.begin()),
             std::make_move_iterator(series.end()));
  return true;
}

int run(const Request& request) {
  std::vector<UsageSeries> all;
  for (const std::string& path : request.paths) {
    if (!add_series(read_series(path), all)) return 1;
  }
  if (request.is_generated && !add_series(generate_series(request.seeds, request.samples), all)) {
    return 1;
  }
  if (!all.empty()) fmt::print("{}", forecast_tables(all));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  Request request;
  for (int i = 1; i < count; ++i) {
    if (take(request, arguments[i])) continue;
    fmt::print(stderr, "unknown or unreadable argument '{}'\n{}", arguments[i], usage);
    return 2;
  }
  if (!request.worker.empty()) {
    double ns = 0;
    return run_cost_worker(request.worker, request.count, ns) ? 0 : 2;
  }
  if (request.paths.empty() && !request.is_generated && !request.cost) {
    fmt::print(stderr, "{}", usage);
    return 2;
  }
  if (request.cost) fmt::print("{}\n", forecast_cost_table());
  return run(request);
}
