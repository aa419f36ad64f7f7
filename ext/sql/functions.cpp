// The bodies of the SQL functions.
#include "ext/sql/functions.h"

#include <fmt/format.h>
#include <malloc.h>

#include <ctime>

#include "allocators/base/words.h"
#include "allocators/manager/process_heap.h"
#include "allocators/manager/process_pool.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/snapshots.h"
#include "allocators/stats/tables.h"
#include "ext/host/connections.h"
#include "ext/host/mode.h"
#include "ext/host/page_cache_hook.h"
#include "ext/sql/config_writer.h"
#include "ext/sql/guarded.h"
#include "ext/sql/live_sources.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext::function_bodies {
namespace {

/// Sets the result to what `body` returns, or to an error "name: words".
template <class Body>
void answer(sqlite3_context* context, const char* name, Body&& body) noexcept {
  bool is_worded = false;
  const auto report = [&](const char* words) {
    char* message = sqlite3_mprintf("%s: %s", name, words);
    sqlite3_result_error(context, message != nullptr ? message : words, -1);
    sqlite3_free(message);
    is_worded = true;
  };
  const int rc = guarded(report, [&] {
    set_result(context, body());
    return SQLITE_OK;
  });
  if (rc == SQLITE_NOMEM) {
    sqlite3_result_error_nomem(context);
  } else if (rc != SQLITE_OK) {
    if (!is_worded) sqlite3_result_error(context, "internal error", -1);
    sqlite3_result_error_code(context, rc);  // Keeps the message.
  }
}

/// The heap, or a refusal that says which mode has one.
MemoryManager& our_heap() {
  if (heap_is_ours()) return process_heap();
  throw stats::Refusal(
      "needs our heap; start the program with LD_PRELOAD=libsqlitemem_preload.so, or load the "
      "extension into a single-threaded process. Now observing: " +
      mode_report().reason);
}

/// What SQLite uses: by our count, else by its own; nullopt if nobody counts.
std::optional<std::uint64_t> library_bytes(sqlite3* db) {
  const stats::LibraryFigures library = LiveSources(db).sqlite_figures();
  if (!heap_is_ours()) return library.memory_used;
  const std::uint64_t pages = pool_is_ours() ? process_pool().pages_in_use().bytes : 0;
  return process_heap().totals().live_bytes + pages + library.outside_bytes.value_or(0);
}

std::int64_t collection_level(int count, sqlite3_value** arguments) {
  if (count == 0 || sqlite3_value_type(arguments[0]) == SQLITE_NULL) return 3;
  const auto level = integer_of(arguments[0]);
  if (level && *level >= 1 && *level <= 3) return *level;
  throw stats::Refusal(
      "level must be 1 (page caches of connections at rest), 2 (also the heap's free memory) or 3 "
      "(also the C library's free memory)");
}

/// What went back to the system is what is no longer resident: pages that were only set aside, and
/// never touched, are given up by a collection as well, and free nothing.
std::uint64_t resident_heap_bytes() {
  const ResidentBytes resident = process_heap().resident();
  const std::uint64_t pages = pool_is_ours() ? process_pool().resident().pages : 0;
  return resident.slabs + resident.runs + resident.large + pages;
}

/// The C library keeps what is freed in the middle of its heap: older blocks of SQLite, and all of
/// them in observing mode.
void trim_c_library() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

/// What the caches give, as SQLite's use falls.
std::optional<std::uint64_t> release_caches(sqlite3* db) {
  const auto before = library_bytes(db);
  release_connection_memory(db);
  const auto after = library_bytes(db);
  if (!before || !after) return std::nullopt;
  return at_least_zero(*before, *after);
}

std::optional<std::uint64_t> collect(sqlite3* db, std::int64_t level) {
  std::uint64_t before = 0;
  if (heap_is_ours() && level >= 2) before = resident_heap_bytes();
  std::optional<std::uint64_t> released = release_caches(db);
  if (heap_is_ours() && level >= 2) {
    heap_collect();
    if (pool_is_ours()) process_pool().trim();
    released = at_least_zero(before, resident_heap_bytes());
  }
  if (level >= 3) trim_c_library();
  return released;
}

/// The pool, or a refusal that says which mode has one.
BufferPool& our_pool(sqlite3* db) {
  if (pool_is_ours()) return process_pool();
  throw stats::Refusal("needs the buffer pool, which this process does not have: " +
                       LiveSources(db).pool_note());
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
    return collect(sqlite3_context_db_handle(context), collection_level(count, arguments));
  });
}

void buffer_pool_evict(sqlite3_context* context, int count, sqlite3_value** arguments) {
  answer(context, "buffer_pool_evict", [&] {
    BufferPool& pool = our_pool(sqlite3_context_db_handle(context));
    std::int64_t percent = 100;
    if (count > 0 && sqlite3_value_type(arguments[0]) != SQLITE_NULL) {
      const auto given = integer_of(arguments[0]);
      if (!given || *given < 0 || *given > 100)
        throw stats::Refusal("percent must be 0 to 100, of the pages that can be evicted");
      percent = *given;
    }
    return pool.evict((pool.evictable_frames() * static_cast<std::uint64_t>(percent) + 99) / 100);
  });
}

void coalesce_all(sqlite3_context* context, int, sqlite3_value**) {
  answer(context, "coalesce_all", [] {
    our_heap();
    const std::uint64_t before = resident_heap_bytes();
    process_heap().coalesce_all();
    return at_least_zero(before, resident_heap_bytes());
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

void reset_memory_stats(sqlite3_context* context, int, sqlite3_value**) {
  answer(context, "reset_memory_stats", [] {
    our_heap().reset_statistics();
    if (pool_is_ours()) process_pool().reset_statistics();
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
