// Feeds forecaster, level tracker and controller with the limit that has the least room.
#include "allocators/pressure/pressure_monitor.h"

#include <algorithm>
#include <new>

#include "allocators/base/bytes.h"

namespace sqlitemem {
namespace {

constexpr std::uint64_t hour_ns = 3'600'000'000'000;
constexpr std::uint64_t trough_span_ns = 20'000'000'000;
constexpr std::size_t most_troughs = 90;

double usage_of(std::uint64_t used, std::uint64_t limit) noexcept {
  return static_cast<double>(used) / static_cast<double>(limit);
}

}  // namespace

PressureMonitor::PressureMonitor(const PressureRules& rules)
    : rules_(rules), forecaster_(rules.forecaster) {
  levels_.set_levels(pressure_level_presets[rules.levels]);
}

void PressureMonitor::apply(const PressureRules& rules) noexcept {
  rules_ = rules;
  forecaster_.set_kind(rules.forecaster);
  levels_.set_levels(pressure_level_presets[rules.levels]);
  while (history_.size() > rules_.history_size) history_.pop_front();
}

void PressureMonitor::set_mode(ResponseMode mode) noexcept {
  rules_.mode = mode;
  if (mode == ResponseMode::off) stage_ = ResponseStage::none;
}

/// The one with the least headroom; but the one of the last sample, as long as no other has clearly
/// less: the series of two limits make no series.
const LimitReading* PressureMonitor::choose_limit(const LimitReadings& limits) const noexcept {
  const LimitReading* tightest = limits.tightest();
  if (tightest == nullptr) return nullptr;
  for (const LimitReading& each : limits.all) {
    if (each.source != source_ || each.name != limit_name_) continue;
    if (each.headroom_bytes() / 10 * 9 <= tightest->headroom_bytes()) return &each;
  }
  return tightest;
}

/// Ratios of before belong to another limit: they are seen as shares of this one from now on.
void PressureMonitor::follow_limit(const LimitReading& chosen) noexcept {
  const bool is_same = chosen.source == source_ && chosen.name == limit_name_;
  // What the machine can give changes all the time by what others use: that is no new limit.
  if (is_same && source_ != LimitSource::host && chosen.limit_bytes != limit_bytes_)
    forecaster_.rescale(usage_of(limit_bytes_, chosen.limit_bytes));
  if (!is_same) {
    ++limit_id_;
    forecaster_ = PressureForecaster(rules_.forecaster);
    try {
      limit_name_ = chosen.name;
    } catch (const std::bad_alloc&) {
      limit_name_.clear();
    }
  }
  source_ = chosen.source;
  limit_bytes_ = chosen.limit_bytes;
}

void PressureMonitor::keep(const PressureSample& sample) noexcept {
  try {
    history_.push_back(sample);
  } catch (const std::bad_alloc&) {
    if (!history_.empty()) history_.pop_front();
    return;
  }
  while (history_.size() > rules_.history_size) history_.pop_front();
}

void PressureMonitor::keep_trough(const PressureSample& sample) noexcept {
  const auto held = [](const PressureSample& of) {
    return of.heap_held_bytes != 0 ? of.heap_held_bytes : of.resident_bytes;
  };
  if (!troughs_.empty() && sample.at_ns - trough_begins_ns_ < trough_span_ns) {
    if (held(sample) <= held(troughs_.back())) troughs_.back() = sample;
    return;
  }
  try {
    troughs_.push_back(sample);
    trough_begins_ns_ = sample.at_ns;
  } catch (const std::bad_alloc&) {  // One span less.
  }
  if (troughs_.size() > most_troughs) troughs_.pop_front();
}

void PressureMonitor::note_stage(ResponseStage stage, std::uint64_t now_ns) noexcept {
  std::erase_if(events_ns_, [&](std::uint64_t at) { return now_ns - at > hour_ns; });
  if (stage_ == ResponseStage::none && stage != ResponseStage::none) {
    ++event_count_;
    try {
      events_ns_.push_back(now_ns);
    } catch (const std::bad_alloc&) {  // The total still counts it.
    }
  }
  stage_ = stage;
}

PressureOrder PressureMonitor::add(const PressureFigures& figures, Act act) noexcept {
  const LimitReadings& limits = *figures.limits;
  PressureOrder order;
  last_ns_ = figures.now_ns;
  psi_some_avg10_ = limits.psi_some_avg10;
  psi_full_avg10_ = limits.psi_full_avg10;
  try {
    note_ = limits.note;
  } catch (const std::bad_alloc&) {
    note_.clear();
  }
  if (const LimitReading* chosen = choose_limit(limits)) {
    follow_limit(*chosen);
    used_bytes_ = chosen->used_bytes;
    forecaster_.add(figures.now_ns, usage_of(used_bytes_, limit_bytes_));
    levels_.observe(usage_of(used_bytes_, limit_bytes_), figures.unix_ms);
    if (act == Act::yes) {
      order = controller_.observe({.at_ns = figures.now_ns,
                                   .used_bytes = used_bytes_,
                                   .limit_bytes = limit_bytes_,
                                   .file_bytes = chosen->file_bytes,
                                   .limit_id = limit_id_},
                                  rules_.mode);
    }
  } else {
    source_ = LimitSource::none;
    limit_bytes_ = 0;
    used_bytes_ = limits.resident_bytes.value_or(0);
    forecaster_ = PressureForecaster(rules_.forecaster);
    levels_.observe(0, figures.unix_ms);
    if (act == Act::yes) order = controller_.observe({.at_ns = figures.now_ns}, rules_.mode);
  }
  if (act == Act::yes) note_stage(order.stage, figures.now_ns);
  const PressureSample sample = {.at_ns = figures.now_ns,
                                 .at_unix_ms = figures.unix_ms,
                                 .used_bytes = used_bytes_,
                                 .limit_bytes = limit_bytes_,
                                 .resident_bytes = limits.resident_bytes.value_or(0),
                                 .heap_held_bytes = figures.heap_held_bytes,
                                 .pool_bytes = figures.pool_bytes,
                                 .allocations = figures.allocations,
                                 .freed = figures.frees,
                                 .stage = stage_};
  keep(sample);
  keep_trough(sample);
  return order;
}

void PressureMonitor::acted(ResponseStage stage, const char* action, std::uint64_t requested_bytes,
                            std::uint64_t freed_bytes) noexcept {
  controller_.acted(stage, requested_bytes, freed_bytes);
  last_action_ = action;
  last_freed_bytes_ = freed_bytes;
}

PressureReading PressureMonitor::reading(std::uint64_t now_ns) const {
  PressureReading reading;
  reading.level = levels_.level();
  reading.used_bytes = used_bytes_;
  if (limit_bytes_ != 0) reading.limit_bytes = limit_bytes_;
  reading.limit_source = source_;
  reading.limit_note = limit_name_;
  reading.since_unix_ms = levels_.since_unix_ms();
  reading.read_at_ns = now_ns;
  reading.stage = stage_;
  reading.last_action = last_action_;
  reading.last_freed_bytes = last_freed_bytes_;
  reading.psi_some_avg10 = psi_some_avg10_;
  reading.psi_full_avg10 = psi_full_avg10_;
  if (limit_bytes_ != 0) reading.forecast = forecaster_.reading(now_ns);
  reading.history.assign(history_.begin(), history_.end());
  reading.troughs.assign(troughs_.begin(), troughs_.end());
  reading.pressure_events = event_count_;
  reading.pressure_events_last_hour = static_cast<std::uint64_t>(
      std::count_if(events_ns_.begin(), events_ns_.end(),
                    [&](std::uint64_t at) { return at_least_zero(now_ns, at) <= hour_ns; }));
  reading.note = note_;
  return reading;
}

}  // namespace sqlitemem
