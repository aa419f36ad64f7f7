// What is learnt from forecasts that turned out: intervals, confidence, skill; and warnings.
#include <algorithm>
#include <cmath>
#include <deque>
#include <vector>

#include "allocators/pressure/forecast_errors.h"
#include "allocators/pressure/forecast_ledger.h"
#include "allocators/pressure/forecast_warning.h"
#include "tests/support/model.h"

namespace sqlitemem {

struct RecentErrorsTestAccess {
  static void swap_first_two(RecentErrors& errors) {
    std::swap(errors.by_size_[0], errors.by_size_[1]);
  }
  static void list_twice(RecentErrors& errors) { errors.by_size_[1] = errors.by_size_[0]; }
  static void list_unknown(RecentErrors& errors) { errors.by_size_[0] = errors.size_; }
};

}  // namespace sqlitemem

namespace sqlitemem::tests {
namespace {

/// The plain way: keep the last 240, sort them all, take the one at the rank.
class PlainQuantile {
 public:
  void add(double error) {
    errors_.push_back(static_cast<float>(error));
    if (errors_.size() > 240) errors_.pop_front();
  }
  [[nodiscard]] std::optional<double> half_width() const {
    if (errors_.size() < 20) return std::nullopt;
    std::vector<float> sorted(errors_.begin(), errors_.end());
    std::sort(sorted.begin(), sorted.end());
    std::size_t rank = 1;  // The first that at least 0.85 of all and one more are not above.
    while (static_cast<double>(rank) < 0.85 * static_cast<double>(sorted.size() + 1)) ++rank;
    return sorted[std::min(rank, sorted.size()) - 1];
  }

 private:
  std::deque<float> errors_;
};

}  // namespace

TEST_CASE("Forecast errors: the interval is that of a plain model", "[forecast][property]") {
  Random random(GENERATE(range(1, 6)));
  RecentErrors errors;
  PlainQuantile plain;
  for (int i = 0; i < 1000; ++i) {
    // Every third error is one of a few values, so that many are equal.
    const double error =
        i % 3 == 0 ? static_cast<double>(random.below(4)) / 100 : random.uniform() * 0.1;
    errors.add(error);
    plain.add(error);
    REQUIRE(errors.half_width() == plain.half_width());
    REQUIRE_FALSE(errors.find_violation());
  }
  REQUIRE(errors.size() == 240);
  const double before = errors.half_width().value();
  errors.rescale(0.5);
  REQUIRE(errors.half_width().value() == Approx(before / 2));
  errors.clear();
  REQUIRE_FALSE(errors.half_width());
}

TEST_CASE("Forecast errors: broken books are found", "[forecast]") {
  RecentErrors errors;
  for (const double error : {0.1, 0.2, 0.3}) errors.add(error);
  REQUIRE_FALSE(errors.find_violation());
  RecentErrors broken = errors;
  RecentErrorsTestAccess::swap_first_two(broken);
  REQUIRE(broken.find_violation()->rule == "errors are in ascending order");
  broken = errors;
  RecentErrorsTestAccess::list_twice(broken);
  REQUIRE(broken.find_violation()->rule == "an error is listed once");
  broken = errors;
  RecentErrorsTestAccess::list_unknown(broken);
  REQUIRE(broken.find_violation()->rule == "an index is of an error");
}

TEST_CASE("Forecast errors: confidence is the share that was accurate with such an interval",
          "[forecast]") {
  AccuracyByWidth accuracy;
  for (int i = 0; i < 29; ++i) accuracy.add(0.04, i % 10 != 0);  // 26 of 29.
  REQUIRE_FALSE(accuracy.share(0.04));
  accuracy.add(0.04, false);
  REQUIRE(accuracy.share(0.04).value() == Approx(26.0 / 30));
  REQUIRE(accuracy.share(0.036) == accuracy.share(0.04));  // The same width, more or less.
  REQUIRE_FALSE(accuracy.share(0.051));
  REQUIRE_FALSE(accuracy.share(5));
  for (int i = 0; i < 3000; ++i) accuracy.add(0.04, true);
  REQUIRE(accuracy.share(0.04).value() > 0.99);  // The past fades.
  accuracy.clear();
  REQUIRE_FALSE(accuracy.share(0.04));
}

TEST_CASE("Forecast errors: skill is against persistence, and trust follows", "[forecast]") {
  SkillMeter meter(0.1);
  REQUIRE(meter.skill() == 0);
  REQUIRE(meter.trust() == 1);
  meter.add(0.01, 0.04);
  REQUIRE(meter.skill() == Approx(0.75));
  REQUIRE(meter.trust() == 1);
  meter.add(0.09, 0.0);  // Now 0.009 + 0.0009 and 0.0036, before the common weight of 0.1.
  REQUIRE(meter.skill() == Approx(1 - 0.0099 / 0.0036));
  const double squares = 0.0036 * 0.0036;
  REQUIRE(meter.trust() == Approx(2 * squares / (squares + 0.0099 * 0.0099)));
  const double skill = meter.skill();
  meter.rescale(7);
  REQUIRE(meter.skill() == Approx(skill));
  meter.clear();
  meter.add(0.01, 0);  // Persistence makes no error at all: no trend can do better.
  REQUIRE(meter.skill() == 0);
  REQUIRE(meter.trust() == 0);
}

TEST_CASE("Forecast ledger: errors are judged when their time has come", "[forecast]") {
  ForecastLedger ledger;
  const TrendLine line{.level = 0.5, .slope = 0.001};
  for (int second = 0; second < 49; ++second) {
    ledger.judge(0.51, true);
    for (std::size_t i = 0; i < ForecastLedger::horizon_count; ++i) {
      const HorizonForecast forecast = ledger.forecast(i, line, 0.51, false);
      ledger.keep(i, line, 0.51, forecast);
      // 0.01 + 0.0012 per second, until 20 forecasts have been judged.
      REQUIRE(forecast.high - forecast.predicted == Approx(0.01 + 0.0012 * forecast_horizons[i]));
      REQUIRE_FALSE(forecast.is_confident);
    }
    ledger.advance();
  }
  ledger.judge(0.51, true);
  const HorizonForecast soon = ledger.forecast(0, line, 0.51, false);
  REQUIRE(soon.predicted == Approx(0.53));
  REQUIRE(soon.low == Approx(0.51));
  REQUIRE(soon.high == Approx(0.55));
  REQUIRE(soon.is_confident);
  REQUIRE_FALSE(soon.confidence);  // The first with this width is yet to be judged.
  REQUIRE_FALSE(ledger.forecast(1, line, 0.51, false).is_confident);
  // Persistence was always right. A line that yields, yields.
  REQUIRE(ledger.forecast(0, line, 0.51, true).predicted == Approx(0.51));
  REQUIRE_FALSE(ledger.find_violation());
  ledger.clear();
  REQUIRE(ledger.forecast(0, line, 0.51, true).predicted == Approx(0.53));
}

TEST_CASE("Forecast ledger: with another limit 5 points are others", "[forecast]") {
  ForecastLedger ledger;
  const TrendLine line{.level = 0.5};
  for (int second = 0; second < 120; ++second) {
    ledger.judge(0.53, true);
    ledger.keep(0, line, 0.5, ledger.forecast(0, line, 0.5, false));
    ledger.advance();
  }
  const HorizonForecast before = ledger.forecast(0, line, 0.5, false);
  REQUIRE(before.high == Approx(0.53));
  REQUIRE(before.is_confident);
  REQUIRE(before.confidence == 1);
  ledger.rescale(2);
  const HorizonForecast after = ledger.forecast(0, line, 0.5, false);
  REQUIRE(after.high == Approx(0.56));
  REQUIRE_FALSE(after.is_confident);
  ledger.rescale(0.5);
  REQUIRE_FALSE(ledger.forecast(0, line, 0.5, false).confidence);
}

TEST_CASE("Forecast ledger: what was made up, and what was open at a gap, is not judged",
          "[forecast]") {
  const bool is_measured = GENERATE(true, false);
  ForecastLedger ledger;
  const TrendLine line{.level = 0.5};
  for (int second = 0; second < 60; ++second) {
    if (second == 30 && is_measured) ledger.forget_open();
    ledger.judge(0.5, is_measured && second < 60);
    for (std::size_t i = 0; i < ForecastLedger::horizon_count; ++i) {
      ledger.keep(i, line, 0.5, ledger.forecast(i, line, 0.5, false));
    }
    ledger.advance();
  }
  REQUIRE_FALSE(ledger.forecast(0, line, 0.5, false).is_confident);
}

TEST_CASE("Forecast ledger: intervals hold as many values as they say", "[forecast][property]") {
  Random random(GENERATE(range(1, 5)));
  ForecastLedger ledger;
  std::vector<double> usage;
  std::vector<HorizonForecast> made;
  for (std::size_t t = 0; t < 3000; ++t) {
    usage.push_back(0.5 + 0.1 * (random.uniform() + random.uniform() - 1));
    const TrendLine line{.level = 0.5};
    ledger.judge(usage.back(), true);
    made.push_back(ledger.forecast(1, line, usage.back(), false));
    ledger.keep(1, line, usage.back(), made.back());
    ledger.advance();
  }
  // The distance of such a value from 0.5 is below 0.0613 in 85 % of all cases.
  REQUIRE(made.back().high - made.back().predicted == Approx(0.0613).epsilon(0.15));
  double held = 0;
  double accurate = 0;
  double said = 0;
  for (std::size_t t = 500; t + 60 < usage.size(); ++t) {
    held += usage[t + 60] >= made[t].low && usage[t + 60] <= made[t].high ? 1 : 0;
    accurate += std::abs(usage[t + 60] - made[t].predicted) <= 0.05 ? 1 : 0;
    said += made[t].confidence.value_or(0);
  }
  REQUIRE(held / 2440 == Approx(0.85).margin(0.03));
  REQUIRE(said / 2440 == Approx(accurate / 2440).margin(0.03));
}

TEST_CASE("Forecast: the recommended action follows the level", "[forecast]") {
  REQUIRE(recommended_action_at(0.799) == RecommendedAction::monitor);
  REQUIRE(recommended_action_at(0.80) == RecommendedAction::gentle_eviction);
  REQUIRE(recommended_action_at(0.90) == RecommendedAction::aggressive_eviction);
  REQUIRE(recommended_action_at(0.95) == RecommendedAction::emergency_cleanup);
}

namespace {

constexpr double skilled = 0.5;

/// A trend that is critical in `seconds` without any damping, and hardly later with it.
TrendLine critical_in(double seconds, double level) {
  const double slope = (0.9 - level) / seconds;
  return {.level = level, .slope = slope, .fitted_slope = slope, .is_significant = true};
}

}  // namespace

TEST_CASE("Forecast warning: three alarms among five samples raise it", "[forecast]") {
  PressureWarning warning(warning_rule);
  const TrendLine line = critical_in(50, 0.76);
  const TrendLine none{.level = 0.76};
  for (const bool is_alarming : {true, true, false, false, true}) {
    REQUIRE_FALSE(warning.is_on());
    warning.update(0.76, is_alarming ? line : none, skilled);
  }
  REQUIRE(warning.is_on());
}

TEST_CASE("Forecast warning: a trend warns when it is near, certain, armed and skilful",
          "[forecast]") {
  const auto is_raised = [](const WarningRule& rule, double usage, const TrendLine& line,
                            double skill) {
    PressureWarning warning(rule);
    for (int i = 0; i < 5; ++i) warning.update(usage, line, skill);
    return warning.is_on();
  };
  TrendLine line = critical_in(60, 0.76);
  REQUIRE(is_raised(warning_rule, 0.76, line, skilled));
  REQUIRE_FALSE(is_raised(warning_rule, 0.749, line, skilled));
  REQUIRE(is_raised(advisory_rule, 0.66, critical_in(60, 0.66), skilled));
  REQUIRE_FALSE(is_raised(advisory_rule, 0.649, critical_in(60, 0.649), skilled));
  REQUIRE_FALSE(is_raised(warning_rule, 0.76, line, 0.09));
  // Damped by 120 seconds, 60 become 83 and 70 become 105.
  REQUIRE_FALSE(is_raised(warning_rule, 0.76, critical_in(70, 0.76), skilled));
  REQUIRE(is_raised(advisory_rule, 0.76, critical_in(99, 0.76), skilled));
  REQUIRE_FALSE(is_raised(advisory_rule, 0.76, critical_in(101, 0.76), skilled));
  line.slope_error = line.slope / 20;  // Three errors less: 60 / 0.85 seconds.
  REQUIRE_FALSE(is_raised(warning_rule, 0.76, line, skilled));
  // The level needs no trend.
  const TrendLine none{.level = 0.85};
  REQUIRE(is_raised(warning_rule, 0.85, none, 0));
  REQUIRE_FALSE(is_raised(warning_rule, 0.849, none, 0));
  PressureWarning at_once(warning_rule);
  at_once.update(0.87, none, 0);
  REQUIRE(at_once.is_on());
}

TEST_CASE("Forecast warning: it ends after ten quiet samples, well below", "[forecast]") {
  PressureWarning warning(warning_rule);
  warning.update(0.88, TrendLine{.level = 0.88}, 0);
  REQUIRE(warning.is_on());
  SECTION("not above 0.81") {
    for (int i = 0; i < 100; ++i) warning.update(0.82, TrendLine{.level = 0.82}, 0);
    REQUIRE(warning.is_on());
    warning.update(0.80, TrendLine{.level = 0.80}, 0);
    REQUIRE_FALSE(warning.is_on());
  }
  SECTION("not before the tenth") {
    for (int i = 0; i < 9; ++i) warning.update(0.5, TrendLine{.level = 0.5}, 0);
    REQUIRE(warning.is_on());
    warning.update(0.5, TrendLine{.level = 0.5}, 0);
    REQUIRE_FALSE(warning.is_on());
  }
  SECTION("not while something critical is in sight") {
    for (int i = 0; i < 100; ++i) warning.update(0.71, critical_in(80, 0.71), skilled);
    REQUIRE(warning.is_on());
    warning.update(0.69, critical_in(80, 0.69), skilled);
    REQUIRE_FALSE(warning.is_on());
  }
}

}  // namespace sqlitemem::tests
