// Runs a forecaster over a series and counts.
#include "bench/forecast/score.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace sqlitemem::bench {

std::vector<ForecastReading> run_forecaster(ForecasterKind kind, std::span<const double> usage) {
  PressureForecaster forecaster(kind);
  std::vector<ForecastReading> readings;
  readings.reserve(usage.size());
  std::uint64_t now_ns = 0;
  for (const double sample : usage) {
    forecaster.add(now_ns, sample);
    readings.push_back(forecaster.reading(now_ns).value_or(ForecastReading()));
    now_ns += 1'000'000'000;
  }
  return readings;
}

namespace {

std::vector<bool> run_plain_rule(std::span<const ForecastReading> readings) {
  constexpr double warned_seconds = 120;
  std::vector<bool> is_on;
  unsigned recent = 0;
  unsigned quiet = 0;
  for (const ForecastReading& reading : readings) {
    const bool is_near = reading.seconds_to_critical.value_or(1e9) <= warned_seconds;
    recent = (recent * 2 + (is_near ? 1 : 0)) % 32;
    quiet = is_near ? 0 : quiet + 1;
    const bool was_on = !is_on.empty() && is_on.back();
    is_on.push_back(was_on ? quiet < 10 : std::popcount(recent) >= 3);
  }
  return is_on;
}

}  // namespace

std::vector<bool> run_alarm(Alarm alarm, std::span<const double> usage,
                            std::span<const ForecastReading> readings) {
  if (alarm == Alarm::plain_time_to_critical) return run_plain_rule(readings);
  std::vector<bool> is_on;
  for (std::size_t t = 0; t < usage.size(); ++t) {
    if (alarm == Alarm::level_80) is_on.push_back(usage[t] >= 0.80);
    if (alarm == Alarm::warning) is_on.push_back(readings[t].is_warning);
    if (alarm == Alarm::advisory) is_on.push_back(readings[t].is_advisory);
  }
  return is_on;
}

void HorizonScore::operator+=(const HorizonScore& other) {
  forecasts += other.forecasts;
  accurate += other.accurate;
  moving += other.moving;
  moving_accurate += other.moving_accurate;
  errors += other.errors;
  persistence_errors += other.persistence_errors;
  covered += other.covered;
  half_widths += other.half_widths;
  confident += other.confident;
  confident_accurate += other.confident_accurate;
  rated += other.rated;
  rated_accurate += other.rated_accurate;
  confidence += other.confidence;
}

HorizonScores score_forecasts(std::span<const double> usage,
                              std::span<const ForecastReading> readings) {
  constexpr double within = 0.05;
  HorizonScores scores;
  const auto capped = [](double value) { return std::clamp(value, 0.0, usage_cap); };
  for (std::size_t index = 0; index < scores.size(); ++index) {
    HorizonScore& score = scores[index];
    for (std::size_t t = first_judged; t + forecast_horizons[index] < usage.size(); ++t) {
      const HorizonForecast& forecast = readings[t].horizons[index];
      const double came = usage[t + forecast_horizons[index]];
      const double error = std::abs(capped(forecast.predicted) - capped(came));
      const double change = std::abs(capped(usage[t]) - capped(came));
      const std::size_t is_accurate = error <= within ? 1 : 0;
      ++score.forecasts;
      score.accurate += is_accurate;
      if (change > within) {
        ++score.moving;
        score.moving_accurate += is_accurate;
      }
      score.errors += error;
      score.persistence_errors += change;
      if (came >= capped(forecast.low) && came <= forecast.high) ++score.covered;
      score.half_widths += forecast.high - forecast.predicted;
      if (forecast.is_confident) {
        ++score.confident;
        score.confident_accurate += is_accurate;
      }
      if (forecast.confidence) {
        ++score.rated;
        score.rated_accurate += is_accurate;
        score.confidence += *forecast.confidence;
      }
    }
  }
  return scores;
}

void AlarmScore::operator+=(const AlarmScore& other) {
  warnings += other.warnings;
  false_strictly += other.false_strictly;
  false_materially += other.false_materially;
  events += other.events;
  missed += other.missed;
  gradual_missed += other.gradual_missed;
  gradual_leads.insert(gradual_leads.end(), other.gradual_leads.begin(), other.gradual_leads.end());
  hours += other.hours;
}

namespace {

constexpr std::size_t longest_lead = 180;
constexpr std::size_t least_lead = 5;

std::vector<std::size_t> find_events(std::span<const double> usage) {
  std::vector<std::size_t> events;
  bool is_armed = !usage.empty() && usage[0] < 0.90;
  for (std::size_t t = 1; t < usage.size(); ++t) {
    if (is_armed && usage[t] >= 0.90) {
      if (t >= first_judged) events.push_back(t);
      is_armed = false;
    }
    if (usage[t] < 0.80) is_armed = true;
  }
  return events;
}

double lead_of(std::size_t event, const std::vector<bool>& is_on) {
  if (event < least_lead || !is_on[event - least_lead]) return 0;
  std::size_t start = event - least_lead;
  while (start > 0 && is_on[start - 1]) --start;
  return static_cast<double>(std::min(event - start, longest_lead));
}

}  // namespace

AlarmScore score_alarms(std::span<const double> usage, const std::vector<bool>& is_on) {
  AlarmScore score;
  score.hours = static_cast<double>(usage.size()) / 3600;
  const std::vector<std::size_t> events = find_events(usage);
  for (std::size_t t = 0; t + longest_lead < usage.size(); ++t) {
    if (!is_on[t] || (t > 0 && is_on[t - 1]) || usage[t] >= 0.90) continue;
    ++score.warnings;
    const bool is_true = std::any_of(events.begin(), events.end(), [t](std::size_t event) {
      return event >= t && event <= t + longest_lead;
    });
    if (is_true) continue;
    ++score.false_strictly;
    const auto followed = usage.subspan(t, longest_lead + 1);
    if (*std::max_element(followed.begin(), followed.end()) < 0.85) ++score.false_materially;
  }
  for (const std::size_t event : events) {
    const double lead = lead_of(event, is_on);
    const bool is_missed = lead < least_lead;
    ++score.events;
    score.missed += is_missed ? 1 : 0;
    if (event < 15 || usage[event - 15] < 0.75) continue;
    score.gradual_missed += is_missed ? 1 : 0;
    score.gradual_leads.push_back(lead);
  }
  return score;
}

}  // namespace sqlitemem::bench
