// The line through the last minute, and what each step of the default forecaster makes of it.
#include <cmath>
#include <limits>
#include <vector>

#include "allocators/pressure/forecasters.h"
#include "allocators/pressure/pressure_forecaster.h"
#include "tests/support/model.h"

namespace sqlitemem::tests {
namespace {

constexpr double unlimited = std::numeric_limits<double>::infinity();

/// Least squares from all pairs of samples, in another order and another way than the library's.
struct PlainFit {
  explicit PlainFit(const std::vector<double>& x) {
    const auto n = static_cast<long double>(x.size());
    long double rises = 0, runs = 0, sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum += x[i];
      for (std::size_t j = i + 1; j < x.size(); ++j) {
        const auto run = static_cast<long double>(j - i);
        rises += run * (x[j] - x[i]);
        runs += run * run;
      }
    }
    const long double b = rises / runs;
    const long double start = sum / n - b * (n - 1) / 2;
    std::vector<long double> residuals;
    for (std::size_t i = 0; i < x.size(); ++i) {
      residuals.push_back(x[i] - start - b * static_cast<long double>(i));
    }
    long double squares = 0, neighbours = 0, total = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      squares += residuals[i] * residuals[i];
      if (i > 0) neighbours += residuals[i] * residuals[i - 1];
      total += (x[i] - sum / n) * (x[i] - sum / n);
    }
    slope = static_cast<double>(b);
    at_end = static_cast<double>(start + b * (n - 1));
    // The squares of all distances in time between pairs are n times those about the mean.
    slope_error = static_cast<double>(std::sqrt(squares / (n - 2) / (runs / n)));
    autocorrelation = static_cast<double>(std::min(std::max(neighbours / squares, 0.0L), 0.97L));
    r_squared = static_cast<double>(1 - squares / total);
  }
  [[nodiscard]] double honest_error() const {
    return slope_error * std::sqrt((1 + autocorrelation) / (1 - autocorrelation)) + 1e-6;
  }
  double slope, at_end, slope_error, autocorrelation, r_squared;
};

template <class T>
TrendLine feed(T& forecaster, const std::vector<double>& usage) {
  TrendLine line;
  for (const double sample : usage) line = forecaster.add(sample);
  return line;
}

/// start + slope * t + (-1)^t * zigzag: residuals that are not correlated with their neighbours.
std::vector<double> zigzag_line(std::size_t count, double start, double slope, double zigzag) {
  std::vector<double> usage;
  for (std::size_t t = 0; t < count; ++t) {
    usage.push_back(start + slope * static_cast<double>(t) + (t % 2 == 0 ? zigzag : -zigzag));
  }
  return usage;
}

}  // namespace

TEST_CASE("Forecast fit: agrees with least squares computed another way", "[forecast][property]") {
  Random random(GENERATE(range(1, 21)));
  const std::size_t count = random.between(3, 60);
  const double wander = random.uniform() * 0.02;
  std::vector<double> usage{random.uniform()};
  while (usage.size() < count) {
    usage.push_back(usage.back() + wander * (random.uniform() - 0.4));
  }
  CAPTURE(count, wander);
  const LineFit fit = fit_line(usage);
  const PlainFit plain(usage);
  REQUIRE(fit.slope == Approx(plain.slope).margin(1e-12));
  REQUIRE(fit.at_end == Approx(plain.at_end));
  REQUIRE(fit.slope_error == Approx(plain.slope_error).margin(1e-9));
  REQUIRE(fit.autocorrelation == Approx(plain.autocorrelation).margin(1e-6));
  REQUIRE(fit.r_squared.value() == Approx(plain.r_squared).margin(1e-6));
}

TEST_CASE("Forecast fit: too few samples have no slope, equal ones no r squared", "[forecast]") {
  REQUIRE(fit_line({}).at_end == 0);
  const std::vector<double> two = {0.2, 0.4};
  REQUIRE(fit_line(two).slope == 0);
  REQUIRE(fit_line(two).at_end == 0.4);
  const LineFit flat = fit_line(std::vector<double>(10, 0.5));
  REQUIRE(flat.slope == 0);
  REQUIRE_FALSE(flat.r_squared);
  REQUIRE(mean_step({}) == 0);
  REQUIRE(mean_step(std::vector<double>{0.1, 0.3, 0.2}) == Approx(0.15));
}

TEST_CASE("Forecast: OLS prolongs the straight line through the last minute", "[forecast]") {
  OrdinaryLeastSquares forecaster(60);
  std::vector<double> usage(100, 0.9);  // Long gone when the minute is over.
  const std::vector<double> minute = zigzag_line(60, 0.2, 0.001, 0.004);
  usage.insert(usage.end(), minute.begin(), minute.end());
  const TrendLine line = feed(forecaster, usage);
  const PlainFit plain(minute);
  REQUIRE(line.samples == 60);
  REQUIRE(line.slope == Approx(plain.slope));
  REQUIRE(line.at(120) == Approx(plain.at_end + 120 * plain.slope));
  REQUIRE(line.is_significant);
}

TEST_CASE("Forecast: below eight samples every forecaster says that nothing changes",
          "[forecast]") {
  GatedTrend gated(60);
  OrdinaryLeastSquares ols(60);
  for (int t = 0; t < 7; ++t) {
    const double usage = 0.1 + 0.01 * t;
    for (const TrendLine& line : {gated.add(usage), ols.add(usage)}) {
      REQUIRE(line.at(60) == usage);
      REQUIRE_FALSE(line.is_significant);
    }
  }
  REQUIRE(gated.add(0.17).slope == Approx(0.01).epsilon(0.001));
  REQUIRE(ols.add(0.17).slope == Approx(0.01));
}

TEST_CASE("Forecast: a jump is spliced out and the slope is kept", "[forecast]") {
  GatedTrend forecaster(60);
  feed(forecaster, zigzag_line(30, 0.2, 0.001, 0));
  // The mean step is 0.001, so that 0.015 is what counts.
  SECTION("above the threshold") {
    const TrendLine line = forecaster.add(0.229 + 0.2);
    const auto samples = forecaster.window().all();
    REQUIRE(samples.size() == 31);
    REQUIRE(samples[0] == Approx(0.4));
    REQUIRE(samples[29] == Approx(samples[30]));
    REQUIRE(line.slope == Approx(0.001).epsilon(0.05));
    REQUIRE(line.level == Approx(0.429).epsilon(0.01));
  }
  SECTION("a fall likewise") {
    REQUIRE(forecaster.add(0.229 - 0.1).slope == Approx(0.001).epsilon(0.05));
    REQUIRE(forecaster.window().all()[0] == Approx(0.1));
  }
  SECTION("just above the threshold") {
    forecaster.add(0.229 + 0.0151);
    REQUIRE(forecaster.window().all()[0] == Approx(0.2151));
  }
  SECTION("below the threshold") {
    forecaster.add(0.229 + 0.0149);
    REQUIRE(forecaster.window().all()[0] == Approx(0.2));
  }
}

TEST_CASE("Forecast: what is a jump depends on the steps that are usual", "[forecast]") {
  GatedTrend forecaster(60);
  feed(forecaster, zigzag_line(30, 0.5, 0, 0.002));  // Steps of 0.004: six are 0.024.
  const double last = forecaster.window().newest();
  SECTION("23 thousandths are none") {
    forecaster.add(last + 0.023);
    REQUIRE(forecaster.window().all()[0] == Approx(0.502));
  }
  SECTION("25 are one") {
    forecaster.add(last + 0.025);
    REQUIRE(forecaster.window().all()[0] == Approx(0.527));
  }
}

TEST_CASE("Forecast: only the last twenty steps say what is usual", "[forecast]") {
  GatedTrend forecaster(60);
  feed(forecaster, zigzag_line(20, 0.5, 0, 0.003));
  feed(forecaster, zigzag_line(21, 0.5, 0, 0.0005));  // Twenty steps of 0.001.
  forecaster.add(forecaster.window().newest() + 0.016);
  REQUIRE(forecaster.window().all()[0] == Approx(0.519));
}

TEST_CASE("Forecast: a slope's error counts the autocorrelation of the residuals", "[forecast]") {
  GatedTrend forecaster(30);
  std::vector<double> usage(30);
  for (int t = 0; t < 30; ++t) usage[t] = 0.5 + 0.001 * t + 0.003 * std::sin(t / 3.0);
  const TrendLine line = feed(forecaster, usage);
  const PlainFit plain(usage);
  REQUIRE(plain.autocorrelation > 0.8);
  REQUIRE(line.slope_error == Approx(plain.honest_error()));
  REQUIRE(line.slope_error > 3 * plain.slope_error);
  REQUIRE(line.r_squared.value() == Approx(plain.r_squared));
}

TEST_CASE("Forecast: the slope shrinks with its uncertainty", "[forecast]") {
  GatedTrend forecaster(30);
  // Of slopes: ten errors, four, two. Steps stay below what is a jump.
  const double slope = GENERATE(0.0012, 0.0006, 0.0003);
  const std::vector<double> usage = zigzag_line(30, 0.4, slope, 0.005);
  const TrendLine line = feed(forecaster, usage);
  const PlainFit plain(usage);
  const double errors = plain.slope / plain.honest_error();
  CAPTURE(slope, errors);
  REQUIRE(plain.autocorrelation == 0);
  REQUIRE(line.fitted_slope == Approx(plain.slope));
  if (slope > 0.0005) {
    REQUIRE(errors > 3);
    REQUIRE(line.is_significant);
    REQUIRE(line.slope == Approx(plain.slope * (1 - 9 / (errors * errors))));
    REQUIRE(line.level == Approx((plain.at_end + usage.back()) / 2));
    REQUIRE(line.at(120) == Approx(line.level + line.slope * 120 * (1 - std::exp(-1.0))));
  } else {
    REQUIRE(errors < 3);
    REQUIRE_FALSE(line.is_significant);
    REQUIRE(line.slope == 0);
    REQUIRE(line.level == Approx(0.3 * plain.at_end + 0.7 * usage.back()));
  }
}

TEST_CASE("Forecast: when the slope changes, the samples before are dropped", "[forecast]") {
  GatedTrend forecaster(60);
  feed(forecaster, zigzag_line(40, 0.5, 0, 0.0005));
  REQUIRE(forecaster.window().size() == 40);
  std::vector<double> climb = zigzag_line(15, 0.5, 0.002, 0.0005);
  std::size_t shortest = 60;
  TrendLine line;
  for (const double usage : climb) {
    line = forecaster.add(usage);
    shortest = std::min(shortest, line.samples);
  }
  REQUIRE(shortest == 15);
  line = feed(forecaster, zigzag_line(15, 0.53, 0.002, 0.0005));
  REQUIRE(line.slope == Approx(0.002).epsilon(0.02));
}

TEST_CASE("Forecast: up to thirty samples are not searched for a change of slope", "[forecast]") {
  GatedTrend forecaster(30);
  feed(forecaster, zigzag_line(40, 0.5, 0, 0.0005));
  for (const double usage : zigzag_line(15, 0.5, 0.002, 0.0005)) {
    REQUIRE(forecaster.add(usage).samples == 30);
  }
}

TEST_CASE("Forecast: growth is damped, and none is negative or above the cap", "[forecast]") {
  TrendLine line{.level = 0.6, .slope = 0.001, .damping_seconds = 120};
  // 120 (1 - e^-0.25), e^-0.5, e^-1.
  REQUIRE(line.at(30) == Approx(0.6 + 0.026543906));
  REQUIRE(line.at(60) == Approx(0.6 + 0.047216321));
  REQUIRE(line.at(120) == Approx(0.6 + 0.075854467));
  line.cap = 0.65;
  REQUIRE(line.at(60) == Approx(0.647216321));
  REQUIRE(line.at(120) == 0.65);
  line.slope = -0.1;
  REQUIRE(line.at(60) == 0);
}

TEST_CASE("Forecast: the time to critical follows the damped line", "[forecast]") {
  TrendLine line{.level = 0.8, .slope = 0.002, .damping_seconds = 120};
  REQUIRE(line.seconds_to_critical().value() == Approx(-120 * std::log(1 - 50.0 / 120)));
  REQUIRE(line.at(*line.seconds_to_critical()) == Approx(0.9));
  REQUIRE(line.seconds_to(0.9, 0.002, 0).value() == Approx(50));
  line.slope = 0.0999 / 120;  // Growth stops just there.
  REQUIRE_FALSE(line.seconds_to_critical());
  line.slope = -0.1;
  REQUIRE_FALSE(line.seconds_to_critical());
  line.slope = 0.002;
  line.cap = 0.89;
  REQUIRE_FALSE(line.seconds_to_critical());
  line.level = 0.9;
  REQUIRE(line.seconds_to_critical() == 0);
}

TEST_CASE("Forecast: two peaks alike cap a saw-tooth", "[forecast]") {
  PeakMemory peaks;
  const auto tooth = [&peaks](double peak) {
    for (int step = 0; step < 10; ++step) peaks.add(0.4 + (peak - 0.4) * step / 10);
    peaks.add(peak);
    for (int step = 1; step < 4; ++step) peaks.add(peak - (peak - 0.4) * step / 4);
    peaks.add(0.4);
  };
  tooth(0.8);
  REQUIRE(peaks.cap(0.4) == unlimited);  // One peak is none.
  tooth(0.82);
  REQUIRE(peaks.cap(0.4) == Approx(0.82 + 0.02 + 0.015));  // It may climb on like this.
  REQUIRE(peaks.cap(0.83) == Approx(0.855));
  REQUIRE(peaks.cap(0.831) == unlimited);  // It is above its peaks: they say nothing any more.
  tooth(0.80);
  REQUIRE(peaks.cap(0.4) == Approx(0.82 + 0.015));
  peaks.rescale(0.5);
  REQUIRE(peaks.cap(0.2) == Approx(0.41 + 0.015));
  tooth(0.9);
  REQUIRE(peaks.cap(0.4) == unlimited);  // 0.9 and 0.4 are not alike.
}

TEST_CASE("Forecast: a fall in several steps is one peak", "[forecast]") {
  PeakMemory peaks;
  for (const double usage : {0.3, 0.8, 0.7, 0.6, 0.5, 0.4, 0.42, 0.41}) peaks.add(usage);
  REQUIRE(peaks.cap(0.4) == unlimited);
  for (const double usage : {0.46, 0.79, 0.735}) peaks.add(usage);
  REQUIRE(peaks.cap(0.7) == Approx(0.815));
}

TEST_CASE("Forecast: the trend is critical by its time or by its level", "[forecast]") {
  TrendLine line{.level = 0.5, .slope = 0.001, .damping_seconds = 120, .is_significant = true};
  REQUIRE(trend_of(line, 0.5) == Trend::increasing);
  REQUIRE(trend_of(line, 0.9) == Trend::critical);
  line.level = 0.83;  // 0.90 in 105 seconds.
  REQUIRE(trend_of(line, 0.83) == Trend::critical);
  line.level = 0.82;  // In 132.
  REQUIRE(trend_of(line, 0.82) == Trend::increasing);
  line.slope = -0.001;
  REQUIRE(trend_of(line, 0.82) == Trend::decreasing);
  line.is_significant = false;
  REQUIRE(trend_of(line, 0.82) == Trend::stable);
}

TEST_CASE("Forecast: a slow leak is a trend, a noisy plateau is none", "[forecast]") {
  Random random(1);
  GatedTrend leak(60), plateau(60);
  TrendLine of_leak, of_plateau;
  for (int t = 0; t < 60; ++t) {
    const double noise = 0.002 * (random.uniform() - 0.5);
    of_leak = leak.add(0.5 + 0.0003 * t + noise);
    of_plateau = plateau.add(0.5 + noise);
  }
  REQUIRE(trend_of(of_leak, 0.518) == Trend::increasing);
  REQUIRE(trend_of(of_plateau, 0.5) == Trend::stable);
}

}  // namespace sqlitemem::tests
