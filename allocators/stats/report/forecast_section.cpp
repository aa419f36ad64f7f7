// The sampled series and its forecast in the report.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "allocators/stats/report/report_sections.h"

namespace sqlitemem::stats::report {
namespace {

/// Usage as a share of the limit, or in bytes where there is none throughout.
struct Series {
  std::vector<double> values;
  bool is_ratio = true;
  double seconds = 0;
};

Series series_of(const std::vector<PressureSample>& history) {
  Series series;
  series.is_ratio = std::ranges::all_of(history, [](const auto& each) { return each.limit_bytes; });
  for (const PressureSample& sample : history) {
    const auto used = static_cast<double>(sample.used_bytes);
    series.values.push_back(series.is_ratio ? used / static_cast<double>(sample.limit_bytes)
                                            : used);
  }
  if (history.size() > 1 && history.back().at_ns > history.front().at_ns)
    series.seconds = static_cast<double>(history.back().at_ns - history.front().at_ns) / 1e9;
  return series;
}

/// At most `count` values: the highest of each stretch, so that no peak is lost.
std::vector<double> condensed(const std::vector<double>& values, std::size_t count) {
  if (values.size() <= count) return values;
  std::vector<double> peaks;
  for (std::size_t index = 0; index < count; ++index) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(index * values.size() / count);
    const auto end =
        values.begin() + static_cast<std::ptrdiff_t>((index + 1) * values.size() / count);
    peaks.push_back(*std::max_element(begin, end));
  }
  return peaks;
}

void draw_series(Page& page, const Series& series) {
  const auto [low, high] = std::ranges::minmax(series.values);
  const auto shown = [&](double value) {
    return series.is_ratio ? human_percent(value) : human_signed_bytes(value);
  };
  page.line(fmt::format("  {} to {}{}, over {}:", shown(low), shown(high),
                        series.is_ratio ? " of the limit" : " used",
                        human_seconds(series.seconds)));
  page.line("  " +
            sparkline(condensed(series.values, page.width() - 4), low, high, page.charset()));
}

/// From 0 to 1: where the forecast lies, and between what.
std::string track_of(const HorizonForecast& forecast, std::size_t width, const Signs& signs) {
  const auto place_of = [&](double ratio) {
    const double share = ratio > 0 ? std::min(ratio, 1.0) : 0;
    return static_cast<std::size_t>(std::llround(share * static_cast<double>(width - 1)));
  };
  const std::size_t low = place_of(forecast.low), high = place_of(forecast.high);
  const std::size_t middle = place_of(forecast.predicted);
  std::string track;
  for (std::size_t column = 0; column < width; ++column) {
    std::string_view sign = column > low && column < high ? signs.interval : signs.track;
    if (column == low) sign = signs.interval_begin;
    if (column == high) sign = signs.interval_end;
    if (column == middle) sign = signs.middle;
    track += sign;
  }
  return track;
}

std::string remark_of(const ForecastReading& forecast, const PressureReading& pressure) {
  std::string text(name_of(forecast.trend));
  const double slope = forecast.slope_per_second;
  if (slope != 0 && pressure.limit_bytes)
    text += fmt::format(", {}/s",
                        human_signed_bytes(slope * static_cast<double>(*pressure.limit_bytes)));
  if (forecast.seconds_to_critical)
    text += fmt::format(", critical (90 %) in {}", human_seconds(*forecast.seconds_to_critical));
  text += fmt::format(" ({}, {} samples{})", name_of(forecast.kind), forecast.samples,
                      forecast.is_stale ? ", stale" : "");
  return text;
}

void draw_horizons(Page& page, const ForecastReading& forecast) {
  Grid grid({{"in", false}, {"0 to 100 %", false}, {"usage"}, {"likely between", false}});
  grid.add({"now", bar(forecast.current, bar_width(page), page.charset()),
            human_percent(forecast.current), ""});
  for (const HorizonForecast& each : forecast.horizons) {
    grid.add({fmt::format("{} s", each.horizon_seconds),
              track_of(each, bar_width(page), page.signs()), human_percent(each.predicted),
              fmt::format("{} and {}{}", human_percent(each.low), human_percent(each.high),
                          each.is_confident ? "" : ", unsure")});
  }
  grid.draw(page);
}

}  // namespace

void draw_forecast(Page& page, const ReportFigures& figures) {
  if (!figures.pressure) return;
  const PressureReading& pressure = *figures.pressure;
  const Series series = series_of(pressure.history);
  if (series.values.size() < 2 && !pressure.forecast) return;
  page.heading("FORECAST", pressure.forecast ? remark_of(*pressure.forecast, pressure)
                                             : "too few samples to judge");
  if (series.values.size() >= 2) draw_series(page, series);
  if (pressure.forecast) draw_horizons(page, *pressure.forecast);
}

}  // namespace sqlitemem::stats::report
