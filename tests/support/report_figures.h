// Made-up figures for memory_report(): a busy process, and nothing but extremes.
#pragma once

#include <cmath>
#include <limits>
#include <string>

#include "allocators/stats/report/report_figures.h"

namespace sqlitemem::tests {

inline stats::MemoryStatsRow a_memory_row(const char* component, const char* category,
                                          std::optional<std::uint64_t> bytes) {
  stats::MemoryStatsRow row;
  row.component = component;
  row.category = category;
  row.memory_bytes = bytes;
  return row;
}

inline std::vector<stats::MemoryStatsRow> some_memory_rows() {
  std::vector<stats::MemoryStatsRow> rows;
  const auto add = [&](const char* category, const char* component, std::uint64_t bytes) {
    rows.push_back(a_memory_row(component, category, bytes));
  };
  add("rss", "slab_live", 91 * mib);
  add("rss", "slab_free", 9 * mib + 300 * kib);
  add("rss", "run_live", 12 * mib);
  add("rss", "run_free", 0);
  add("rss", "large_live", 33 * mib);
  add("rss", "large_free", 5 * mib);
  add("rss", "bookkeeping", 700 * kib);
  add("rss", "pool_used", 180 * mib);
  add("rss", "pool_free", 2 * mib);
  add("rss", "pool_bookkeeping", 3 * mib);
  add("rss", "mapped_files", 21 * mib);
  add("rss", "unattributed", 44 * mib);
  add("allocator", "held", 358 * mib);
  add("process", "resident_set", 401 * mib);
  return rows;
}

/// A minute of history, one sample a second, that rises from 60 to 70 % of 512 MiB.
inline PressureReading some_pressure() {
  PressureReading pressure;
  pressure.level = PressureLevel::warning;
  pressure.limit_bytes = 512 * mib;
  pressure.used_bytes = 358 * mib + 400 * kib;
  pressure.limit_source = LimitSource::config;
  pressure.limit_note = "The option memory_limit.";
  pressure.since_unix_ms = 1'800'000'000'000;
  pressure.stage = ResponseStage::gentle;
  pressure.last_action = "buffer_pool";
  pressure.last_freed_bytes = 12 * mib;
  pressure.psi_some_avg10 = 1.25;
  pressure.psi_full_avg10 = 0.3;
  pressure.pressure_events = 3;
  pressure.pressure_events_last_hour = 1;
  pressure.refused_requests = 2;
  for (std::uint64_t second = 0; second <= 60; ++second) {
    PressureSample sample;
    sample.at_ns = second * 1'000'000'000;
    sample.limit_bytes = 512 * mib;
    sample.used_bytes = (60 * 60 + 10 * second) * 512 * mib / 6000;
    pressure.history.push_back(sample);
  }
  ForecastReading forecast;
  forecast.current = 0.7;
  forecast.slope_per_second = 0.1 / 60;
  forecast.trend = Trend::increasing;
  forecast.seconds_to_critical = 120;
  forecast.samples = 61;
  for (std::size_t i = 0; i < forecast.horizons.size(); ++i) {
    HorizonForecast& each = forecast.horizons[i];
    each.horizon_seconds = forecast_horizons[i];
    each.predicted = 0.7 + each.horizon_seconds * forecast.slope_per_second;
    each.low = each.predicted - 0.02 * static_cast<double>(i + 1);
    each.high = each.predicted + 0.03 * static_cast<double>(i + 1);
    each.is_confident = i == 0;
  }
  pressure.forecast = forecast;
  return pressure;
}

inline stats::SlabAllocatorStatsRow a_class(std::uint64_t bytes, std::uint64_t slabs,
                                            std::uint64_t live, const char* purpose) {
  stats::SlabAllocatorStatsRow row;
  row.size_class = row.object_bytes = bytes;
  row.purpose = purpose;
  row.slabs = slabs;
  row.live_objects = live;
  row.cached_objects = live / 10;
  row.reserved_bytes = slabs * 64 * kib;
  row.free_objects = row.reserved_bytes / bytes - row.live_objects - row.cached_objects;
  row.live_bytes = live * bytes;
  row.utilization_ratio = stats::ratio(row.live_bytes, row.reserved_bytes);
  row.allocations = 1000 * live;
  row.frees = 999 * live;
  row.magazine_hits = 1980 * live;
  return row;
}

inline std::vector<AreaFill> some_areas() {
  std::vector<AreaFill> areas;
  const auto add = [&](std::string_view name, std::uint64_t cells) {
    areas.push_back({name, FillMap(cells * 64 * kib, 64 * kib, 512)});
    for (std::uint64_t cell = 0; cell < cells; ++cell) {
      const std::uint64_t used = (cell * 7 % 9) * 8 * kib;  // Nothing to all of it, in no order.
      const std::uint64_t held = cell % 11 == 10 ? 0 : 64 * kib;
      areas.back().map.add(cell * 64 * kib, 64 * kib, {held == 0 ? 0 : used, held});
    }
  };
  add("slabs", 70);
  add("runs", 16);
  add("large", 0);
  add("pool", 500);
  return areas;
}

inline stats::BufferPoolStatsRow some_pool() {
  stats::BufferPoolStatsRow row;
  row.policy = "s3fifo";
  row.budget_bytes = 200 * mib;
  row.used_bytes = 180 * mib;
  row.used_frames = 42'800;
  row.pinned_frames = 12;
  row.hits = 1'204'567;
  row.misses = 23'456;
  row.hit_ratio = stats::ratio(1'204'567, 1'204'567 + 23'456);
  row.evictions = 3911;
  row.unevictable_bytes = 3 * mib;
  return row;
}

inline std::vector<stats::BufferPoolAdviceRow> some_advice() {
  std::vector<stats::BufferPoolAdviceRow> rows;
  const auto add = [&](double factor, double hit_ratio) {
    stats::BufferPoolAdviceRow& row = rows.emplace_back();
    row.size_factor = factor;
    row.size_bytes = static_cast<std::uint64_t>(factor * 200) * mib;
    row.estimated_hit_ratio = hit_ratio;
    row.estimated_miss_factor = (1 - hit_ratio) / (1 - 0.981);
    row.is_current = stats::Flag(factor == 1);
    row.is_recommended = stats::Flag(factor == 1.5);
  };
  add(0.25, 0.8);
  add(0.5, 0.9);
  add(0.75, 0.95);
  add(1, 0.981);
  add(1.5, 0.99);
  add(2, 0.991);
  add(4, 0.991);
  return rows;
}

inline std::vector<stats::ConnectionMemoryRow> some_connections() {
  std::vector<stats::ConnectionMemoryRow> rows;
  for (std::uint64_t id = 1; id <= 7; ++id) {
    stats::ConnectionMemoryRow& row = rows.emplace_back();
    row.connection_id = id;
    if (id != 3) row.database_file = "/srv/shop/data/orders-" + std::to_string(id) + ".db";
    row.txn_state = id == 2 ? "write" : "none";
    row.cache_used_bytes = id * 10 * mib;
    row.schema_used_bytes = 90 * kib;
    row.stmt_used_bytes = id * 33'000;
    row.total_bytes = id * 10 * mib + 90 * kib + id * 33'000;
    row.cache_hits = 900 * id;
    row.cache_misses = 100;
    row.open_statements = 3 * id;
    row.is_stale = id == 6;
  }
  rows[4].database_file = "/srv/büro/データ/\x1b[31mred\xff.db";
  return rows;
}

inline stats::report::ReportFigures some_figures() {
  stats::report::ReportFigures figures;
  figures.header = {
      .version = "1.2.3", .mode = "managed", .reason = "", .process = "shop", .process_id = 4242};
  figures.pressure = some_pressure();
  figures.memory = some_memory_rows();
  figures.classes = {a_class(64, 40, 30'000, "lock entries"),
                     a_class(256, 12, 1200, "small rows"),
                     a_class(4368, 700, 9000, "a page of the cache and its header"),
                     a_class(16, 1, 3, "general"),
                     a_class(512, 9, 1000, "medium rows"),
                     a_class(1024, 3, 150, "large rows"),
                     a_class(128, 3, 90, "page headers"),
                     a_class(32, 0, 0, "general")};
  stats::FragmentationStatsRow& heap = figures.fragmentation.emplace_back();
  heap.component = "heap";
  heap.waste_bytes = 14 * mib;
  heap.fragmentation_ratio = 0.0934;
  heap.status = "Good";
  figures.areas = some_areas();
  figures.pool = some_pool();
  figures.pool_advice = some_advice();
  figures.connections = some_connections();
  figures.alerts = {{"critical", "refused_request",
                     "2 requests were refused: 96.0 MiB asked for, "
                     "480 MiB used, limit 512 MiB.",
                     "", ""},
                    {"warning", "long_transaction", "Connection 2 has been writing for 43 minutes.",
                     "Commit it, or kill it.", "SELECT kill_orphaned_transactions(600)"}};
  figures.findings = {{"advice", "pool_too_small", "A larger buffer pool would halve the misses.",
                       "Give it half as much again.",
                       "UPDATE memory_config SET setting = '300MB' WHERE name = "
                       "'buffer_pool_size'"}};
  return figures;
}

/// Every number as large as it can be, and text that is hostile to terminals.
inline stats::report::ReportFigures extreme_figures() {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::string hostile =
      std::string(300, 'x') +
      " \x1b[2J\r\n\t\xe2\x80\xae 表 \xf0\x9f\x98\x80 e\xcc\x81 \xff\xc0\x80";
  stats::report::ReportFigures figures = some_figures();
  figures.header = {hostile, hostile, hostile, hostile, most};
  PressureReading& pressure = *figures.pressure;
  pressure.used_bytes = most;
  pressure.limit_bytes = 1;
  pressure.limit_note = pressure.last_action = pressure.note = hostile;
  pressure.last_freed_bytes = pressure.pressure_events = pressure.refused_requests = most;
  pressure.psi_some_avg10 = infinity;
  pressure.psi_full_avg10 = std::nan("");
  pressure.since_unix_ms = std::numeric_limits<std::int64_t>::max();
  for (PressureSample& sample : pressure.history) sample.used_bytes = most, sample.limit_bytes = 1;
  pressure.history.back() = {};
  ForecastReading& forecast = *pressure.forecast;
  forecast.current = infinity;
  forecast.slope_per_second = -infinity;
  forecast.seconds_to_critical = infinity;
  forecast.samples = static_cast<std::size_t>(most);
  forecast.horizons[0] = {~0U, infinity, -infinity, infinity, std::nullopt, false};
  forecast.horizons[1] = {~0U, std::nan(""), std::nan(""), std::nan(""), std::nullopt, false};
  forecast.horizons[2] = {0, -3, 3, -3, std::nullopt, true};
  for (stats::MemoryStatsRow& row : figures.memory) row.memory_bytes = most;
  for (stats::SlabAllocatorStatsRow& row : figures.classes) {
    row.size_class = row.live_objects = row.cached_objects = row.free_objects = most;
    row.reserved_bytes = row.allocations = row.frees = row.magazine_hits = most;
    row.utilization_ratio = infinity;
    row.purpose = hostile;
  }
  figures.fragmentation[0].status = hostile;
  figures.pool.policy = hostile;
  figures.pool.hits = figures.pool.misses = figures.pool.evictions = most;
  figures.pool.used_bytes = figures.pool.unevictable_bytes = most;
  figures.pool.used_frames = figures.pool.pinned_frames = most;
  figures.pool.budget_bytes = 0;
  figures.pool.hit_ratio = std::nan("");
  for (stats::BufferPoolAdviceRow& row : figures.pool_advice) {
    row.size_bytes = most;
    row.estimated_hit_ratio = -infinity;
    row.estimated_miss_factor = infinity;
  }
  for (stats::ConnectionMemoryRow& row : figures.connections) {
    row.connection_id = most;
    row.total_bytes = row.cache_used_bytes = row.schema_used_bytes = row.stmt_used_bytes = most;
    row.cache_hits = row.cache_misses = row.open_statements = most;
    row.txn_state = row.database_file = hostile;
  }
  for (auto* notices : {&figures.alerts, &figures.findings}) {
    for (stats::report::ReportNotice& notice : *notices)
      notice = {hostile, hostile, hostile, hostile, hostile};
    notices->resize(9, notices->front());
  }
  return figures;
}

}  // namespace sqlitemem::tests
