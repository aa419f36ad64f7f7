// Turns the monitor's reading into rows.
#include "allocators/stats/pressure_rows.h"

#include <fmt/format.h>

#include <array>
#include <ctime>

#include "allocators/base/bytes.h"
#include "allocators/config.h"
#include "allocators/pressure/alerts.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

constexpr const char* nobody_watches =
    "Nobody watches: sqlitemem has not been started in this process.";

/// NULL for an empty text.
std::optional<std::string> text(std::string_view words) {
  if (words.empty()) return std::nullopt;
  return std::string(words);
}

std::string utc(std::int64_t unix_ms) {
  std::string seconds = iso8601(static_cast<std::time_t>(unix_ms / 1000));
  seconds.pop_back();  // The Z.
  return fmt::format("{}.{:03}Z", seconds, unix_ms % 1000);
}

/// Per second, between two samples; nullopt without two, or without a heap.
std::optional<double> rate(std::uint64_t before, std::uint64_t after, double seconds) {
  if (seconds <= 0 || after < before || after == 0) return std::nullopt;
  return static_cast<double>(after - before) / seconds;
}
double seconds_between(const PressureSample& before, const PressureSample& after) {
  return static_cast<double>(after.at_ns - before.at_ns) / 1e9;
}

std::string_view mode_in_force() {
  const auto mode = static_cast<std::size_t>(option(&Config::response_mode));
  return config_detail::responses[mode];
}

void add_sentence(std::string& words, std::string_view sentence) {
  if (sentence.empty()) return;
  if (!words.empty()) words += ' ';
  words += sentence;
}

void fill(MemoryForecastRow& row, const HorizonForecast& at, const ForecastReading& forecast,
          const PressureReading& pressure) {
  row.current_ratio = forecast.current;
  row.predicted_ratio = at.predicted;
  row.low_ratio = at.low;
  row.high_ratio = at.high;
  row.slope_bytes_per_second =
      forecast.slope_per_second * static_cast<double>(pressure.limit_bytes.value_or(0));
  row.r_squared = forecast.r_squared;
  row.confidence = at.confidence;
  row.trend = name_of(forecast.trend);
  row.is_confident = Flag(at.is_confident);
  row.time_to_critical_seconds = forecast.seconds_to_critical;
  row.recommended_action = name_of(at.recommended_action);
  row.is_warning = Flag(forecast.is_warning);
  row.is_stale = Flag(forecast.is_stale);
  row.samples = forecast.samples;
}

}  // namespace

std::vector<MemoryPressureRow> MemoryPressureRow::snapshot(Sources& sources, Arguments) {
  MemoryPressureRow row;
  row.level = name_of(PressureLevel::normal);
  row.limit_source = name_of(LimitSource::none);
  row.response_stage = name_of(ResponseStage::none);
  row.response_mode = mode_in_force();
  row.active_alerts = alert_book().active_count();
  const PressureReading* pressure = sources.reading().pressure();
  if (pressure == nullptr || pressure->history.empty()) {
    row.note = nobody_watches;
    return {row};
  }
  row.level = name_of(pressure->level);
  row.used_bytes = pressure->used_bytes;
  row.limit_bytes = pressure->limit_bytes;
  row.limit_source = name_of(pressure->limit_source);
  if (pressure->limit_bytes) {
    row.usage_ratio = ratio(pressure->used_bytes, *pressure->limit_bytes);
    if (row.usage_ratio) row.usage_percent = *row.usage_ratio * 100;
    row.since_at = utc(pressure->since_unix_ms);
  }
  row.response_stage = name_of(pressure->stage);
  row.last_action = text(pressure->last_action);
  row.last_freed_bytes = pressure->last_freed_bytes;
  row.psi_some_avg10 = pressure->psi_some_avg10;
  row.psi_full_avg10 = pressure->psi_full_avg10;
  row.pressure_events = pressure->pressure_events;
  row.pressure_events_last_hour = pressure->pressure_events_last_hour;
  if (sources.reading().heap() != nullptr) row.refused_requests = pressure->refused_requests;
  row.sampled_at = utc(pressure->history.back().at_unix_ms);
  std::string note;
  if (!pressure->limit_note.empty()) note = fmt::format("Limit: {}.", pressure->limit_note);
  add_sentence(note, pressure->note);
  row.note = text(note);
  return {row};
}

std::vector<MemoryForecastRow> MemoryForecastRow::snapshot(Sources& sources, Arguments) {
  std::vector<MemoryForecastRow> rows(forecast_horizons.size());
  const PressureReading* pressure = sources.reading().pressure();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    MemoryForecastRow& row = rows[i];
    row.horizon_seconds = forecast_horizons[i];
    row.forecaster =
        config_detail::forecasters[static_cast<std::size_t>(option(&Config::forecaster))];
    if (pressure == nullptr || pressure->history.empty()) {
      row.note = nobody_watches;
      continue;
    }
    const auto& history = pressure->history;
    const double seconds = seconds_between(history.front(), history.back());
    row.allocation_rate = rate(history.front().allocations, history.back().allocations, seconds);
    row.deallocation_rate = rate(history.front().freed, history.back().freed, seconds);
    if (pressure->forecast) {
      fill(row, pressure->forecast->horizons[i], *pressure->forecast, *pressure);
    } else if (!pressure->limit_bytes) {
      row.note = "No limit is known, so there is nothing to forecast a share of.";
    } else {
      row.note = "A forecast needs samples of two seconds.";
      row.current_ratio = ratio(pressure->used_bytes, *pressure->limit_bytes);
    }
  }
  return rows;
}

std::vector<MemoryHistoryRow> MemoryHistoryRow::snapshot(Sources& sources, Arguments arguments) {
  double most_seconds = 1e18;
  if (const auto* given = std::get_if<std::int64_t>(arguments.data())) {
    if (*given < 0) throw Refusal("seconds must not be negative");
    most_seconds = static_cast<double>(*given);
  }
  std::vector<MemoryHistoryRow> rows;
  const PressureReading* pressure = sources.reading().pressure();
  if (pressure == nullptr) return rows;
  const bool has_heap = sources.reading().heap() != nullptr;
  const bool has_pool = sources.reading().pool() != nullptr;
  const PressureSample* before = nullptr;
  for (const PressureSample& sample : pressure->history) {
    MemoryHistoryRow row;
    row.at = utc(sample.at_unix_ms);
    row.age_seconds = static_cast<double>(at_least_zero(pressure->read_at_ns, sample.at_ns)) / 1e9;
    row.used_bytes = sample.used_bytes;
    if (sample.limit_bytes != 0) row.limit_bytes = sample.limit_bytes;
    row.usage_ratio = ratio(sample.used_bytes, sample.limit_bytes);
    if (sample.resident_bytes != 0) row.resident_bytes = sample.resident_bytes;
    if (has_heap) row.heap_held_bytes = sample.heap_held_bytes;
    if (has_pool) row.pool_bytes = sample.pool_bytes;
    if (before != nullptr && has_heap) {
      const double seconds = seconds_between(*before, sample);
      row.allocation_rate = rate(before->allocations, sample.allocations, seconds);
      row.deallocation_rate = rate(before->freed, sample.freed, seconds);
    }
    row.response_stage = name_of(sample.stage);
    before = &sample;
    if (row.age_seconds <= most_seconds) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sqlitemem::stats
