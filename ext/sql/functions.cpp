// The bodies of the SQL functions.
#include "ext/sql/functions.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "allocators/base/words.h"
#include "allocators/manager/process_arenas.h"
#include "allocators/manager/process_heap.h"
#include "allocators/manager/process_pool.h"
#include "allocators/stats/report/memory_report.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/snapshots.h"
#include "allocators/stats/tables.h"
#include "ext/host/connections.h"
#include "ext/host/mode.h"
#include "ext/host/page_cache_hook.h"
#include "ext/host/transaction_kill.h"
#include "ext/plans/plan_report.h"
#include "ext/pressure/running_steps.h"
#include "ext/sql/answer.h"
#include "ext/sql/collection.h"
#include "ext/sql/config_writer.h"
#include "ext/sql/live_sources.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext::function_bodies {
namespace {

/// The heap, or a refusal that says which mode has one.
MemoryManager& our_heap() {
  if (heap_is_ours()) return process_heap();
  throw stats::Refusal(
      "needs our heap; start the program with LD_PRELOAD=libsqlitemem_preload.so, or load the "
      "extension into a single-threaded process. Now observing: " +
      mode_report().reason);
}

std::int64_t collection_level(int count, sqlite3_value** arguments) {
  if (count == 0 || sqlite3_value_type(arguments[0]) == SQLITE_NULL) return 3;
  const auto level = integer_of(arguments[0]);
  if (level && *level >= 1 && *level <= 3) return *level;
  throw stats::Refusal(
      "level must be 1 (page caches of connections at rest), 2 (also the heap's free memory) or 3 "
      "(also the C library's free memory, and WAL checkpoints)");
}

/// The pool, or a refusal that says which mode has one.
BufferPool& our_pool(sqlite3* db) {
  if (pool_is_ours()) return process_pool();
  throw stats::Refusal("needs the buffer pool, which this process does not have: " +
                       LiveSources(db).pool_note());
}

double min_idle_seconds(int count, sqlite3_value** arguments) {
  if (count == 0 || sqlite3_value_type(arguments[0]) == SQLITE_NULL)
    return static_cast<double>(option(&Config::orphan_idle_time)) / 1000;
  const auto given = integer_of(arguments[0]);
  if (given && *given >= 0) return static_cast<double>(*given);
  throw stats::Refusal("min_idle_seconds must be an integer, 0 or more");
}

KillMode kill_mode(int count, sqlite3_value** arguments) {
  if (count < 2 || sqlite3_value_type(arguments[1]) == SQLITE_NULL) return KillMode::kill;
  const std::string mode = text_of(arguments[1]);
  if (mode == "dry_run") return KillMode::dry_run;
  if (mode == "kill") return KillMode::kill;
  if (mode == "force") return KillMode::force;
  throw stats::Refusal("mode must be 'dry_run', 'kill' or 'force', not " + quoted(mode));
}

std::string describe(const Violation& broken) {
  std::string text = fmt::format("broken rule: {} (expected {}, actual {}", broken.rule,
                                 broken.expected, broken.actual);
  if (broken.address != 0) text += fmt::format(", at {:#x}", broken.address);
  return text + ")";
}

}  // namespace

void memory_mode(sqlite3_context* context, int, sqlite3_value**) {
  answer(context, "memory_mode", [] {
    const ModeReport report = mode_report();
    const std::string remarks = mode_remarks();
    return fmt::format("{}: {}{}{}", mode_name(report.mode), report.reason,
                       remarks.empty() ? "" : " ", remarks);
  });
}

void sqlitemem_version(sqlite3_context* context, int, sqlite3_value**) {
  answer(context, "sqlitemem_version", [] { return std::string_view(SQLITEMEM_VERSION); });
}

void force_garbage_collection(sqlite3_context* context, int count, sqlite3_value** arguments) {
  answer(context, "force_garbage_collection", [&] {
    return collect_garbage(sqlite3_context_db_handle(context), collection_level(count, arguments));
  });
}

void buffer_pool_evict(sqlite3_context* context, int count, sqlite3_value** arguments) {
  answer(context, "buffer_pool_evict", [&] {
    sqlite3* db = sqlite3_context_db_handle(context);
    BufferPool& pool = our_pool(db);
    std::int64_t percent = 100;
    if (count > 0 && sqlite3_value_type(arguments[0]) != SQLITE_NULL) {
      const auto given = integer_of(arguments[0]);
      if (!given || *given < 0 || *given > 100)
        throw stats::Refusal("percent must be 0 to 100, of the pages that can be evicted");
      percent = *given;
    }
    std::uint64_t given = 0;
    Collection collection(db, fmt::format("buffer_pool_evict({})", percent));
    collection.run("buffer_pool", [&] {
      const std::uint64_t before = pool.evictable_frames();
      given = pool.evict((before * static_cast<std::uint64_t>(percent) + 99) / 100);
      return StepCounts{at_least_zero(before, pool.evictable_frames()), std::nullopt, std::nullopt};
    });
    collection.write_down();
    return given;
  });
}

void clear_plan_cache(sqlite3_context* context, int count, sqlite3_value** arguments) {
  answer(context, "clear_plan_cache", [&]() -> std::uint64_t {
    std::int64_t percent = 100;
    if (count > 0 && sqlite3_value_type(arguments[0]) != SQLITE_NULL) {
      const auto given = integer_of(arguments[0]);
      if (!given || *given < 0 || *given > 100)
        throw stats::Refusal("percent must be 0 to 100, of the statements that are kept");
      percent = *given;
    }
    return plans::clear_cached(static_cast<unsigned>(percent));
  });
}

void coalesce_all(sqlite3_context* context, int, sqlite3_value**) {
  answer(context, "coalesce_all", [&] {
    our_heap();
    Collection collection(sqlite3_context_db_handle(context), "coalesce_all()");
    collection.run("heap", [] {
      process_heap().coalesce_all();
      return StepCounts{};
    });
    collection.write_down();
    return collection.returned_bytes();
  });
}

void kill_orphaned_transactions(sqlite3_context* context, int count, sqlite3_value** arguments) {
  answer(context, "kill_orphaned_transactions", [&] {
    const double min_idle = min_idle_seconds(count, arguments);
    const KillMode mode = kill_mode(count, arguments);
    return ext::kill_orphaned_transactions(sqlite3_context_db_handle(context), min_idle, mode);
  });
}

void connection_priority(sqlite3_context* context, int count, sqlite3_value** arguments) {
  answer(context, "connection_priority", [&]() -> std::string_view {
    sqlite3* db = sqlite3_context_db_handle(context);
    if (count > 0 && sqlite3_value_type(arguments[0]) != SQLITE_NULL) {
      const std::string priority = text_of(arguments[0]);
      if (priority != "low" && priority != "normal")
        throw stats::Refusal("priority must be 'low' or 'normal', not " + quoted(priority));
      set_low_priority(db, priority == "low");
    }
    return has_low_priority(db) ? "low" : "normal";
  });
}

void memory_snapshot(sqlite3_context* context, int count, sqlite3_value** arguments) {
  answer(context, "memory_snapshot", [&] {
    std::optional<std::string> label;
    if (count > 0 && sqlite3_value_type(arguments[0]) != SQLITE_NULL) label = text_of(arguments[0]);
    LiveSources sources(sqlite3_context_db_handle(context));
    return stats::snapshot_store().add(stats::take_snapshot(sources, std::move(label)));
  });
}

void memory_report(sqlite3_context* context, int count, sqlite3_value** arguments) {
  answer(context, "memory_report", [&] {
    const auto is_given = [&](int index) {
      return count > index && sqlite3_value_type(arguments[index]) != SQLITE_NULL;
    };
    std::optional<std::int64_t> width;
    if (is_given(1)) {
      width = integer_of(arguments[1]);
      if (!width) throw stats::Refusal("width must be an integer");
    }
    const auto style = stats::report::parse_style(is_given(0) ? text_of(arguments[0]) : "", width,
                                                  std::getenv("COLUMNS"));
    const ModeReport mode = mode_report();
    LiveSources sources(sqlite3_context_db_handle(context));
    auto figures =
        stats::report::gather(sources, {.version = SQLITEMEM_VERSION,
                                        .mode = mode_name(mode.mode),
                                        .reason = mode.mode == Mode::managed ? "" : mode.reason,
                                        .process = program_invocation_short_name,
                                        .process_id = static_cast<std::uint64_t>(::getpid())});
    stats::report::add_notices(sources, figures);
    return stats::report::format_report(figures, style);
  });
}

void reset_memory_stats(sqlite3_context* context, int, sqlite3_value**) {
  answer(context, "reset_memory_stats", [] {
    our_heap().reset_statistics();
    if (pool_is_ours()) process_pool().reset_statistics();
    process_arenas().reset_statistics();
    stats::note_statistics_reset(std::time(nullptr));
    return std::int64_t{1};
  });
}

void memory_heap_check(sqlite3_context* context, int, sqlite3_value**) {
  answer(context, "memory_heap_check", []() -> std::string {
    our_heap();  // Or a refusal.
    auto broken = heap_find_violation();
    if (!broken && pool_is_ours()) broken = process_pool().find_violation();
    if (!broken && pool_is_ours()) broken = process_pool().adviser().find_violation();
    if (!broken) broken = process_arenas().find_violation();
    return broken ? describe(*broken) : "ok";
  });
}

void memory_config(sqlite3_context* context, int count, sqlite3_value** arguments) {
  answer(context, "memory_config", [&]() -> std::string {
    const std::string name = text_of(arguments[0]);
    Writer<stats::MemoryConfigRow>::require_known(name);
    if (count > 1) {
      if (sqlite3_value_type(arguments[1]) == SQLITE_NULL) {
        throw CodedRefusal(SQLITE_CONSTRAINT, "setting must not be NULL");
      }
      std::string pending = set_option_from_sql(name, text_of(arguments[1]));
      if (!pending.empty()) return pending;
    }
    for (const OptionSpec& spec : options) {
      if (spec.name == name) return option_state(spec).setting;
    }
    return {};
  });
}

void prometheus_metrics(sqlite3_context* context, int count, sqlite3_value** arguments) {
  answer(context, "prometheus_metrics", [&] {
    const std::string wanted = count > 0 ? text_of(arguments[0]) : std::string();
    if (!wanted.empty() && wanted != "prometheus" && wanted != "openmetrics") {
      throw stats::Refusal("format must be 'prometheus' or 'openmetrics', not " + quoted(wanted));
    }
    LiveSources sources(sqlite3_context_db_handle(context));
    return stats::format_metrics(stats::collect_metrics(sources),
                                 wanted == "openmetrics" ? stats::MetricFormat::openmetrics
                                                         : stats::MetricFormat::prometheus);
  });
}

}  // namespace sqlitemem::ext::function_bodies
