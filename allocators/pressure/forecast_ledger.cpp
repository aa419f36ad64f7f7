// Forecasts made and forecasts judged.
#include "allocators/pressure/forecast_ledger.h"

#include <algorithm>
#include <cmath>

namespace sqlitemem {
namespace {

/// Before there are errors to go by: about what memory does in that time.
double usual_half_width(unsigned horizon_seconds) noexcept {
  return 0.01 + 0.0012 * horizon_seconds;
}

}  // namespace

RecommendedAction recommended_action_at(double usage) noexcept {
  if (usage >= 0.95) return RecommendedAction::emergency_cleanup;
  if (usage >= 0.90) return RecommendedAction::aggressive_eviction;
  if (usage >= 0.80) return RecommendedAction::gentle_eviction;
  return RecommendedAction::monitor;
}

ForecastLedger::Open& ForecastLedger::open_at(std::size_t index) noexcept {
  std::size_t begin = 0;
  for (std::size_t before = 0; before < index; ++before) begin += forecast_horizons[before];
  return open_[begin + second_ % forecast_horizons[index]];
}

void ForecastLedger::judge(double usage, bool is_measured) noexcept {
  for (std::size_t index = 0; index < horizon_count; ++index) {
    const Open& open = open_at(index);
    if (!is_measured || open.usage < 0) continue;
    Record& record = records_[index];
    const double error = std::abs(open.issued - usage);
    const double line_error = std::abs(open.by_line - usage);
    const double persistence_error = std::abs(open.usage - usage);
    record.errors.add(error);
    record.accuracy.add(open.half_width, error <= accurate_error);
    record.skill.add(line_error, persistence_error);
    if (index == 0) recent_skill_.add(line_error, persistence_error);
  }
}

HorizonForecast ForecastLedger::forecast(std::size_t index, const TrendLine& line, double usage,
                                         bool yields) const noexcept {
  const unsigned horizon = forecast_horizons[index];
  const Record& record = records_[index];
  const double trust = yields ? record.skill.trust() : 1;
  HorizonForecast forecast;
  forecast.horizon_seconds = horizon;
  forecast.predicted = trust * line.at(horizon) + (1 - trust) * usage;
  const auto measured = record.errors.half_width();
  const double half_width = measured.value_or(usual_half_width(horizon));
  forecast.low = std::max(0.0, forecast.predicted - half_width);
  forecast.high = forecast.predicted + half_width;
  forecast.confidence = record.accuracy.share(half_width);
  forecast.is_confident = measured && half_width <= accurate_error;
  forecast.recommended_action = recommended_action_at(forecast.predicted);
  return forecast;
}

void ForecastLedger::keep(std::size_t index, const TrendLine& line, double usage,
                          const HorizonForecast& forecast) noexcept {
  open_at(index) = {.by_line = static_cast<float>(line.at(forecast.horizon_seconds)),
                    .issued = static_cast<float>(forecast.predicted),
                    .half_width = static_cast<float>(forecast.high - forecast.predicted),
                    .usage = static_cast<float>(usage)};
}

void ForecastLedger::rescale(double factor) noexcept {
  const auto by = static_cast<float>(factor);
  for (Open& open : open_) {
    open.by_line *= by;
    open.issued *= by;
    open.half_width *= by;
    open.usage *= by;
  }
  for (Record& record : records_) {
    record.errors.rescale(factor);
    record.skill.rescale(factor);
    // Whether a forecast was within 5 points depends on what a point is.
    record.accuracy.clear();
  }
  recent_skill_.rescale(factor);
}

void ForecastLedger::forget_open() noexcept { open_.fill({}); }

void ForecastLedger::clear() noexcept { *this = ForecastLedger(); }

std::optional<Violation> ForecastLedger::find_violation() const noexcept {
  for (const Record& record : records_) {
    if (const auto broken = record.errors.find_violation()) return broken;
  }
  return std::nullopt;
}

}  // namespace sqlitemem
