// Fills memory_alerts, and gathers what the alerts look at.
#include "allocators/stats/alert_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "allocators/base/bytes.h"
#include "allocators/base/words.h"
#include "allocators/config.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/sources.h"
#include "allocators/stats/wal_rows.h"

namespace sqlitemem::stats {
namespace {

/// The C library keeps some free memory on purpose; in a small heap that is a large share.
constexpr std::uint64_t least_c_library_bytes = 16 * mib;

std::string time_text(std::int64_t unix_ms) {
  return iso8601(static_cast<std::time_t>(unix_ms / 1000));
}

Severity least_severity(Arguments arguments) {
  const auto* given = std::get_if<std::string>(&arguments[0]);
  if (given == nullptr) return Severity::info;
  const auto found = std::ranges::find(severity_names, *given);
  if (found != severity_names.end()) return static_cast<Severity>(found - severity_names.begin());
  throw Refusal(fmt::format("{} is no severity: info, warning or critical{}", quoted(*given),
                            nearest_words(*given, severity_names)));
}

/// Parts that are large enough to judge. Idle memory that a collection can return is no
/// fragmentation. The C library's heap is SQLite's only where ours is not.
std::vector<FragmentationInput> fragmentation_inputs(Reading& reading) {
  std::vector<FragmentationInput> parts;
  const auto add = [&](const char* part, std::uint64_t wanted, std::uint64_t held,
                       std::uint64_t least) {
    if (held >= least) parts.push_back({part, wanted, held});
  };
  if (const PoolReading* pool = reading.pool()) {
    const PoolTotals& totals = pool->totals;
    add("buffer_pool", totals.used_bytes + totals.unevictable_bytes,
        at_least_zero(totals.held_bytes, totals.free_bytes), mib);
  }
  if (const HeapReading* heap = reading.heap()) {
    const HeapFigures& figures = heap->figures;
    const std::uint64_t live =
        figures.slab_live_bytes + figures.run_live_bytes + figures.large.live_bytes;
    add("heap", live, live + scattered_free_bytes(figures), mib);
  } else if (const auto& memory = reading.resident().c_library; memory.used_bytes) {
    add("c_library", *memory.used_bytes, memory.held_bytes.value_or(0), least_c_library_bytes);
  }
  return parts;
}

void add_refusals(Reading& reading, AlertInputs& inputs) {
  const HeapReading* heap = reading.heap();
  if (heap == nullptr) return;
  const HeapTotals& totals = heap->figures.totals;
  if (!inputs.refusals) inputs.refusals = RefusalInput{};
  RefusalInput& refusals = *inputs.refusals;
  const PoolReading* pool = reading.pool();
  refusals.refused_by_heap = totals.failures + (pool == nullptr ? 0 : pool->totals.failures);
  refusals.last_requested_bytes = totals.last_refused_bytes;
  refusals.used_bytes = totals.held_bytes;
  refusals.limit_bytes = std::nullopt;
  if (totals.limit_bytes != 0) refusals.limit_bytes = totals.limit_bytes;
}

std::vector<OrphanInput> orphan_inputs(Reading& reading) {
  const double idle_seconds = static_cast<double>(option(&Config::orphan_idle_time)) / 1000;
  std::vector<OrphanInput> orphans;
  for (const OpenTransactionsRow& row : reading.transactions()) {
    if (!is_orphaned(row, idle_seconds)) continue;
    const bool by_idleness = row.idle_seconds.value_or(0) >= idle_seconds;
    orphans.push_back({row.connection_id, row.idle_seconds, by_idleness ? idle_seconds : 0});
  }
  return orphans;
}

/// Frames that wait for a reader that has been there for a while.
std::uint64_t frames_pinned_for_long(const WalStatsRow& log,
                                     const std::vector<OpenTransactionsRow>& transactions) {
  if (!log.oldest_reader_connection_id)
    return log.is_oldest_elsewhere.value_or(false) ? log.pinned_frames.value_or(0) : 0;
  const auto holder = std::ranges::find(transactions, *log.oldest_reader_connection_id,
                                        &OpenTransactionsRow::connection_id);
  const bool is_old =
      holder != transactions.end() && holder->age_seconds.value_or(0) >= old_reader_seconds;
  return is_old ? log.pinned_frames.value_or(0) : 0;
}

std::vector<WalInput> read_logs(Sources& sources) {
  std::vector<WalInput> logs;
  for (const WalStatsRow& row : sources.reading().logs()) {
    auto log = std::ranges::find(logs, row.database_file, &WalInput::database_file);
    if (log == logs.end())
      log = logs.insert(logs.end(), WalInput{.database_file = row.database_file});
    log->log_bytes =
        std::max(log->log_bytes, row.frames * (row.page_bytes + wal_frame_header_bytes));
    const std::uint64_t pinned = frames_pinned_for_long(row, sources.reading().transactions());
    if (pinned <= log->pinned_frames) continue;
    log->pinned_frames = pinned;
    log->holder_connection_id = row.oldest_reader_connection_id.value_or(0);
  }
  return logs;
}

}  // namespace

std::optional<LimitInForce> read_limit_in_force(Reading& reading) {
  if (const PressureReading* pressure = reading.pressure();
      pressure != nullptr && pressure->limit_bytes && *pressure->limit_bytes > 0) {
    return LimitInForce{pressure->used_bytes, *pressure->limit_bytes, pressure->limit_note};
  }
  std::optional<LimitInForce> nearest;
  const auto consider = [&](std::uint64_t used, std::uint64_t limit, const char* source) {
    if (limit == 0) return;
    const auto share = [](const LimitInForce& of) {
      return static_cast<double>(of.used_bytes) / static_cast<double>(of.limit_bytes);
    };
    const LimitInForce candidate{used, limit, source};
    if (!nearest || share(candidate) > share(*nearest)) nearest = candidate;
  };
  if (const HeapReading* heap = reading.heap())
    consider(heap->figures.totals.held_bytes, heap->figures.totals.limit_bytes,
             "the heap, against memory_limit");
  // The group's own usage counts cached files, which the kernel takes back: it says little.
  const ResidentReading& resident = reading.resident();
  if (resident.process.resident_bytes && resident.group.limit_bytes) {
    consider(*resident.process.resident_bytes, *resident.group.limit_bytes,
             "this process, against the control group's limit");
  }
  return nearest;
}

AlertInputs read_alert_inputs(Sources& sources) {
  Reading& reading = sources.reading();
  AlertInputs inputs;
  if (const PressureReading* pressure = reading.pressure()) inputs = alert_inputs_of(*pressure);
  if (!inputs.usage) {
    if (const auto limit = read_limit_in_force(reading))
      inputs.usage = UsageInput{limit->used_bytes, limit->limit_bytes};
  }
  inputs.fragmentation = fragmentation_inputs(reading);
  add_refusals(reading, inputs);
  inputs.orphans = orphan_inputs(reading);
  inputs.logs = read_logs(sources);
  return inputs;
}

std::vector<MemoryAlertsRow> MemoryAlertsRow::snapshot(Sources& sources, Arguments arguments) {
  const Severity least = least_severity(arguments);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  alert_book().evaluate(read_alert_inputs(sources),
                        std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  std::vector<MemoryAlertsRow> rows;
  for (const Alert& alert : alert_book().all()) {
    if (alert.rule->severity < least) continue;
    MemoryAlertsRow row;
    row.alert_id = alert.alert_id;
    row.code = alert.rule->code;
    row.severity = name_of(alert.rule->severity);
    row.subject = alert.subject;
    row.raised_at = time_text(alert.raised_at_unix_ms);
    if (alert.cleared_at_unix_ms) row.cleared_at = time_text(*alert.cleared_at_unix_ms);
    if (alert.rule->when != AlertWhen::happened || alert.value > 0) row.value = alert.value;
    row.threshold = alert.threshold;
    row.unit = alert.rule->unit;
    row.message = alert.message();
    row.advice = alert.rule->advice;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sqlitemem::stats
