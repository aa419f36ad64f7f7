// From samples at any time to one a second, and from there to a reading.
#include "allocators/pressure/pressure_forecaster.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "allocators/base/clock.h"

namespace sqlitemem {
namespace {

constexpr std::uint64_t tenths_per_second = 10;
constexpr std::uint64_t ns_per_tenth = ns_per_second / tenths_per_second;
constexpr double most_usage = 1000;
constexpr double least_scale = 1e-6;
constexpr std::size_t least_history = 10;
constexpr double critical_trend_seconds = 120;

std::uint64_t nearest_tenth(std::uint64_t ns) noexcept {
  return ns / ns_per_tenth + (ns % ns_per_tenth >= ns_per_tenth / 2 ? 1 : 0);
}

}  // namespace

Trend trend_of(const TrendLine& line, double usage) noexcept {
  if (usage >= critical_usage) return Trend::critical;
  if (!line.is_significant) return Trend::stable;
  if (line.slope < 0) return Trend::decreasing;
  const auto seconds = line.seconds_to_critical();
  return seconds && *seconds <= critical_trend_seconds ? Trend::critical : Trend::increasing;
}

PressureForecaster::PressureForecaster(ForecasterKind kind, std::size_t history_samples) noexcept
    : kind_(kind),
      history_samples_(std::clamp(history_samples, least_history, SampleWindow::most_samples)),
      forecaster_(make_forecaster(kind, history_samples_)),
      recent_(history_samples_) {}

void PressureForecaster::add(std::uint64_t now_ns, double usage) noexcept {
  if (!std::isfinite(usage)) return;
  usage = std::clamp(usage, 0.0, most_usage);
  const std::uint64_t tenth = nearest_tenth(now_ns);
  if (!has_started_) {
    has_started_ = true;
    start_trend(tenth, usage);
  } else if (tenth > last_tenth_ + longest_gap_seconds * tenths_per_second) {
    forecaster_ = make_forecaster(kind_, history_samples_);
    recent_.clear();
    ledger_.forget_open();
    warning_.forget_samples();
    advisory_.forget_samples();
    start_trend(tenth, usage);
  } else if (tenth > last_tenth_) {
    const double per_tenth = (usage - last_usage_) / static_cast<double>(tenth - last_tenth_);
    for (; next_second_ <= tenth; next_second_ += tenths_per_second) {
      const double back = per_tenth * static_cast<double>(tenth - next_second_);
      step(usage - back, next_second_ + tenths_per_second > tenth);
    }
  }
  last_ns_ = std::max(last_ns_, now_ns);
  last_tenth_ = std::max(last_tenth_, tenth);
  last_usage_ = usage;
}

void PressureForecaster::start_trend(std::uint64_t tenth, double usage) noexcept {
  next_second_ = tenth + tenths_per_second;
  step(usage, true);
}

void PressureForecaster::step(double usage, bool is_measured) noexcept {
  ledger_.judge(usage, is_measured);
  recent_.push(usage);
  line_ =
      std::visit([usage](auto& forecaster) noexcept { return forecaster.add(usage); }, forecaster_);
  warning_.update(usage, line_, ledger_.skill());
  advisory_.update(usage, line_, ledger_.skill());
  fill_reading();
  for (std::size_t index = 0; index < reading_.horizons.size(); ++index) {
    ledger_.keep(index, line_, usage, reading_.horizons[index]);
  }
  ledger_.advance();
}

void PressureForecaster::fill_reading() noexcept {
  const double usage = recent_.newest();
  const bool yields =
      std::visit([](const auto& forecaster) noexcept { return forecaster.yields_to_persistence; },
                 forecaster_);
  for (std::size_t index = 0; index < reading_.horizons.size(); ++index) {
    reading_.horizons[index] = ledger_.forecast(index, line_, usage, yields);
  }
  reading_.kind = kind_;
  reading_.slope_per_second = line_.slope;
  reading_.r_squared = line_.r_squared;
  reading_.trend = trend_of(line_, usage);
  reading_.seconds_to_critical = line_.seconds_to_critical();
  reading_.is_warning = warning_.is_on();
  reading_.is_advisory = advisory_.is_on() || warning_.is_on();
  reading_.samples = line_.samples;
}

void PressureForecaster::rescale(double factor) noexcept {
  if (!std::isfinite(factor) || factor <= 0 || !has_started_) return;
  scale_ *= factor;
  if (scale_ < least_scale || scale_ > 1 / least_scale) {
    *this = PressureForecaster(kind_, history_samples_);
    return;
  }
  std::visit([factor](auto& forecaster) noexcept { forecaster.rescale(factor); }, forecaster_);
  recent_.multiply_all(factor);
  ledger_.rescale(factor);
  line_.rescale(factor);
  last_usage_ *= factor;
  fill_reading();
}

void PressureForecaster::set_kind(ForecasterKind kind) noexcept {
  if (kind == kind_) return;
  kind_ = kind;
  forecaster_ = make_forecaster(kind, history_samples_);
  ledger_.clear();
  if (!has_started_) return;
  for (const double usage : recent_.all()) {
    line_ = std::visit([usage](auto& forecaster) noexcept { return forecaster.add(usage); },
                       forecaster_);
  }
  fill_reading();
}

std::optional<ForecastReading> PressureForecaster::reading(std::uint64_t now_ns) const noexcept {
  if (recent_.size() < 2) return std::nullopt;
  ForecastReading reading = reading_;
  reading.current = last_usage_;
  reading.is_stale = now_ns > last_ns_ && now_ns - last_ns_ > stale_after_seconds * ns_per_second;
  return reading;
}

}  // namespace sqlitemem
