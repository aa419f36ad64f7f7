// The tables of prepared statements: plan_cache_stats and plan_cache_summary.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct PlanCacheStatsRow {
  std::optional<std::uint64_t> plan_id;
  std::uint64_t connection_id = 0;
  std::string owner;
  std::string sql, fingerprint;
  std::uint64_t memory_bytes = 0, runs = 0;
  std::optional<std::uint64_t> hits;
  std::uint64_t reprepares = 0, sorts = 0;
  Flag is_busy;
  std::optional<double> idle_seconds;

  static constexpr auto describe() {
    using R = PlanCacheStatsRow;
    // clang-format off
    return describe_table<R>("plan_cache_stats", "",
        "Every prepared statement of the process, but for those of connections that another thread "
        "is using just now, which are not waited for (plan_cache_summary counts them).", {
        {"plan_id", &R::plan_id, Role::label, "",
         "Its number among the statements that the cache has come to know; NULL for others."},
        {"connection_id", &R::connection_id, Role::label, "", "As in connection_memory."},
        {"owner", &R::owner, Role::label, "",
         "cache: finalized or released by the program, and kept for re-use; app: prepared by the "
         "program (or by an extension) and not finalized; vtab: a full-text or R-tree module's, "
         "recognised by the name of the table that it keeps its data in."},
        {"sql", &R::sql, Role::detail, "", "Its text."},
        {"fingerprint", &R::fingerprint, Role::detail, "",
         "The text with every value as ?, every list of values as (...), words in lower case and "
         "no comments: the same for statements that differ only in values."},
        {"memory_bytes", &R::memory_bytes, Role::gauge, "bytes", "What the statement holds."},
        {"runs", &R::runs, Role::counter, "", "How often it was run."},
        {"hits", &R::hits, Role::counter, "",
         "How often it was taken from the cache; NULL for statements that the cache does not "
         "know."},
        {"reprepares", &R::reprepares, Role::counter, "",
         "How often SQLite compiled it again, after a change of the schema or of a value that the "
         "plan depends on."},
        {"sorts", &R::sorts, Role::counter, "",
         "How often it sorted rows because no index had them in order; since it was compiled."},
        {"is_busy", &R::is_busy, Role::detail, "",
         "1: it was stepped, and neither finished nor was reset. The statement that asks is."},
        {"idle_seconds", &R::idle_seconds, Role::detail, "",
         "How long it has been waiting in the cache, to about 4 ms; NULL if it is in use."},
    });
    // clang-format on
  }
  static std::vector<PlanCacheStatsRow> snapshot(Sources& sources, Arguments arguments);
};

struct PlanCacheSummaryRow {
  std::uint64_t plans = 0, memory_bytes = 0, max_plans = 0, max_bytes = 0;
  std::uint64_t hits = 0, misses = 0;
  std::optional<double> hit_ratio;
  std::uint64_t evictions = 0, cleared = 0;
  std::uint64_t connections_skipped = 0;

  static constexpr auto describe() {
    using R = PlanCacheSummaryRow;
    // clang-format off
    return describe_table<R>("plan_cache_summary", "plan_cache",
        "The statements that the plan cache keeps for re-use, and what that has saved, in one row. "
        "It works for programs that call sqlitemem_prepare_cached(), and under preload with the "
        "option plan_cache on.", {
        {"plans", &R::plans, Role::gauge, "", "Statements that wait to be taken again."},
        {"memory_bytes", &R::memory_bytes, Role::gauge, "bytes", "What they hold."},
        {"max_plans", &R::max_plans, Role::gauge, "", "The option plan_cache_max_plans."},
        {"max_bytes", &R::max_bytes, Role::gauge, "bytes", "The option plan_cache_max_bytes."},
        {"hits", &R::hits, Role::counter, "", "Statements that were taken instead of compiled."},
        {"misses", &R::misses, Role::counter, "",
         "Statements that could have been taken, had they been there. Under preload also those "
         "seen for the first time."},
        {"hit_ratio", &R::hit_ratio, Role::gauge, "ratio",
         "hits / (hits + misses); NULL before the first."},
        {"evictions", &R::evictions, Role::counter, "",
         "Statements finalized because the limits were reached or lowered."},
        {"cleared", &R::cleared, Role::counter, "", "Statements that clear_plan_cache() dropped."},
        {"connections_skipped", &R::connections_skipped, Role::gauge, "",
         "Connections that are not in plan_cache_stats now, because another thread was inside."},
    });
    // clang-format on
  }
  static std::vector<PlanCacheSummaryRow> snapshot(Sources& sources, Arguments arguments);
};

/// What the tables are filled from, read in one go.
struct PlanReading {
  std::vector<PlanCacheStatsRow> statements;
  PlanCacheSummaryRow summary;
};

}  // namespace sqlitemem::stats
