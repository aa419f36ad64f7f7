// The tables memory_pressure, memory_forecast and memory_history: how near the limit the process
// is, where it is going, and where it has been.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "allocators/pressure/pressure_reading.h"
#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct MemoryPressureRow {
  std::string level;
  std::optional<std::uint64_t> used_bytes, limit_bytes;
  std::string limit_source;
  std::optional<double> usage_percent, usage_ratio;
  std::optional<std::string> since_at;
  std::string response_stage, response_mode;
  std::optional<std::string> last_action;
  std::optional<std::uint64_t> last_freed_bytes;
  std::optional<double> psi_some_avg10, psi_full_avg10;
  std::uint64_t pressure_events = 0, pressure_events_last_hour = 0;
  std::uint64_t active_alerts = 0;
  std::optional<std::uint64_t> refused_requests;
  std::optional<std::string> sampled_at, note;

  static constexpr auto describe() {
    using R = MemoryPressureRow;
    // clang-format off
    return describe_table<R>("memory_pressure", "pressure",
        "One row: how much of the limit with the least room is used, and what is done about it. "
        "Limits are the option memory_limit, those of the control groups that the process is in, "
        "RLIMIT_AS and RLIMIT_DATA, and the memory that the machine can still give.", {
        {"level", &R::level, Role::state, "",
         "normal, warning, high, critical or emergency, by the option pressure_levels: 70, 80, 90 "
         "and 95 % as a rule; normal where no limit is known.", pressure_level_names},
        {"used_bytes", &R::used_bytes, Role::gauge, "bytes",
         "What counts against that limit; NULL if it cannot be read."},
        {"limit_bytes", &R::limit_bytes, Role::gauge, "bytes", "The limit; NULL if none is known."},
        {"limit_source", &R::limit_source, Role::detail, "",
         "config (memory_limit), cgroup, rlimit, host or none."},
        {"usage_percent", &R::usage_percent, Role::detail, "percent",
         "used_bytes of limit_bytes."},
        {"usage_ratio", &R::usage_ratio, Role::gauge, "ratio", "used_bytes / limit_bytes."},
        {"since_at", &R::since_at, Role::detail, "", "When the level became what it is; UTC."},
        {"response_stage", &R::response_stage, Role::state, "",
         "none, gentle, aggressive, emergency or refusal: how far the response has gone. It has "
         "thresholds of its own and rises before the level when usage comes in bursts.",
         response_stage_names},
        {"response_mode", &R::response_mode, Role::detail, "", "The option of that name."},
        {"last_action", &R::last_action, Role::detail, "",
         "What was done last because of pressure; NULL if nothing was."},
        {"last_freed_bytes", &R::last_freed_bytes, Role::detail, "bytes",
         "By how much less was held after it."},
        {"psi_some_avg10", &R::psi_some_avg10, Role::gauge, "",
         "Percent of the last ten seconds in which some task waited for memory (pressure stall "
         "information of the control group or the machine); NULL where the kernel does not say."},
        {"psi_full_avg10", &R::psi_full_avg10, Role::gauge, "", "The same for all tasks at once."},
        {"pressure_events", &R::pressure_events, Role::counter, "",
         "How often the response began."},
        {"pressure_events_last_hour", &R::pressure_events_last_hour, Role::gauge, "",
         "Of these, in the last hour."},
        {"active_alerts", &R::active_alerts, Role::gauge, "",
         "Alerts of memory_alerts that are not cleared, as of the last look at that table or, for "
         "those about pressure, the last sample."},
        {"refused_requests", &R::refused_requests, Role::counter, "",
         "Requests for memory that were answered with SQLITE_NOMEM; NULL without a heap of ours."},
        {"sampled_at", &R::sampled_at, Role::detail, "", "When this was read; UTC."},
        {"note", &R::note, Role::detail, "",
         "Which file or option the limit comes from, and what cannot be measured here."},
    });
    // clang-format on
  }
  static std::vector<MemoryPressureRow> snapshot(Sources& sources, Arguments arguments);
};

struct MemoryForecastRow {
  std::uint64_t horizon_seconds = 0;
  std::optional<double> current_ratio, predicted_ratio, low_ratio, high_ratio;
  std::optional<double> slope_bytes_per_second, allocation_rate, deallocation_rate;
  std::optional<double> r_squared, confidence;
  std::optional<std::string> trend;
  std::string forecaster;
  std::optional<Flag> is_confident;
  std::optional<double> time_to_critical_seconds;
  std::optional<std::string> recommended_action;
  std::optional<Flag> is_warning, is_stale;
  std::uint64_t samples = 0;
  std::optional<std::string> note;

  static constexpr auto describe() {
    using R = MemoryForecastRow;
    // clang-format off
    return describe_table<R>("memory_forecast", "forecast",
        "Usage as a share of the limit in 30, 60 and 120 seconds, forecast from the sampled "
        "series. Bursts are not foreseeable: docs/benchmarks.md says how often it is right.", {
        {"horizon_seconds", &R::horizon_seconds, Role::label, "seconds", "How far ahead."},
        {"current_ratio", &R::current_ratio, Role::detail, "ratio",
         "Usage at the last sample; NULL before there are two samples, like all that follows."},
        {"predicted_ratio", &R::predicted_ratio, Role::gauge, "ratio", "The forecast."},
        {"low_ratio", &R::low_ratio, Role::gauge, "ratio",
         "Usage will be between this and high_ratio four times of five: of the recent forecasts "
         "that could be checked, as many were no further off."},
        {"high_ratio", &R::high_ratio, Role::gauge, "ratio", "See low_ratio."},
        {"slope_bytes_per_second", &R::slope_bytes_per_second, Role::detail, "",
         "The trend that the forecast follows; 0 where none is significant."},
        {"allocation_rate", &R::allocation_rate, Role::detail, "",
         "Allocations per second over the series; NULL without a heap of ours."},
        {"deallocation_rate", &R::deallocation_rate, Role::detail, "", "Frees per second."},
        {"r_squared", &R::r_squared, Role::detail, "ratio",
         "Of a straight line through the series; says nothing about the forecast."},
        {"confidence", &R::confidence, Role::gauge, "ratio",
         "Of the past forecasts with an interval about as wide, the share that was right within 5 "
         "% of the limit; NULL before there are enough of them."},
        {"trend", &R::trend, Role::detail, "",
         "decreasing, stable, increasing, or critical: 90 % of the limit will be reached within "
         "120 seconds, or is."},
        {"forecaster", &R::forecaster, Role::detail, "", "The option of that name."},
        {"is_confident", &R::is_confident, Role::gauge, "",
         "1: the interval is at most 5 points of the limit to either side."},
        {"time_to_critical_seconds", &R::time_to_critical_seconds, Role::gauge, "seconds",
         "Until 90 % of the limit; NULL if that is not in sight."},
        {"recommended_action", &R::recommended_action, Role::detail, "",
         "monitor, gentle_eviction, aggressive_eviction or emergency_cleanup."},
        {"is_warning", &R::is_warning, Role::gauge, "",
         "1: growth is steady and the forecaster has been right lately, or the level is high."},
        {"is_stale", &R::is_stale, Role::detail, "",
         "1: the last sample is older than three seconds; the option monitor keeps them coming."},
        {"samples", &R::samples, Role::detail, "", "How many the forecast is made of."},
        {"note", &R::note, Role::detail, "", "Why there is no forecast, if there is none."},
    });
    // clang-format on
  }
  static std::vector<MemoryForecastRow> snapshot(Sources& sources, Arguments arguments);
};

struct MemoryHistoryRow {
  std::string at;
  double age_seconds = 0;
  std::uint64_t used_bytes = 0;
  std::optional<std::uint64_t> limit_bytes;
  std::optional<double> usage_ratio;
  std::optional<std::uint64_t> resident_bytes, heap_held_bytes, pool_bytes;
  std::optional<double> allocation_rate, deallocation_rate;
  std::string response_stage;

  static constexpr auto describe() {
    using R = MemoryHistoryRow;
    // clang-format off
    return describe_table<R>("memory_history", "",
        "The sampled series, oldest first: the last history_size samples, one per sample_interval "
        "while something goes on, or as long as option monitor is thread.", {
        {"at", &R::at, Role::label, "", "When; UTC, with milliseconds."},
        {"age_seconds", &R::age_seconds, Role::detail, "seconds", "How long before now."},
        {"used_bytes", &R::used_bytes, Role::detail, "bytes",
         "What counted against the limit with the least room."},
        {"limit_bytes", &R::limit_bytes, Role::detail, "bytes", "That limit; NULL: none."},
        {"usage_ratio", &R::usage_ratio, Role::detail, "ratio", "used_bytes / limit_bytes."},
        {"resident_bytes", &R::resident_bytes, Role::detail, "bytes",
         "Resident set size of the process, from /proc/self/statm."},
        {"heap_held_bytes", &R::heap_held_bytes, Role::detail, "bytes",
         "What heap and buffer pool held; NULL without a heap of ours."},
        {"pool_bytes", &R::pool_bytes, Role::detail, "bytes",
         "Pages in the buffer pool; NULL without one."},
        {"allocation_rate", &R::allocation_rate, Role::detail, "",
         "Allocations per second since the sample before; NULL for the first."},
        {"deallocation_rate", &R::deallocation_rate, Role::detail, "", "Frees per second."},
        {"response_stage", &R::response_stage, Role::detail, "", "As in memory_pressure."},
    }, {
        {"seconds", ArgumentType::integer, false, "Only samples at most that old."},
    });
    // clang-format on
  }
  static std::vector<MemoryHistoryRow> snapshot(Sources& sources, Arguments arguments);
};

}  // namespace sqlitemem::stats
