// How the process is set up: the mode, options, limits that do nothing, address space.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "allocators/base/bytes.h"
#include "allocators/stats/doctor/doctor_rules.h"

namespace sqlitemem::stats {
namespace {

Findings observing(const Examination& seen) {
  if (seen.heap) return {};
  return {{as_sentence(seen.heap_note)}};
}

/// Our pool keeps the soft limit by itself.
Findings dead_soft_limit(const Examination& seen) {
  const std::uint64_t limit = seen.host.soft_heap_limit_bytes.value_or(0);
  if (limit == 0 || seen.pool || seen.host.can_release_memory.value_or(true)) return {};
  return {{fmt::format("The soft heap limit is {}, and SQLite uses {}; this SQLite was built "
                       "without SQLITE_ENABLE_MEMORY_MANAGEMENT, so that sqlite3_release_memory() "
                       "frees nothing.",
                       in_words(limit),
                       seen.library.memory_used ? in_words(*seen.library.memory_used)
                                                : "an unknown amount"),
           fix::collect(1)}};
}

Findings memstat_off(const Examination& seen) {
  if (seen.library.memory_used) return {};
  const std::uint64_t soft = seen.host.soft_heap_limit_bytes.value_or(0);
  const std::uint64_t hard = seen.host.hard_heap_limit_bytes.value_or(0);
  Finding finding{as_sentence(seen.library.note)};
  if (soft + hard > 0) {
    finding.evidence +=
        fmt::format(" The soft limit of {} and the hard limit of {} (0: none) are not kept.",
                    in_words(soft), in_words(hard));
    finding.severity = Severity::warning;
  }
  return {finding};
}

Findings bad_environment(const Examination& seen) {
  std::string lines = seen.host.environment_problems;
  if (lines.empty()) return {};
  while (!lines.empty() && lines.back() == '\n') lines.pop_back();
  std::ranges::replace(lines, '\n', ' ');
  return {{as_sentence(lines)}};
}

Findings waiting_options(const Examination& seen) {
  if (seen.pending_options.empty()) return {};
  return {{fmt::format("Changed after the start: {}.", fmt::join(seen.pending_options, ", "))}};
}

Findings pool_off(const Examination& seen) {
  if (!seen.heap || seen.pool) return {};
  return {{as_sentence(seen.pool_note)}};
}

Findings no_limit_in_group(const Examination& seen) {
  if (!seen.heap || seen.heap->figures.totals.limit_bytes != 0) return {};
  const CgroupMemory& group = seen.resident.group;
  if (!group.limit_bytes) return {};
  const std::uint64_t proposed = *group.limit_bytes / 4 * 3;
  Finding finding{fmt::format("The control group may use {}, and memory_limit is not set.",
                              in_words(*group.limit_bytes))};
  if (proposed > seen.heap->figures.totals.held_bytes * 2)
    finding.fix_sql = fix::set_option_bytes("memory_limit", proposed);
  return {finding};
}

Findings short_region(const Examination& seen) {
  if (!seen.heap) return {};
  const HeapTotals& totals = seen.heap->figures.totals;
  if (totals.reserved_bytes == 0 || !is_share(totals.held_bytes, totals.reserved_bytes, 0.5))
    return {};
  Finding finding{fmt::format("{} of {} address space are held ({}).", in_words(totals.held_bytes),
                              in_words(totals.reserved_bytes),
                              percent_of(totals.held_bytes, totals.reserved_bytes))};
  if (totals.reserved_bytes < seen.region_bytes) {
    finding.evidence += fmt::format(" region_size is {}, but the process could not reserve it.",
                                    in_words(seen.region_bytes));
  }
  return {finding};
}

Findings outside_blocks(const Examination& seen) {
  const std::uint64_t outside = seen.library.outside_bytes.value_or(0);
  if (outside < mib || !is_share(outside, seen.sqlite_bytes().value_or(0), 0.1)) return {};
  return {{fmt::format("{} of the {} that SQLite uses lie in the previous allocator.",
                       in_words(outside), in_words(seen.sqlite_bytes().value_or(0)))}};
}

constexpr auto setup_rule_list = std::to_array<DoctorRule>({
    {"observing", Severity::info, Judges::facts,
     "SQLite's memory does not come from sqlitemem here: heap, buffer pool and limits are not "
     "its own, and their figures are NULL.",
     "Start the program with LD_PRELOAD=./libsqlitemem_preload.so, or load the extension in a "
     "program with one thread and a shared libsqlite3; memory_mode() has the reason.",
     observing},
    {"release_memory_noop", Severity::warning, Judges::facts,
     "The soft heap limit does nothing: this SQLite cannot release page caches by itself.",
     "Lower PRAGMA cache_size, call force_garbage_collection(1) now and then, or use sqlitemem's "
     "buffer pool, which keeps the limit.",
     dead_soft_limit},
    {"memstat_off", Severity::info, Judges::facts,
     "SQLite does not count its own memory: sqlite3_memory_used() is of no use, and its heap "
     "limits do not act.",
     "Start with SQLITEMEM_MEMSTATUS=on, or under preload, where sqlitemem counts in SQLite's "
     "place; heap_stats() has our own figures.",
     memstat_off},
    {"option_ignored", Severity::warning, Judges::facts,
     "An environment variable of sqlitemem could not be used.",
     "Correct it and start again; memory_config shows names, ranges and what is in force.",
     bad_environment},
    {"option_pending", Severity::info, Judges::facts,
     "A start-up option was changed too late to act in this process.",
     "Set SQLITEMEM_<NAME> in the environment of the next start; memory_config shows what waits.",
     waiting_options},
    {"pool_off", Severity::info, Judges::facts,
     "Every connection has a page cache of its own, and no budget holds for all of them.",
     "Start with SQLITEMEM_BUFFER_POOL=on, and without SQLITE_CONFIG_PCACHE2 of the program's own.",
     pool_off},
    {"no_memory_limit", Severity::info, Judges::facts,
     "The process lives in a control group with a limit, and sqlitemem has none: the kernel would "
     "kill the process where SQLite could report SQLITE_NOMEM.",
     "Set memory_limit below the group's limit, with room for the rest of the program.",
     no_limit_in_group},
    {"region_short", Severity::warning, Judges::facts,
     "The heap's address space is half used up; where it ends, blocks come from the C library.",
     "Raise SQLITEMEM_REGION_SIZE, and the process's limit on address space (ulimit -v).",
     short_region},
    {"memory_outside", Severity::info, Judges::sizes,
     "SQLite holds memory that it took before sqlitemem, or beyond its address space; options and "
     "figures of the heap do not cover it.",
     "Load sqlitemem first, or start with LD_PRELOAD; connections that are closed and opened anew "
     "move over.",
     outside_blocks},
});

}  // namespace

std::span<const DoctorRule> setup_rules() { return setup_rule_list; }

}  // namespace sqlitemem::stats
