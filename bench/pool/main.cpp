// replay_traces: recorded page references through every eviction policy, and the policies' cost.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "bench/pool/advice.h"
#include "bench/pool/cost.h"
#include "bench/pool/points.h"

namespace {

using namespace sqlitemem::bench;

constexpr const char* usage =
    "usage: replay_traces [options] TRACE|DIRECTORY ...\n"
    "  --sizes=2,5,10   pool sizes in percent of a trace's pages (2,5,10,25,50)\n"
    "  --advice         compare the forecasts for other budgets with replays instead\n"
    "  --rate=1/N       sample at most that share of the pages (1/1)\n"
    "  --cost           the cost of each policy's operations; needs no trace\n";

struct Request {
  std::vector<std::string> paths;
  std::vector<unsigned> percents;
  bool cost = false;
  bool advice = false;
  unsigned one_in = 1;  ///< Pages that are sampled at most.
  std::string worker;
  std::uint64_t count = 0;
};

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number > 0;
}

bool read_sizes(std::string_view text, std::vector<unsigned>& percents) {
  percents.clear();
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    unsigned percent = 0;
    if (!read_number(text.substr(0, comma), percent) || percent > 100) return false;
    percents.push_back(percent);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return !percents.empty();
}

/// false: the argument is not known or not readable.
bool take(Request& request, std::string_view argument) {
  const auto value = [&](std::string_view option) { return argument.substr(option.size()); };
  if (argument == "--cost") return request.cost = true;
  if (argument == "--advice") return request.advice = true;
  if (argument.starts_with("--rate=1/")) return read_number(value("--rate=1/"), request.one_in);
  if (argument.starts_with("--sizes=")) return read_sizes(value("--sizes="), request.percents);
  if (argument.starts_with("--worker=")) return request.worker = value("--worker="), true;
  if (argument.starts_with("--count=")) return read_number(value("--count="), request.count);
  if (argument.starts_with("-")) return false;
  request.paths.emplace_back(argument);
  return true;
}

int replay_all(const Request& request) {
  std::vector<Point> points;
  std::vector<AdvicePoint> advice;
  for (const std::string& path : request.paths) {
    const std::vector<std::string> files = trace_files(path);
    if (files.empty()) {
      fmt::print(stderr, "{}: no .u32 or .u32.xz file in it\n", path);
      return 1;
    }
    for (const std::string& file : files) {
      const auto read = read_trace(file);
      if (const auto* problem = std::get_if<std::string>(&read)) {
        fmt::print(stderr, "{}\n", *problem);
        return 1;
      }
      const auto& trace = std::get<Trace>(read);
      fmt::print("{}: {} pages, {} references, {} more to pinned pages, {} drops\n", trace.name,
                 trace.page_count(), trace.references, trace.pinned_references, trace.drops.size());
      std::fflush(stdout);
      if (request.advice) {
        for (AdvicePoint& point : measure_advice(trace, 1.0 / request.one_in)) {
          advice.push_back(std::move(point));
        }
        continue;
      }
      for (Point& point : measure(trace, request.percents)) points.push_back(std::move(point));
    }
  }
  if (request.advice) {
    fmt::print("\n{}", advice_table(advice));
    return 0;
  }
  fmt::print("\n{}\n{}\n{}", hits_table(points), comparison_table(points), summary_table(points));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  Request request{.paths = {}, .percents = {2, 5, 10, 25, 50}, .worker = {}};
  for (int i = 1; i < count; ++i) {
    if (take(request, arguments[i])) continue;
    fmt::print(stderr, "unknown or unreadable argument '{}'\n{}", arguments[i], usage);
    return 2;
  }
  if (!request.worker.empty()) {
    double ns = 0;
    return run_cost_worker(request.worker, request.count, ns) ? 0 : 2;
  }
  if (request.paths.empty() && !request.cost) {
    fmt::print(stderr, "{}", usage);
    return 2;
  }
  if (request.cost) fmt::print("{}\n", cost_table());
  return request.paths.empty() ? 0 : replay_all(request);
}
