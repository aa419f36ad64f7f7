// Runs every forecaster over every series and prints what came of it.
#include "bench/forecast/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "bench/forecast/kinds.h"
#include "bench/forecast/score.h"

namespace sqlitemem::bench {
namespace {

struct AlarmSubject {
  std::string_view name;
  ForecasterKind kind;
  Alarm alarm;
};
constexpr std::array<AlarmSubject, 6> alarm_subjects = {{
    {"usage at 0.80", ForecasterKind::persistence, Alarm::level_80},
    {"ols, critical within 120 s", ForecasterKind::ols, Alarm::plain_time_to_critical},
    {"gated_trend, critical within 120 s", ForecasterKind::gated_trend,
     Alarm::plain_time_to_critical},
    {"ols, is_warning", ForecasterKind::ols, Alarm::warning},
    {"gated_trend, is_warning", ForecasterKind::gated_trend, Alarm::warning},
    {"gated_trend, is_advisory", ForecasterKind::gated_trend, Alarm::advisory},
}};

struct Scores {
  std::map<ForecasterKind, HorizonScores> forecasts;
  std::array<AlarmScore, alarm_subjects.size()> alarms;

  void operator+=(const Scores& other) {
    for (const auto& [kind, scores] : other.forecasts) {
      HorizonScores& sum = forecasts[kind];
      for (std::size_t index = 0; index < sum.size(); ++index) sum[index] += scores[index];
    }
    for (std::size_t i = 0; i < alarm_subjects.size(); ++i) alarms[i] += other.alarms[i];
  }
};

Scores measure(std::span<const double> usage) {
  Scores scores;
  for (const ForecasterKind kind : compared_kinds) {
    const std::vector<ForecastReading> readings = run_forecaster(kind, usage);
    scores.forecasts[kind] = score_forecasts(usage, readings);
    for (std::size_t i = 0; i < alarm_subjects.size(); ++i) {
      if (alarm_subjects[i].kind != kind) continue;
      scores.alarms[i] = score_alarms(usage, run_alarm(alarm_subjects[i].alarm, usage, readings));
    }
  }
  return scores;
}

std::string ratio(double part, double whole, double unit, int decimals) {
  return whole > 0 ? fmt::format("{:.{}f}", unit * part / whole, decimals) : "–";
}

/// One figure per horizon, like 87.9/80.2/68.1.
template <class Figure>
std::string per_horizon(const HorizonScores& scores, Figure figure) {
  std::string text;
  for (const HorizonScore& score : scores) {
    text += (text.empty() ? "" : "/") + figure(score);
  }
  return text;
}

template <class Part, class Whole>
std::string percents(const HorizonScores& scores, Part HorizonScore::*part,
                     Whole HorizonScore::*whole, int decimals = 1) {
  return per_horizon(scores, [=](const HorizonScore& score) {
    return ratio(static_cast<double>(score.*part), static_cast<double>(score.*whole), 100,
                 decimals);
  });
}

std::string forecast_row(std::string_view name, const HorizonScores& scores) {
  using S = HorizonScore;
  const auto error = per_horizon(
      scores, [](const S& score) { return ratio(score.errors, score.persistence_errors, 1, 2); });
  const auto width = per_horizon(scores, [](const S& score) {
    return ratio(score.half_widths, static_cast<double>(score.forecasts), 1, 3);
  });
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} → {} |\n", name,
                     percents(scores, &S::accurate, &S::forecasts),
                     percents(scores, &S::moving_accurate, &S::moving), error,
                     percents(scores, &S::covered, &S::forecasts), width,
                     percents(scores, &S::confident, &S::forecasts, 0),
                     percents(scores, &S::confident_accurate, &S::confident),
                     percents(scores, &S::confidence, &S::rated),
                     percents(scores, &S::rated_accurate, &S::rated));
}

constexpr const char* forecast_head =
    "accurate: within 0.05 of the limit, of all and of moving origins; error: mean against "
    "persistence's;\nall 30/60/120 seconds ahead, in percent where nothing else is said\n\n"
    "| {} | accurate | moving | error | in interval | half width | confident | of these accurate "
    "| confidence → accurate |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size()))];
}

std::string alarm_row(std::string_view name, const AlarmScore& score) {
  const auto count = [](std::size_t number) { return static_cast<double>(number); };
  const auto early =
      static_cast<double>(std::count_if(score.gradual_leads.begin(), score.gradual_leads.end(),
                                        [](double lead) { return lead >= 30; }));
  return fmt::format(
      "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0f} | {:.0f} | {} |\n", name,
      score.warnings, ratio(count(score.false_strictly), count(score.warnings), 100, 1),
      ratio(count(score.false_materially), count(score.warnings), 100, 1),
      ratio(count(score.false_strictly), score.hours, 1, 2),
      ratio(count(score.false_materially), score.hours, 1, 2), score.events,
      score.gradual_leads.size(), ratio(count(score.missed), count(score.events), 100, 1),
      ratio(count(score.gradual_missed), count(score.gradual_leads.size()), 100, 1),
      quantile(score.gradual_leads, 0.5), quantile(score.gradual_leads, 0.1),
      ratio(early, count(score.gradual_leads.size()), 100, 0));
}

constexpr const char* alarm_head =
    "| {} | warnings | strictly false % | materially false % | strictly false/h | materially "
    "false/h | events | gradual | missed % | gradual missed % | median lead s | p10 lead s | lead "
    "≥ 30 s % |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";

}  // namespace

std::string forecast_tables(std::span<const UsageSeries> series) {
  Scores all;
  std::map<std::string, Scores> groups;
  for (const UsageSeries& one : series) {
    const Scores scores = measure(one.usage);
    all += scores;
    if (!one.group.empty()) groups[one.group] += scores;
  }
  std::string text = fmt::format("{} series, {:.1f} hours; ", series.size(), all.alarms[0].hours) +
                     fmt::format(fmt::runtime(forecast_head), "forecaster");
  for (const ForecasterKind kind : compared_kinds)
    text += forecast_row(name_of(kind), all.forecasts[kind]);
  text += "\n" + fmt::format(fmt::runtime(alarm_head), "alarm");
  for (std::size_t i = 0; i < alarm_subjects.size(); ++i)
    text += alarm_row(alarm_subjects[i].name, all.alarms[i]);
  if (groups.size() < 2) return text;
  text += "\n" + fmt::format(fmt::runtime(alarm_head), "is_warning of gated_trend");
  for (const auto& [name, scores] : groups) text += alarm_row(name, scores.alarms[4]);
  for (const ForecasterKind kind : compared_kinds) {
    text += "\n" + fmt::format(fmt::runtime(forecast_head), name_of(kind));
    for (auto& [name, scores] : groups) text += forecast_row(name, scores.forecasts[kind]);
  }
  return text;
}

}  // namespace sqlitemem::bench
