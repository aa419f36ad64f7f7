// pressure_simulation: the pressure controller on many seeded, made-up processes under a limit.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "tests/support/pressure_trials.h"

namespace {

using namespace sqlitemem;
using namespace sqlitemem::tests;

constexpr const char* usage =
    "usage: pressure_simulation [options]\n"
    "  --seeds=N   so many plants of 600 simulated seconds each (1034)\n"
    "  --first=N   the first seed (5000)\n"
    "  --csv       comma-separated instead of a table\n";

struct Request {
  std::size_t seeds = 1034;
  std::uint64_t first = 5000;
  bool as_csv = false;
};

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number > 0;
}

bool take(Request& request, std::string_view argument) {
  if (argument == "--csv") return request.as_csv = true;
  if (argument.starts_with("--seeds=")) return read_number(argument.substr(8), request.seeds);
  if (argument.starts_with("--first=")) return read_number(argument.substr(8), request.first);
  return false;
}

struct Named {
  std::string_view name;
  Trial trial;
};

constexpr std::array<Named, 10> policies = {{
    {"none", {.policy = Policy::none}},
    {"plain thresholds", {.policy = Policy::plain_thresholds}},
    {"reclaim, no guard", {.policy = Policy::controller_reclaim, .has_guard = false}},
    {"reclaim", {.policy = Policy::controller_reclaim}},
    {"full, no guard", {.policy = Policy::controller_full, .has_guard = false}},
    {"full", {.policy = Policy::controller_full}},
    {"full, every 0.1 s", {.policy = Policy::controller_full, .sample_seconds = 0.1}},
    {"full, when asked", {.policy = Policy::controller_full, .sample_seconds = 0}},
    {"reclaim, when asked", {.policy = Policy::controller_reclaim, .sample_seconds = 0}},
    {"full, every 10 s", {.policy = Policy::controller_full, .sample_seconds = 10}},
}};
struct NamedReclaim {
  std::string_view name;
  Reclaim reclaim;
};
constexpr std::array<NamedReclaim, 3> reclaims = {
    {{"fast", fast_reclaim}, {"2 %/s", two_percent_reclaim}, {"0.6 %/s", slow_reclaim}}};

void print_row(const Named& policy, const NamedReclaim& reclaim, const TrialSummary& summary,
               bool as_csv) {
  fmt::print(
      fmt::runtime(as_csv ? "{},{},{:.1f},{},{},{},{},{:.4f},{:.4f},{:.1f},{:.2f},{:.1f},{:.1f}\n"
                          : "| {} | {} | {:.1f} | {}/{} | {}/{} | {:.3f} | {:.3f} | {:.1f} | "
                            "{:.2f} | {:.1f} | {:.1f} |\n"),
      policy.name, reclaim.name, 100 * summary.prevented(), summary.survived, summary.doomed,
      summary.survived_alone, summary.doomed_alone, summary.safe_throughput,
      summary.calm_throughput, summary.safe_flaps_per_hour, 100 * summary.refused_share,
      summary.recovery_p50, summary.recovery_p90);
}

void run(const Request& request) {
  const auto peaks = peaks_without_control(request.first, request.seeds);
  const auto dying = std::ranges::count_if(peaks, [](double peak) { return peak >= 1; });
  if (request.as_csv) {
    fmt::print(
        "policy,reclaim,prevented_percent,survived,doomed,survived_alone,doomed_alone,"
        "safe_throughput,calm_throughput,safe_flaps_per_hour,refused_percent,recovery_p50_seconds,"
        "recovery_p90_seconds\n");
  } else {
    fmt::print(
        "## Pressure controller, simulated\n\n"
        "{} plants of 600 s, seeds {} to {}; {} die without control.\n\n"
        "| policy | reclaim | prevented % | survivors of the doomed | of these without "
        "foreign memory | throughput, safe plants | never at 90 % | flaps/h, safe plants | refused "
        "growth "
        "%, doomed plants | recovery p50 s | p90 s |\n"
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        request.seeds, request.first, request.first + request.seeds - 1, dying);
  }
  for (const Named& policy : policies) {
    for (const NamedReclaim& reclaim : reclaims) {
      Trial trial = policy.trial;
      trial.reclaim = reclaim.reclaim;
      print_row(policy, reclaim, run_trials(request.first, peaks, trial), request.as_csv);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  Request request;
  for (int index = 1; index < count; index++) {
    if (take(request, arguments[index])) continue;
    fmt::print(stderr, "'{}' is not understood.\n{}", arguments[index], usage);
    return 2;
  }
  run(request);
  return EXIT_SUCCESS;
}
