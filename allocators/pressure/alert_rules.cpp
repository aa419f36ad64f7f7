// Every alert: what it looks at, where it is raised and cleared, and what to do about it.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "allocators/base/bytes.h"
#include "allocators/pressure/alerts.h"

namespace sqlitemem {
namespace {

double number(std::uint64_t value) noexcept { return static_cast<double>(value); }
double share(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 0 : number(part) / number(whole);
}

/// "connection 7", without an allocation.
class ConnectionName {
 public:
  explicit ConnectionName(std::uint64_t connection_id) noexcept
      : bytes_(fmt::format_to_n(text_.data(), text_.size(), "connection {}", connection_id).size) {}
  [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), bytes_}; }

 private:
  std::array<char, 40> text_{};
  std::size_t bytes_;
};

bool read_usage(const AlertInputs& inputs, AlertMemory&, AlertSink& sink) noexcept {
  if (!inputs.usage) return false;
  const auto& [used, limit] = *inputs.usage;
  sink.take({"process", share(used, limit), {number(used), number(limit)}, {}, false});
  return true;
}

bool read_free(const AlertInputs& inputs, AlertMemory&, AlertSink& sink) noexcept {
  if (!inputs.usage) return false;
  const auto& [used, limit] = *inputs.usage;
  const std::uint64_t free = at_least_zero(limit, used);
  sink.take({"process", share(free, limit), {number(free), number(limit)}, {}, false});
  return true;
}

bool read_fragmentation(const AlertInputs& inputs, AlertMemory&, AlertSink& sink) noexcept {
  if (!inputs.fragmentation) return false;
  for (const FragmentationInput& part : *inputs.fragmentation) {
    const std::uint64_t waste = at_least_zero(part.held_bytes, part.wanted_bytes);
    sink.take({part.part,
               share(waste, part.held_bytes),
               {number(waste), number(part.held_bytes)},
               {},
               false});
  }
  return true;
}

bool read_events(const AlertInputs& inputs, AlertMemory&, AlertSink& sink) noexcept {
  if (!inputs.pressure_events_last_hour) return false;
  sink.take({"process", number(*inputs.pressure_events_last_hour), {}, {}, false});
  return true;
}

/// Less than before: the counter was reset since, and all of it is new.
bool has_counted(std::optional<std::uint64_t> now, std::uint64_t& before) noexcept {
  if (!now) return false;
  const bool is_new = *now != before && *now > 0;
  before = *now;
  return is_new;
}

bool read_refusals(const AlertInputs& inputs, AlertMemory& memory, AlertSink& sink) noexcept {
  if (!inputs.refusals) return false;
  const RefusalInput& now = *inputs.refusals;
  const bool is_heaps = has_counted(now.refused_by_heap, memory.refused_by_heap);
  const bool is_monitors = has_counted(now.refused_by_monitor, memory.refused_by_monitor);
  const bool is_new = is_heaps || is_monitors;
  Measured measured{"process",
                    number(now.last_requested_bytes),
                    {number(now.used_bytes), number(now.limit_bytes.value_or(0))},
                    {},
                    is_new};
  if (now.limit_bytes) measured.threshold = number(*now.limit_bytes);
  sink.take(measured);
  return true;
}

bool read_growth(const AlertInputs& inputs, AlertMemory&, AlertSink& sink) noexcept {
  if (!inputs.growth) return false;
  const Growth& growth = *inputs.growth;
  sink.take({growth.subject == GrowthSubject::heap ? "heap" : "process",
             growth.is_continuous ? growth.bytes_per_hour : 0,
             {number(growth.first_bytes), number(growth.last_bytes)},
             {},
             false});
  return true;
}

bool read_orphans(const AlertInputs& inputs, AlertMemory&, AlertSink& sink) noexcept {
  if (!inputs.orphans) return false;
  for (const OrphanInput& orphan : *inputs.orphans) {
    sink.take({ConnectionName(orphan.connection_id).view(),
               orphan.idle_seconds.value_or(0),
               {},
               orphan.allowed_idle_seconds,
               false});
  }
  return true;
}

bool read_log_sizes(const AlertInputs& inputs, AlertMemory&, AlertSink& sink) noexcept {
  if (!inputs.logs) return false;
  for (const WalInput& log : *inputs.logs)
    sink.take({log.database_file, number(log.log_bytes), {}, {}, false});
  return true;
}

bool read_pinned_frames(const AlertInputs& inputs, AlertMemory&, AlertSink& sink) noexcept {
  if (!inputs.logs) return false;
  for (const WalInput& log : *inputs.logs) {
    sink.take({log.database_file,
               number(log.pinned_frames),
               {number(log.holder_connection_id), 0},
               {},
               false});
  }
  return true;
}

bool read_forecast(const AlertInputs& inputs, AlertMemory&, AlertSink& sink) noexcept {
  if (!inputs.forecast) return false;
  const ForecastInput& forecast = *inputs.forecast;
  const double never = std::numeric_limits<double>::max();
  sink.take({"process",
             forecast.is_warning ? forecast.seconds_to_critical.value_or(never) : never,
             {forecast.current_ratio, 0},
             {},
             false});
  return true;
}

constexpr double megabytes = 1024.0 * 1024;

constexpr std::array<AlertRule, alert_rule_count> alert_rule_list = {{
    {"usage_high", Severity::warning, "ratio", AlertWhen::above, 0.70, 0.65, read_usage,
     "{value} of the memory limit are in use: {first} of {second}.", "bytes",
     "memory_stats() shows what holds it; force_garbage_collection() gives back what is free."},
    {"usage_critical", Severity::critical, "ratio", AlertWhen::above, 0.90, 0.85, read_usage,
     "{value} of the memory limit are in use: {first} of {second}.", "bytes",
     "Lower buffer_pool_size or raise the limit before requests are refused; "
     "force_garbage_collection() gives back what is free."},
    {"little_free", Severity::critical, "ratio", AlertWhen::below, 0.05, 0.08, read_free,
     "Only {value} of the memory limit are free: {first} of {second}.", "bytes",
     "SQLITE_NOMEM, or the kernel's killer, is near: end large transactions, close connections, or "
     "raise the limit."},
    {"fragmentation", Severity::warning, "ratio", AlertWhen::above, 0.20, 0.15, read_fragmentation,
     "{value} of what {subject} holds lies unused between what is in use: {first} of {second}.",
     "bytes",
     "fragmentation_stats() and slab_allocator_stats() show where; connections that are closed and "
     "opened anew pack what they hold."},
    {"fragmentation_severe", Severity::critical, "ratio", AlertWhen::above, 0.35, 0.30,
     read_fragmentation,
     "{value} of what {subject} holds lies unused between what is in use: {first} of {second}.",
     "bytes",
     "Long-lived objects are spread over many pages since a peak: close connections that were open "
     "then, and open them anew."},
    {"pressure_events", Severity::warning, "events", AlertWhen::above, 5, 3, read_events,
     "Memory came under pressure {value} times in the last hour.", "",
     "The limit is too small for the work, or a cache is too large: buffer_pool_advice() says what "
     "a smaller pool would cost; memory_responses() what each response gave."},
    {"allocation_failure", Severity::critical, "bytes", AlertWhen::happened, 0, 60, read_refusals,
     "A request for {value} was refused: {first} were in use, limit {threshold}.", "bytes",
     "SQLite reported SQLITE_NOMEM. Raise memory_limit, lower buffer_pool_size, or make "
     "transactions and values smaller."},
    {"continuous_growth", Severity::warning, "bytes_per_hour", AlertWhen::above, megabytes,
     megabytes / 2, read_growth,
     "What {subject} keeps after work is done has grown without pause, from {first} to {second}: "
     "{value}.",
     "bytes",
     "leak_suspects() names what grows; memory_snapshot() before and after a unit of work "
     "shows it exactly."},
    {"orphaned_transaction", Severity::warning, "seconds", AlertWhen::above, 0, 0, read_orphans,
     "The transaction of {subject} is orphaned; idle for {value} at least.", "",
     "orphaned_transactions() shows its statement and thread; kill_orphaned_transactions() rolls "
     "it back."},
    {"wal_growth", Severity::warning, "bytes", AlertWhen::above, 64 * megabytes, 32 * megabytes,
     read_log_sizes, "The write-ahead log of {subject} holds {value} of page versions.", "",
     "wal_stats() says whether a reader prevents checkpoints; if none does, "
     "force_garbage_collection(3) or PRAGMA wal_checkpoint runs one."},
    {"wal_blocked", Severity::warning, "frames", AlertWhen::above, 1000, 100, read_pinned_frames,
     "{value} frames of the write-ahead log of {subject} wait for an old reader (connection "
     "{first}, where 0 is one of another process or not known).",
     "", "End the reader's transaction, or reset its statement: open_transactions() shows both."},
    {"forecast", Severity::warning, "seconds", AlertWhen::below, 120, 240, read_forecast,
     "At {first} of the limit now, memory will be critical in {value} if it goes on so.", "ratio",
     "memory_forecast() shows how sure that is; the controller responds by itself, "
     "force_garbage_collection() does it now."},
}};

}  // namespace

const std::array<AlertRule, alert_rule_count>& alert_rules() noexcept { return alert_rule_list; }

AlertInputs alert_inputs_of(const PressureReading& reading) noexcept {
  AlertInputs inputs;
  if (reading.limit_bytes && *reading.limit_bytes > 0)
    inputs.usage = UsageInput{reading.used_bytes, *reading.limit_bytes};
  inputs.pressure_events_last_hour = reading.pressure_events_last_hour;
  inputs.refusals = RefusalInput{.refused_by_heap = std::nullopt,
                                 .refused_by_monitor = reading.refused_requests,
                                 .used_bytes = reading.used_bytes,
                                 .limit_bytes = reading.limit_bytes};
  inputs.growth = growth_in(reading);
  if (reading.forecast && !reading.forecast->is_stale) {
    inputs.forecast =
        ForecastInput{reading.forecast->is_warning, reading.forecast->seconds_to_critical,
                      reading.forecast->current};
  }
  return inputs;
}

}  // namespace sqlitemem
