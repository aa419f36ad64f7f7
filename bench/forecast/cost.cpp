// One forecaster at work on a series that climbs, jumps and falls.
#include "bench/forecast/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "allocators/pressure/pressure_forecaster.h"
#include "bench/forecast/kinds.h"
#include "bench/support/child.h"
#include "bench/support/clock.h"
#include "bench/support/interleave.h"
#include "bench/support/random.h"

namespace sqlitemem::bench {
namespace {

constexpr std::uint64_t timed_count = 300'000;
constexpr std::uint64_t counted = 20'000;
constexpr std::string_view nothing = "none";

/// The next usage of a slow wave with noise, and a step now and then.
class Wave {
 public:
  double next() {
    const double noise = static_cast<double>(random_.below(1000)) / 1e5;
    if (random_.below(200) == 0) step_ = static_cast<double>(random_.below(100)) / 500;
    ++second_;
    return 0.5 + 0.2 * std::sin(static_cast<double>(second_) / 100) + step_ + noise;
  }

 private:
  Random random_{1};
  std::uint64_t second_ = 0;
  double step_ = 0;
};

template <class Work>
double ns_per_sample(std::uint64_t count, Work work) {
  Wave wave;
  const std::uint64_t started_ns = thread_cpu_ns();
  for (std::uint64_t second = 0; second < count; ++second) {
    work(second * 1'000'000'000, wave.next());
  }
  return static_cast<double>(thread_cpu_ns() - started_ns) / static_cast<double>(count);
}

double run(ForecasterKind kind, std::uint64_t count) {
  PressureForecaster forecaster(kind);
  double sum = 0;
  const double ns = ns_per_sample(count, [&](std::uint64_t now_ns, double usage) {
    forecaster.add(now_ns, usage);
    if (const auto reading = forecaster.reading(now_ns)) sum += reading->horizons[0].predicted;
  });
  return sum < 0 ? 0 : ns;  // Never negative; the compiler cannot know.
}

std::optional<double> instructions(std::string_view forecaster) {
  return count_instructions({.arguments = {own_path(), fmt::format("--worker={}", forecaster),
                                           fmt::format("--count={}", counted)},
                             .environment = {}});
}

}  // namespace

bool run_cost_worker(std::string_view forecaster, std::uint64_t count, double& ns_per_sample_out) {
  if (forecaster == nothing) {
    double sum = 0;
    ns_per_sample_out = ns_per_sample(count, [&](std::uint64_t, double usage) { sum += usage; });
    return sum >= 0;
  }
  for (const ForecasterKind kind : compared_kinds) {
    if (forecaster != name_of(kind)) continue;
    ns_per_sample_out = run(kind, count);
    return true;
  }
  return false;
}

std::string forecast_cost_table() {
  std::string text = fmt::format(
      "One sample and one reading; a forecaster has {} bytes. The series itself is not counted.\n\n"
      "| forecaster | ns | instructions |\n|---|---:|---:|\n",
      sizeof(PressureForecaster));
  double series_ns = 0;
  if (!run_cost_worker(nothing, timed_count, series_ns)) return text;
  const auto series_instructions = instructions(nothing);
  for (const ForecasterKind kind : compared_kinds) {
    double best_ns = run(kind, timed_count);
    for (int round = 0; round < 4; ++round) best_ns = std::min(best_ns, run(kind, timed_count));
    text += fmt::format("| {} | {:.0f} |", name_of(kind), std::max(0.0, best_ns - series_ns));
    const auto all = series_instructions ? instructions(name_of(kind)) : std::nullopt;
    text += all ? fmt::format(" {:.0f} |\n", (*all - *series_instructions) / counted)
                : " valgrind is missing |\n";
  }
  return text;
}

}  // namespace sqlitemem::bench
