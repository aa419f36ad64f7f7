// The scores of forecast_bench, counted by hand; and that the default forecaster earns its place.
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <vector>

#include "bench/forecast/score.h"
#include "bench/forecast/series.h"
#include "tests/support/model.h"

namespace sqlitemem::tests {
namespace {

using bench::AlarmScore;
using bench::HorizonScores;

/// `usage` for so many seconds, again and again.
struct Stretch {
  std::size_t seconds;
  double usage;
};
std::vector<double> stretches(std::initializer_list<Stretch> all) {
  std::vector<double> usage;
  for (const Stretch& stretch : all) usage.insert(usage.end(), stretch.seconds, stretch.usage);
  return usage;
}
std::vector<bool> on_between(std::size_t seconds, std::size_t first, std::size_t end) {
  std::vector<bool> is_on(seconds);
  for (std::size_t t = first; t < end; ++t) is_on[t] = true;
  return is_on;
}

}  // namespace

TEST_CASE("Forecast score: an event that was warned of has the lead of its warning",
          "[forecast][score]") {
  const std::vector<double> usage = stretches({{100, 0.5}, {50, 0.8}, {400, 0.95}});
  // The event is at 150.
  AlarmScore score = bench::score_alarms(usage, on_between(550, 120, 300));
  REQUIRE(score.events == 1);
  REQUIRE(score.warnings == 1);
  REQUIRE(score.false_strictly == 0);
  REQUIRE(score.missed == 0);
  REQUIRE(score.gradual_leads == std::vector<double>{30});
  score = bench::score_alarms(usage, on_between(550, 146, 300));  // Off at 145.
  REQUIRE(score.missed == 1);
  REQUIRE(score.gradual_missed == 1);
  REQUIRE(score.warnings == 1);
  score = bench::score_alarms(usage, on_between(550, 150, 300));  // Too late to be a warning.
  REQUIRE(score.warnings == 0);
  REQUIRE(score.missed == 1);
}

TEST_CASE("Forecast score: an event out of the blue is not gradual", "[forecast][score]") {
  const std::vector<double> usage = stretches({{136, 0.5}, {14, 0.8}, {400, 0.95}});
  const AlarmScore score = bench::score_alarms(usage, std::vector<bool>(550));
  REQUIRE(score.missed == 1);
  REQUIRE(score.gradual_missed == 0);
  REQUIRE(score.gradual_leads.empty());
}

TEST_CASE("Forecast score: usage has to fall below 0.80 before there is another event",
          "[forecast][score]") {
  const auto events = [](double between) {
    const auto usage = stretches({{50, 0.5}, {20, 0.92}, {20, between}, {20, 0.92}, {200, 0.5}});
    return bench::score_alarms(usage, std::vector<bool>(usage.size())).events;
  };
  REQUIRE(events(0.80) == 1);
  REQUIRE(events(0.79) == 2);
}

TEST_CASE("Forecast score: a warning without an event is false, materially if nothing came near",
          "[forecast][score]") {
  const auto score = [](double after) {
    const auto usage = stretches({{100, 0.5}, {100, after}, {200, 0.5}});
    return bench::score_alarms(usage, on_between(400, 80, 120));
  };
  REQUIRE(score(0.84).false_materially == 1);
  REQUIRE(score(0.86).false_strictly == 1);
  REQUIRE(score(0.86).false_materially == 0);
  REQUIRE(score(0.91).false_strictly == 0);
  // Nobody knows what comes of one shortly before the end.
  const auto usage = stretches({{400, 0.5}});
  REQUIRE(bench::score_alarms(usage, on_between(400, 219, 230)).warnings == 1);
  REQUIRE(bench::score_alarms(usage, on_between(400, 220, 230)).warnings == 0);
}

TEST_CASE("Forecast score: persistence is right where nothing moves", "[forecast][score]") {
  // One step of 0.2: of the origins from 20 on, 30 look across it at 30 seconds.
  const std::vector<double> usage = stretches({{100, 0.4}, {100, 0.6}});
  const auto readings = bench::run_forecaster(ForecasterKind::persistence, usage);
  const HorizonScores scores = bench::score_forecasts(usage, readings);
  REQUIRE(scores[0].forecasts == 150);
  REQUIRE(scores[0].moving == 30);
  REQUIRE(scores[0].accurate == 120);
  REQUIRE(scores[0].moving_accurate == 0);
  REQUIRE(scores[0].errors == Approx(30 * 0.2));
  REQUIRE(scores[0].persistence_errors == Approx(30 * 0.2));
  REQUIRE(scores[2].forecasts == 60);
  REQUIRE(scores[2].moving == 60);
}

namespace {

/// A directory of one's own, gone at the end.
class SeriesFiles {
 public:
  SeriesFiles() : path_(std::filesystem::temp_directory_path() / "sqlitemem_series_XXXXXX") {
    std::string name = path_.string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~SeriesFiles() { std::filesystem::remove_all(path_); }
  SeriesFiles(const SeriesFiles&) = delete;
  SeriesFiles& operator=(const SeriesFiles&) = delete;

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
  }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("Forecast series: a directory is read, and what is missing is said",
          "[forecast][score]") {
  const SeriesFiles scratch;
  const auto problem = [](const std::string& path) {
    return std::get<std::string>(bench::read_series(path));
  };
  REQUIRE(problem(scratch.path() + "/none") ==
          scratch.path() + "/none: there is no such file or directory");
  REQUIRE(problem(scratch.path()) == scratch.path() + ": no .txt file in it");
  scratch.write("b_slow.txt", "0.5\n0.25\n");
  scratch.write("a_fast.txt", "1e-1\n\n");
  scratch.write("ignored.csv", "what?");
  const auto series = std::get<std::vector<bench::UsageSeries>>(bench::read_series(scratch.path()));
  REQUIRE(series.size() == 2);
  REQUIRE(series[0].name == "a_fast");
  REQUIRE(series[0].group == "fast");
  REQUIRE(series[0].usage == std::vector<double>{0.1});
  REQUIRE(series[1].usage == std::vector<double>{0.5, 0.25});
  scratch.write("c.txt", "0.5\n0.5 MB\n");
  REQUIRE(problem(scratch.path()) == scratch.path() + "/c.txt: line 2 is no number: '0.5 MB'");
  scratch.write("c.txt", "nan\n");
  REQUIRE(problem(scratch.path() + "/c.txt") ==
          scratch.path() + "/c.txt: line 1 is no number: 'nan'");
}

namespace {

double between(Random& random, double low, double high) {
  return low + (high - low) * random.uniform();
}
double noise(Random& random) {
  return random.uniform() + random.uniform() + random.uniform() - 1.5;
}

/// What memory does: a leak, a plateau with steps, bulk loads with pauses, a saw-tooth, a slow
/// wave, bursts, a random walk. Usage as a share of the limit.
constexpr int shapes = 7;
std::vector<double> made_up(int shape, std::uint64_t seed, std::size_t count = 1000) {
  Random random(seed * 100 + static_cast<std::uint64_t>(shape));
  const double base = between(random, 0.2, 0.6);
  const double height = between(random, 0.1, 0.35);
  const double period = between(random, 60, 600);
  const double slope = between(random, 0.0002, 0.003);
  const double roughness = between(random, 0.0003, 0.003);
  double level = base;
  std::size_t left = 0;
  double rate = 0;
  std::vector<double> usage;
  for (std::size_t second = 0; second < count; ++second) {
    const auto t = static_cast<double>(second);
    double value = base;
    if (shape == 0) value = base + slope * std::max(0.0, t - period);
    if (shape == 1 && random.below(150) == 0) level = between(random, 0.2, 0.9);
    if (shape == 2 && left-- == 0) {
      left = random.between(20, 200);
      rate = rate > 0 ? 0 : between(random, 0.0005, 0.003);
      if (level > 0.95) level = base;
    }
    if (shape == 2) level += rate;
    if (shape == 3) value = base + height * std::fmod(t, period) / period;
    if (shape == 4) value = base + height * std::sin(6.283 * t / (3 * period));
    if (shape == 5 && left == 0 && random.below(80) == 0) left = random.between(3, 40);
    if (shape == 5 && left > 0) value = base + (left-- > 0 ? height : 0);
    if (shape == 6) level += 0.003 * noise(random);
    if (shape == 1 || shape == 2 || shape == 6) value = level;
    usage.push_back(std::clamp(value + roughness * noise(random), 0.0, 1.2));
  }
  return usage;
}

}  // namespace

TEST_CASE("Forecaster: gated_trend is better than persistence and than OLS",
          "[forecast][score][no_tsan]") {
  constexpr std::array kinds = {ForecasterKind::gated_trend, ForecasterKind::ols,
                                ForecasterKind::persistence};
  std::array<HorizonScores, kinds.size()> scores{};
  AlarmScore warnings;
  for (int shape = 0; shape < shapes; ++shape) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const std::vector<double> usage = made_up(shape, seed);
      for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
        const auto readings = bench::run_forecaster(kinds[kind], usage);
        const HorizonScores one = bench::score_forecasts(usage, readings);
        for (std::size_t i = 0; i < one.size(); ++i) scores[kind][i] += one[i];
        if (kind > 0) continue;
        warnings +=
            bench::score_alarms(usage, bench::run_alarm(bench::Alarm::warning, usage, readings));
      }
    }
  }
  const auto share = [](std::size_t part, std::size_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  for (std::size_t i = 0; i < forecast_horizons.size(); ++i) {
    CAPTURE(forecast_horizons[i]);
    const auto& gated = scores[0][i];
    CAPTURE(share(gated.accurate, gated.forecasts), gated.errors / gated.persistence_errors);
    REQUIRE(gated.accurate > scores[1][i].accurate);
    REQUIRE(gated.accurate > scores[2][i].accurate);
    REQUIRE(gated.errors < scores[1][i].errors);
    REQUIRE(gated.errors < scores[2][i].errors);
    REQUIRE(share(gated.covered, gated.forecasts) == Approx(0.80).margin(0.06));
    REQUIRE(share(gated.confident_accurate, gated.confident) >
            share(gated.accurate, gated.forecasts) + 0.04);
  }
  CAPTURE(warnings.warnings, warnings.events, warnings.false_materially, warnings.gradual_missed);
  REQUIRE(warnings.gradual_leads.size() > 20);
  REQUIRE(warnings.warnings > 40);
  REQUIRE(share(warnings.false_materially, warnings.warnings) < 0.15);
  REQUIRE(share(warnings.gradual_missed, warnings.gradual_leads.size()) < 0.1);
}

}  // namespace sqlitemem::tests
