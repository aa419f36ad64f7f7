// The whole forecaster: samples at any time, gaps, odd input, changes of limit and of kind.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "allocators/base/clock.h"
#include "allocators/pressure/pressure_forecaster.h"
#include "tests/support/model.h"

namespace sqlitemem::tests {
namespace {

constexpr std::uint64_t ns_per_ms = 1'000'000;

/// One sample per second, the first at `begin` seconds.
void feed(PressureForecaster& forecaster, const std::vector<double>& usage,
          std::uint64_t begin = 0) {
  for (std::size_t t = 0; t < usage.size(); ++t)
    forecaster.add((begin + t) * ns_per_second, usage[t]);
}

std::vector<double> noisy_climb(std::size_t count, double start, double slope, double noise,
                                std::uint64_t seed) {
  Random random(seed);
  std::vector<double> usage;
  for (std::size_t t = 0; t < count; ++t) {
    usage.push_back(start + slope * static_cast<double>(t) + noise * (random.uniform() - 0.5));
  }
  return usage;
}

/// The same trend, forecasts and intervals.
void require_alike(const ForecastReading& left, const ForecastReading& right) {
  REQUIRE(left.samples == right.samples);
  REQUIRE(left.trend == right.trend);
  REQUIRE(left.slope_per_second == Approx(right.slope_per_second).margin(1e-6));
  REQUIRE(left.is_warning == right.is_warning);
  REQUIRE(left.seconds_to_critical.has_value() == right.seconds_to_critical.has_value());
  for (std::size_t i = 0; i < left.horizons.size(); ++i) {
    REQUIRE(left.horizons[i].predicted == Approx(right.horizons[i].predicted).margin(1e-4));
    REQUIRE(left.horizons[i].low == Approx(right.horizons[i].low).margin(1e-4));
    REQUIRE(left.horizons[i].high == Approx(right.horizons[i].high).margin(1e-4));
    REQUIRE(left.horizons[i].is_confident == right.horizons[i].is_confident);
  }
}

ForecastReading read(const PressureForecaster& forecaster) {
  REQUIRE_FALSE(forecaster.find_violation());
  return forecaster.reading(0).value();
}

}  // namespace

TEST_CASE("Forecaster: says nothing before it knows two seconds", "[forecast]") {
  PressureForecaster forecaster(
      GENERATE(ForecasterKind::gated_trend, ForecasterKind::ols, ForecasterKind::persistence));
  REQUIRE_FALSE(forecaster.reading(0));
  forecaster.add(5 * ns_per_second, 0.4);
  REQUIRE_FALSE(forecaster.reading(5 * ns_per_second));
  forecaster.add(5 * ns_per_second + 300 * ns_per_ms, 0.4);
  REQUIRE_FALSE(forecaster.reading(6 * ns_per_second));
  forecaster.add(6 * ns_per_second, 0.5);
  const ForecastReading reading = forecaster.reading(6 * ns_per_second).value();
  REQUIRE(reading.kind == forecaster.kind());
  REQUIRE(reading.samples == 2);
  REQUIRE(reading.current == 0.5);
  for (std::size_t i = 0; i < reading.horizons.size(); ++i) {
    REQUIRE(reading.horizons[i].horizon_seconds == forecast_horizons[i]);
    REQUIRE(reading.horizons[i].predicted == 0.5);
    REQUIRE_FALSE(reading.horizons[i].is_confident);
    REQUIRE_FALSE(reading.horizons[i].confidence);
  }
}

TEST_CASE("Forecaster: constant usage is forecast with certainty, once that is known",
          "[forecast]") {
  PressureForecaster forecaster;
  feed(forecaster, std::vector<double>(300, 0.6));
  const ForecastReading reading = read(forecaster);
  REQUIRE(reading.trend == Trend::stable);
  REQUIRE(reading.slope_per_second == 0);
  REQUIRE_FALSE(reading.seconds_to_critical);
  REQUIRE_FALSE(reading.r_squared);
  REQUIRE_FALSE(reading.is_warning);
  for (const HorizonForecast& forecast : reading.horizons) {
    REQUIRE(forecast.predicted == Approx(0.6));
    REQUIRE(forecast.high - forecast.low == Approx(0).margin(1e-6));
    REQUIRE(forecast.is_confident);
    REQUIRE(forecast.confidence == 1);
    REQUIRE(forecast.recommended_action == RecommendedAction::monitor);
  }
}

TEST_CASE("Forecaster: a steady climb is seen, warned of once, and over once", "[forecast]") {
  PressureForecaster forecaster;
  // From 0.5 to 0.95 in 225 seconds, a pause, then down again.
  std::vector<double> usage = noisy_climb(225, 0.5, 0.002, 0.002, 1);
  usage.resize(260, 0.95);
  for (int t = 0; t < 300; ++t) usage.push_back(std::max(0.5, 0.95 - 0.003 * t));
  int raised = 0;
  int cleared = 0;
  bool was_on = false;
  double raised_at = 0;
  double advised_at = 0;
  for (std::size_t t = 0; t < usage.size(); ++t) {
    forecaster.add(t * ns_per_second, usage[t]);
    const auto reading = forecaster.reading(t * ns_per_second);
    if (!reading) continue;
    if (reading->is_advisory && advised_at == 0) advised_at = usage[t];
    if (reading->is_warning && !was_on && ++raised == 1) raised_at = usage[t];
    if (!reading->is_warning && was_on) ++cleared;
    was_on = reading->is_warning;
    if (t == 150) {
      REQUIRE(reading->trend == Trend::critical);
      REQUIRE(reading->seconds_to_critical.value() > 50);
      REQUIRE(reading->horizons[2].recommended_action >= RecommendedAction::aggressive_eviction);
    }
  }
  REQUIRE(raised == 1);
  REQUIRE(cleared == 1);
  REQUIRE(raised_at > 0.75);
  REQUIRE(raised_at < 0.78);
  REQUIRE(advised_at < raised_at - 0.05);
}

TEST_CASE("Forecaster: a jump is not taken for a trend", "[forecast]") {
  PressureForecaster gated, ols(ForecasterKind::ols);
  std::vector<double> usage = noisy_climb(60, 0.3, 0, 0.002, 2);
  const std::vector<double> after = noisy_climb(10, 0.5, 0, 0.002, 3);
  usage.insert(usage.end(), after.begin(), after.end());
  feed(gated, usage);
  feed(ols, usage);
  REQUIRE(read(gated).trend == Trend::stable);
  REQUIRE(read(gated).horizons[2].predicted == Approx(0.5).margin(0.01));
  REQUIRE(read(ols).trend == Trend::increasing);
}

TEST_CASE("Forecaster: samples at any time are brought to one a second", "[forecast][property]") {
  Random random(GENERATE(range(1, 6)));
  const auto line = [](std::uint64_t at_ns) {
    return 0.3 + 0.0005 * static_cast<double>(at_ns) / ns_per_second;
  };
  PressureForecaster regular, irregular;
  for (std::uint64_t t = 0; t <= 200; ++t) regular.add(t * ns_per_second, line(t * ns_per_second));
  std::uint64_t now_ns = 0;
  while (now_ns < 200 * ns_per_second) {
    irregular.add(now_ns, line(now_ns));
    // Whole tenths: times are rounded to them.
    now_ns = std::min(200 * ns_per_second, now_ns + random.between(1, 40) * 100 * ns_per_ms);
  }
  irregular.add(200 * ns_per_second, line(200 * ns_per_second));
  const ForecastReading expected = read(regular);
  const ForecastReading reading = read(irregular);
  REQUIRE(reading.samples == expected.samples);
  REQUIRE(reading.slope_per_second == Approx(expected.slope_per_second));
  REQUIRE(reading.horizons[2].predicted == Approx(expected.horizons[2].predicted));
}

TEST_CASE("Forecaster: a timer that is early and late gives one sample a second", "[forecast]") {
  Random random(1);
  PressureForecaster exact, jittery;
  const std::vector<double> usage = noisy_climb(50, 0.4, 0.001, 0.004, 4);
  feed(exact, usage, 1);
  for (std::size_t t = 0; t < usage.size(); ++t) {
    jittery.add((t + 1) * ns_per_second - 45 * ns_per_ms + random.between(0, 90) * ns_per_ms,
                usage[t]);
  }
  require_alike(read(jittery), read(exact));
}

TEST_CASE("Forecaster: of several samples within a second the last one wins", "[forecast]") {
  PressureForecaster forecaster;
  feed(forecaster, std::vector<double>(20, 0.4));
  forecaster.add(19 * ns_per_second + 100 * ns_per_ms, 0.9);
  REQUIRE(read(forecaster).current == 0.9);
  REQUIRE(read(forecaster).samples == 20);  // The second is not over.
  forecaster.add(19 * ns_per_second + 900 * ns_per_ms, 0.4);
  forecaster.add(20 * ns_per_second, 0.4);
  REQUIRE(read(forecaster).horizons[0].predicted == Approx(0.4));
  REQUIRE(read(forecaster).samples == 21);
}

TEST_CASE("Forecaster: a clock that runs back does no harm", "[forecast]") {
  PressureForecaster forecaster;
  feed(forecaster, std::vector<double>(20, 0.4));
  forecaster.add(3 * ns_per_second, 0.5);
  REQUIRE(read(forecaster).current == 0.5);
  REQUIRE(read(forecaster).samples == 20);
  forecaster.add(20 * ns_per_second, 0.4);
  REQUIRE(read(forecaster).samples == 21);
  forecaster.add(std::numeric_limits<std::uint64_t>::max(), 0.4);
  forecaster.add(0, 0.4);
  REQUIRE_FALSE(forecaster.find_violation());
}

TEST_CASE("Forecaster: a gap of ten seconds is filled with a straight line", "[forecast]") {
  PressureForecaster gappy, full;
  const std::vector<double> usage = noisy_climb(40, 0.4, 0, 0.004, 5);
  feed(gappy, usage);
  feed(full, usage);
  gappy.add(49 * ns_per_second, usage.back() + 0.1);
  for (std::uint64_t t = 1; t <= 10; ++t) {
    full.add((39 + t) * ns_per_second, usage.back() + 0.01 * static_cast<double>(t));
  }
  REQUIRE(read(gappy).samples == read(full).samples);
  REQUIRE(read(gappy).slope_per_second == Approx(read(full).slope_per_second));
  REQUIRE(read(gappy).r_squared.value() == Approx(read(full).r_squared.value()));
}

TEST_CASE("Forecaster: after a longer gap the trend starts anew, a warning does not",
          "[forecast]") {
  PressureForecaster forecaster;
  feed(forecaster, noisy_climb(180, 0.5, 0.002, 0.001, 6));
  REQUIRE(read(forecaster).is_warning);
  REQUIRE(read(forecaster).horizons[0].is_confident);
  forecaster.add(190 * ns_per_second + 100 * ns_per_ms, 0.84);
  REQUIRE_FALSE(forecaster.reading(190 * ns_per_second));
  forecaster.add(191 * ns_per_second + 100 * ns_per_ms, 0.84);
  const ForecastReading reading = read(forecaster);
  REQUIRE(reading.samples == 2);
  REQUIRE(reading.slope_per_second == 0);
  REQUIRE(reading.is_warning);
  REQUIRE(reading.horizons[0].is_confident);  // Its errors are as they were.
}

TEST_CASE("Forecaster: no forecast is judged by what a gap hides", "[forecast]") {
  PressureForecaster forecaster;
  SECTION("by values made up") {
    for (std::uint64_t t = 0; t <= 120; t += 5) forecaster.add(t * ns_per_second, 0.4);
    REQUIRE_FALSE(read(forecaster).horizons[0].is_confident);  // 19 were judged, at 30, 35, …
    forecaster.add(125 * ns_per_second, 0.4);
    forecaster.add(130 * ns_per_second, 0.4);
    REQUIRE(read(forecaster).horizons[0].is_confident);
  }
  SECTION("by values of another time") {
    feed(forecaster, std::vector<double>(49, 0.4));  // 19 were judged.
    feed(forecaster, std::vector<double>(30, 0.4), 100);
    REQUIRE_FALSE(read(forecaster).horizons[0].is_confident);
    feed(forecaster, {0.4}, 130);
    REQUIRE(read(forecaster).horizons[0].is_confident);
  }
}

TEST_CASE("Forecaster: what is no usage is ignored, negative is nothing", "[forecast]") {
  PressureForecaster clean, soiled;
  const std::vector<double> usage = noisy_climb(30, 0.4, 0.001, 0.002, 7);
  for (std::size_t t = 0; t < usage.size(); ++t) {
    clean.add(t * ns_per_second, usage[t]);
    soiled.add(t * ns_per_second, std::numeric_limits<double>::quiet_NaN());
    soiled.add(t * ns_per_second, std::numeric_limits<double>::infinity());
    soiled.add(t * ns_per_second, -std::numeric_limits<double>::infinity());
    soiled.add(t * ns_per_second, usage[t]);
  }
  require_alike(read(soiled), read(clean));
  PressureForecaster negative;
  feed(negative, std::vector<double>(30, -3.0));
  REQUIRE(read(negative).current == 0);
  REQUIRE(read(negative).horizons[0].predicted == 0);
  REQUIRE(read(negative).horizons[0].low == 0);
  PressureForecaster huge;
  feed(huge, std::vector<double>(30, std::numeric_limits<double>::max()));
  REQUIRE(read(huge).current == 1000);
  REQUIRE(read(huge).trend == Trend::critical);
  REQUIRE(read(huge).horizons[0].recommended_action == RecommendedAction::emergency_cleanup);
}

TEST_CASE("Forecaster: a reading without a sample for three seconds is stale", "[forecast]") {
  PressureForecaster forecaster;
  feed(forecaster, {0.4, 0.4, 0.4});
  REQUIRE_FALSE(forecaster.reading(5 * ns_per_second)->is_stale);
  REQUIRE(forecaster.reading(5 * ns_per_second + 1)->is_stale);
  REQUIRE_FALSE(forecaster.reading(0)->is_stale);
}

TEST_CASE("Forecaster: another limit is as if it had always been the limit", "[forecast]") {
  const auto kind =
      GENERATE(ForecasterKind::gated_trend, ForecasterKind::ols, ForecasterKind::persistence);
  const std::vector<double> before = noisy_climb(150, 0.3, 0.001, 0.002, 8);
  const std::vector<double> after = noisy_climb(30, 0.36, 0.0008, 0.002, 9);
  PressureForecaster changed(kind), always(kind);
  feed(changed, before);
  changed.rescale(0.8);
  for (std::size_t t = 0; t < before.size(); ++t) always.add(t * ns_per_second, 0.8 * before[t]);
  REQUIRE(read(changed).current == Approx(0.8 * before.back()));
  require_alike(read(changed), read(always));
  feed(changed, after, before.size());
  feed(always, after, before.size());
  require_alike(read(changed), read(always));
}

TEST_CASE("Forecaster: factors that are none are ignored, enormous ones start anew", "[forecast]") {
  PressureForecaster forecaster;
  forecaster.rescale(0.5);  // Of nothing.
  feed(forecaster, noisy_climb(100, 0.3, 0.001, 0.002, 10));
  const ForecastReading before = read(forecaster);
  for (const double factor : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN()}) {
    forecaster.rescale(factor);
    require_alike(read(forecaster), before);
  }
  for (int i = 0; i < 3; ++i) forecaster.rescale(1000);
  REQUIRE_FALSE(forecaster.reading(100 * ns_per_second));
  REQUIRE(forecaster.kind() == ForecasterKind::gated_trend);
}

TEST_CASE("Forecaster: another kind starts with the last minute and with its own errors",
          "[forecast]") {
  PressureForecaster forecaster(ForecasterKind::ols), fresh;
  const std::vector<double> usage = noisy_climb(200, 0.3, 0.001, 0.002, 11);
  feed(forecaster, usage);
  REQUIRE(read(forecaster).horizons[0].is_confident);
  forecaster.set_kind(ForecasterKind::gated_trend);
  feed(fresh, {usage.end() - 60, usage.end()});
  const ForecastReading reading = read(forecaster);
  REQUIRE(reading.kind == ForecasterKind::gated_trend);
  REQUIRE(reading.slope_per_second == Approx(read(fresh).slope_per_second));
  REQUIRE_FALSE(reading.horizons[0].is_confident);
  forecaster.set_kind(ForecasterKind::gated_trend);
  require_alike(read(forecaster), reading);
  PressureForecaster empty;
  empty.set_kind(ForecasterKind::persistence);
  REQUIRE(empty.kind() == ForecasterKind::persistence);
  REQUIRE_FALSE(empty.reading(0));
}

TEST_CASE("Forecaster: a short history is all that a trend rests on", "[forecast]") {
  const std::size_t history = GENERATE(1, 10, 25, 3600);
  PressureForecaster forecaster(ForecasterKind::ols, history);
  feed(forecaster, noisy_climb(100, 0.3, 0.001, 0.002, 12));
  REQUIRE(read(forecaster).samples ==
          std::min<std::size_t>(60, std::max<std::size_t>(10, history)));
}

TEST_CASE("Forecaster: is small", "[forecast]") { REQUIRE(sizeof(PressureForecaster) < 9 * 1024); }

}  // namespace sqlitemem::tests
