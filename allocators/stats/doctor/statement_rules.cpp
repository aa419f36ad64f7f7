// Prepared statements: leaked, left between two rows, compiled again and again, sorting in memory.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "allocators/base/bytes.h"
#include "allocators/base/words.h"
#include "allocators/stats/doctor/doctor_rules.h"
#include "allocators/stats/leak_rows.h"

namespace sqlitemem::stats {
namespace {

Findings leaked_statements(const Examination& seen) {
  Findings findings;
  for (const LeakSuspectsRow& suspect : find_leak_suspects(seen)) {
    if (suspect.kind != "statement") continue;
    findings.push_back({fmt::format("{}: {} They hold {}.", quoted(suspect.subject),
                                    suspect.evidence, in_words(suspect.live_bytes.value_or(0))),
                        std::nullopt, suspect.live_bytes});
  }
  return findings;
}

Findings unreset_statements(const Examination& seen) {
  Findings findings;
  for (const OpenTransactionsRow& open : seen.transactions) {
    if (open.is_in_use || open.busy_statements.value_or(0) == 0 || !open.idle_seconds) continue;
    if (*open.idle_seconds < seen.orphan_idle_seconds) continue;
    findings.push_back({fmt::format(
        "Connection {} has {} statements between two rows, and nothing of it has moved for {}: {}.",
        open.connection_id, *open.busy_statements, seconds_in_words(*open.idle_seconds),
        open.last_sql ? quoted(*open.last_sql) : "text not known")});
  }
  return findings;
}

Findings thrashing_plans(const Examination& seen) {
  const PlanCacheSummaryRow& plans = seen.plans.summary;
  if (plans.evictions < 1000 || plans.evictions < plans.hits || plans.max_plans == 0) return {};
  Finding finding{
      fmt::format("{} statements were dropped for {} that were taken again; {} of {} "
                  "plans and {} of {} are in use.",
                  plans.evictions, plans.hits, plans.plans, plans.max_plans,
                  in_words(plans.memory_bytes), in_words(plans.max_bytes))};
  finding.fix_sql = is_share(plans.memory_bytes, plans.max_bytes, 0.8)
                        ? fix::set_option_bytes("plan_cache_max_bytes", 4 * plans.max_bytes)
                        : fix::set_option("plan_cache_max_plans",
                                          std::min<std::uint64_t>(1'000'000, 4 * plans.max_plans));
  return {finding};
}

Findings recompiled(const Examination& seen) {
  std::uint64_t reprepares = 0, runs = 0;
  for (const PlanCacheStatsRow& statement : seen.plans.statements) {
    reprepares += statement.reprepares;
    runs += statement.runs;
  }
  if (reprepares < 1000 || !is_share(reprepares, runs, 0.1)) return {};
  return {{fmt::format("The open statements ran {} times, and were compiled anew {} times.", runs,
                       reprepares)}};
}

/// Pages of temporary tables and sorts in memory: caches that no connection's database owns.
std::uint64_t temporary_bytes(const Examination& seen) {
  if (!seen.pool) return 0;
  std::uint64_t bytes = 0;
  for (const CacheTotals& cache : seen.pool->caches) {
    const bool is_owned = std::ranges::find(seen.pool->owners, cache.id, &CacheOwner::cache_id) !=
                          seen.pool->owners.end();
    if (!cache.is_purgeable && !is_owned) bytes += cache.frames * cache.frame_bytes;
  }
  return bytes;
}

Findings sorts_in_memory(const Examination& seen) {
  if (!seen.host.temp_is_in_memory.value_or(false)) return {};
  std::uint64_t sorts = 0;
  for (const PlanCacheStatsRow& statement : seen.plans.statements) sorts += statement.sorts;
  const std::uint64_t over =
      at_least_zero(seen.library.memory_peak.value_or(0), seen.library.memory_used.value_or(0));
  const std::uint64_t temporary = temporary_bytes(seen);
  if (sorts == 0 || std::max(over, temporary) < 16 * mib) return {};
  Finding finding{
      fmt::format("Temporary storage is memory. The open statements have sorted {} "
                  "times; temporary tables hold {} of pages now; at its peak SQLite "
                  "used {} more than now.",
                  sorts, in_words(temporary), in_words(over))};
  if (temporary >= 16 * mib) finding.severity = Severity::warning;
  return {finding};
}

constexpr auto statement_rule_list = std::to_array<DoctorRule>({
    {"statement_leak", Severity::warning, Judges::facts,
     "The same statement is open many times on one connection: most likely it is prepared again "
     "and again, and never finalized.",
     "Finalize it, or prepare it once and bind values; plan_cache_stats() lists every one.",
     leaked_statements},
    {"unreset_statement", Severity::warning, Judges::facts,
     "A statement was stepped, and neither finished nor reset: it keeps its transaction open.",
     "Call sqlite3_reset() as soon as the rows are read, also when the program stops early.",
     unreset_statements},
    {"plan_cache_thrash", Severity::info, Judges::facts,
     "The plan cache drops more statements than it gives back.",
     "Raise its limits, or bind values instead of writing them into the text.", thrashing_plans},
    {"statements_recompiled", Severity::info, Judges::facts,
     "Statements are compiled again and again, because the schema or values that plans depend on "
     "keep changing.",
     "Keep CREATE, DROP, ATTACH and ANALYZE out of the daily work; use TEMP tables once, and empty "
     "them.",
     recompiled},
    {"temp_store_memory", Severity::info, Judges::sizes,
     "Sorts and temporary tables stay in memory whatever their size: the peaks may be theirs.",
     "Open connections with PRAGMA temp_store = FILE before they have temporary tables (changing "
     "it drops them), or give the sorts an index.",
     sorts_in_memory},
});

}  // namespace

std::span<const DoctorRule> statement_rules() { return statement_rule_list; }

}  // namespace sqlitemem::stats
