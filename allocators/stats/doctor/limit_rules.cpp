// Limits: how near they are, what was refused, what is promised beyond them, where it is heading.
#include <fmt/format.h>

#include "allocators/base/bytes.h"
#include "allocators/base/words.h"
#include "allocators/stats/doctor/doctor_rules.h"

namespace sqlitemem::stats {
namespace {

std::string limit_words(const LimitInForce& limit) {
  return as_sentence(fmt::format("{} of {} are in use ({}){}", in_words(limit.used_bytes),
                                 in_words(limit.limit_bytes),
                                 percent_of(limit.used_bytes, limit.limit_bytes),
                                 limit.source.empty() ? "" : ": " + limit.source));
}

Findings near_limit(const Examination& seen) {
  if (!seen.limit || !is_share(seen.limit->used_bytes, seen.limit->limit_bytes, 0.8)) return {};
  Finding finding{limit_words(*seen.limit), fix::collect(3)};
  if (is_share(seen.limit->used_bytes, seen.limit->limit_bytes, 0.9))
    finding.severity = Severity::critical;
  return {finding};
}

Findings refused(const Examination& seen) {
  if (!seen.heap) return {};
  const HeapTotals& totals = seen.heap->figures.totals;
  const std::uint64_t pages = seen.pool ? seen.pool->totals.failures : 0;
  if (totals.failures + pages == 0) return {};
  std::string evidence =
      fmt::format("{} requests and {} pages were refused", totals.failures, pages);
  if (totals.last_refused_bytes > 0)
    evidence += fmt::format(", the last for {}", in_words(totals.last_refused_bytes));
  evidence += totals.limit_bytes == 0
                  ? "; memory_limit is not set."
                  : fmt::format("; memory_limit is {}, held are {}.", in_words(totals.limit_bytes),
                                in_words(totals.held_bytes));
  return {{evidence}};
}

Findings promised_too_much(const Examination& seen) {
  if (!seen.limit) return {};
  const std::uint64_t limit = seen.limit->limit_bytes;
  if (seen.pool) {
    const std::uint64_t budget = seen.pool->totals.budget_bytes;
    if (budget <= limit) return {};
    return {{fmt::format("The buffer pool may grow to {}, the limit is {}.", in_words(budget),
                         in_words(limit)),
             fix::set_option_bytes("buffer_pool_size", limit / 4)}};
  }
  const std::uint64_t count = seen.connections.size();
  const std::uint64_t each = seen.host.cache_bytes.value_or(0);
  if (count < 2 || each * count <= limit) return {};
  return {{fmt::format("This connection may cache {}. {} connections are open: if all are set so, "
                       "that is {}; the limit is {}.",
                       in_words(each), count, in_words(each * count), in_words(limit)),
           fix::cache_size(limit / 4 / count)}};
}

Findings growing(const Examination& seen) {
  if (!seen.growth || !seen.growth->is_continuous) return {};
  const Growth& growth = *seen.growth;
  return {
      {fmt::format("What the {} keeps between bursts of work rose from {} to {} in {}: {} per "
                   "hour.",
                   growth.subject == GrowthSubject::heap ? "heap" : "process",
                   in_words(growth.first_bytes), in_words(growth.last_bytes),
                   seconds_in_words(growth.seconds), bytes_in_words(growth.bytes_per_hour))}};
}

Findings heading_for_limit(const Examination& seen) {
  if (!seen.pressure || !seen.pressure->forecast) return {};
  const ForecastReading& forecast = *seen.pressure->forecast;
  if (!forecast.is_warning || forecast.is_stale) return {};
  std::string evidence = fmt::format("Memory is at {:.0f} % of the limit", 100 * forecast.current);
  if (forecast.seconds_to_critical) {
    evidence += fmt::format(", and at this rate at 90 % in {}",
                            seconds_in_words(*forecast.seconds_to_critical));
  }
  return {{evidence + ".", fix::collect(2)}};
}

Findings often_under_pressure(const Examination& seen) {
  if (!seen.pressure || seen.pressure->pressure_events_last_hour <= 5) return {};
  return {{fmt::format("{} times in the last hour, {} since the start; the last response was: {}.",
                       seen.pressure->pressure_events_last_hour, seen.pressure->pressure_events,
                       seen.pressure->last_action.empty() ? "none" : seen.pressure->last_action)}};
}

constexpr auto limit_rule_list = std::to_array<DoctorRule>({
    {"limit_near", Severity::warning, Judges::facts,
     "Memory is near the limit: at the limit SQLite reports SQLITE_NOMEM, or the kernel kills.",
     "Give back what is free, end large transactions, lower buffer_pool_size, or raise the limit.",
     near_limit},
    {"requests_refused", Severity::critical, Judges::facts,
     "Requests for memory were refused: SQLite reported SQLITE_NOMEM.",
     "Raise memory_limit, or lower buffer_pool_size; memory_alerts() says when it happened. "
     "reset_memory_stats() sets the count to zero.",
     refused},
    {"caches_above_limit", Severity::warning, Judges::facts,
     "Page caches may grow beyond the memory limit: cache_size holds for each connection.",
     "Set one budget for all (buffer_pool_size), or divide the limit by the number of connections.",
     promised_too_much},
    {"continuous_growth", Severity::warning, Judges::sizes,
     "Memory has grown without pause, and does not level off.",
     "leak_suspects() names what grows; memory_snapshot() before and after a unit of work shows "
     "it exactly.",
     growing},
    {"forecast_critical", Severity::warning, Judges::facts,
     "If it goes on like this, memory will be critical within minutes.",
     "Give back what is free now; memory_forecast() shows how sure that is.", heading_for_limit},
    {"pressure_often", Severity::warning, Judges::facts,
     "Memory comes under pressure again and again: caches are emptied and filled anew.",
     "Raise the limit, or lower buffer_pool_size so that the work fits beside it; "
     "memory_responses() shows what each response gave.",
     often_under_pressure},
});

}  // namespace

std::span<const DoctorRule> limit_rules() { return limit_rule_list; }

}  // namespace sqlitemem::stats
