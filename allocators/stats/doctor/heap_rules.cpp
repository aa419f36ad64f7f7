// What is held and not used, what holds it, and what is broken.
#include <fmt/format.h>

#include <algorithm>

#include "allocators/base/bytes.h"
#include "allocators/stats/doctor/doctor_rules.h"

namespace sqlitemem::stats {
namespace {

constexpr std::uint64_t worth_a_word = 10 * mib;

Findings corrupted(const Examination& seen) {
  if (!seen.heap || seen.heap->figures.totals.corruptions == 0) return {};
  return {{fmt::format("{} double frees or corrupt pointers were found since the start.",
                       seen.heap->figures.totals.corruptions)}};
}

/// What a collection can return is idle, not fragmented; what it cannot is known at least.
Findings fragmented(const Examination& seen) {
  if (!seen.heap) {
    const CLibraryMemory& memory = seen.resident.c_library;
    if (!memory.used_bytes || !memory.held_bytes) return {};
    const std::uint64_t waste = at_least_zero(*memory.held_bytes, *memory.used_bytes);
    if (waste < worth_a_word || !is_share(waste, *memory.held_bytes, 0.2)) return {};
    return {{fmt::format("The C library holds {}, and {} of it are free ({}).",
                         in_words(*memory.held_bytes), in_words(waste),
                         percent_of(waste, *memory.held_bytes)),
             fix::collect(3), waste}};
  }
  const std::uint64_t scattered = scattered_free_bytes(seen.heap->figures);
  const std::uint64_t pinned = seen.heap_live_bytes() + scattered;
  if (scattered < worth_a_word || !is_share(scattered, pinned, 0.2)) return {};
  return {{fmt::format("{} of the heap are in use; {} more ({}) are free in slabs that hold an "
                       "object in use each.",
                       in_words(seen.heap_live_bytes()), in_words(scattered),
                       percent_of(scattered, pinned)),
           std::nullopt, scattered}};
}

Findings peak_is_over(const Examination& seen) {
  if (!seen.heap) return {};
  const std::uint64_t live = seen.heap_live_bytes();
  const std::uint64_t peak = seen.heap->figures.totals.peak_live_bytes;
  const std::uint64_t free = at_least_zero(seen.heap_held_bytes(), live);
  if (free < worth_a_word || !is_share(peak, live, 1.5) || !is_share(free, live, 0.5)) return {};
  return {{fmt::format("At the peak {} were in use, now {}; {} are held and not used.",
                       in_words(peak), in_words(live), in_words(free)),
           fix::collect(2), free}};
}

/// Where the C library does not say, what neither we nor files account for. nullopt: unknown.
std::optional<std::uint64_t> foreign_bytes(const Examination& seen) {
  const ResidentReading& memory = seen.resident;
  const auto sqlite = seen.sqlite_bytes();
  if (!sqlite) return std::nullopt;
  // Where the heap is ours, SQLite has nothing in the C library's but what it lent us.
  const std::uint64_t inside = seen.heap ? seen.library.outside_bytes.value_or(0) : *sqlite;
  if (memory.c_library.used_bytes) return at_least_zero(*memory.c_library.used_bytes, inside);
  if (!memory.process.resident_bytes || !memory.process.file_bytes) return std::nullopt;
  const std::uint64_t explained = *memory.process.file_bytes +
                                  memory.process.shared_bytes.value_or(0) + memory.heap.slabs +
                                  memory.heap.runs + memory.heap.large + memory.heap.metadata +
                                  memory.pool.pages + memory.pool.tables + inside;
  return at_least_zero(*memory.process.resident_bytes, explained);
}

Findings foreign_memory(const Examination& seen) {
  const auto foreign = foreign_bytes(seen);
  const std::uint64_t resident = seen.resident.process.resident_bytes.value_or(0);
  if (!foreign || *foreign < 32 * mib || !is_share(*foreign, resident, 0.5)) return {};
  if (*foreign < 3 * *seen.sqlite_bytes()) return {};
  const CLibraryMemory& memory = seen.resident.c_library;
  Finding finding{
      fmt::format("Of {} in memory, {} are used by other parts of the program ({}); "
                  "SQLite uses {}.",
                  in_words(resident), in_words(*foreign), percent_of(*foreign, resident),
                  in_words(*seen.sqlite_bytes()))};
  const std::uint64_t free =
      at_least_zero(memory.held_bytes.value_or(0), memory.used_bytes.value_or(0));
  if (free >= worth_a_word) {
    finding.evidence += fmt::format(" The C library holds {} more that are free.", in_words(free));
    finding.fix_sql = fix::collect(3);
    finding.reclaimable_bytes = free;
  }
  return {finding};
}

/// Blocks that were freed, by whomever, and are still the C library's.
Findings c_library_keeps(const Examination& seen) {
  const CLibraryMemory& memory = seen.resident.c_library;
  if (!seen.heap || !memory.used_bytes || !memory.held_bytes) return {};
  const std::uint64_t free = at_least_zero(*memory.held_bytes, *memory.used_bytes);
  if (free < 4 * worth_a_word || !is_share(free, *memory.held_bytes, 0.5)) return {};
  return {{fmt::format("The C library's malloc holds {}, of which {} are free.",
                       in_words(*memory.held_bytes), in_words(free)),
           fix::collect(3), free}};
}

Findings inflated_by_mmap(const Examination& seen) {
  const std::uint64_t mapped = seen.mapped_database_bytes.value_or(0);
  const std::uint64_t resident = seen.resident.process.resident_bytes.value_or(0);
  if (mapped < 16 * mib || !is_share(mapped, resident, 0.25)) return {};
  Finding finding{fmt::format("{} of {} in memory are pages of mapped database files ({}).",
                              in_words(mapped), in_words(resident), percent_of(mapped, resident))};
  if (seen.host.mmap_bytes.value_or(0) > 0) finding.fix_sql = fix::no_mmap();
  return {finding};
}

constexpr auto heap_rule_list = std::to_array<DoctorRule>({
    {"corruption", Severity::critical, Judges::facts,
     "The program freed memory twice, or gave back pointers that are not SQLite's.",
     "sqlite3_log has the addresses and sizes; run it under a memory checker. "
     "SQLITEMEM_HEAP_CHECKS=every_call finds the call itself.",
     corrupted},
    {"fragmentation", Severity::warning, Judges::sizes,
     "Much of the memory held is free, and lies between what is in use.",
     "Long-lived objects are spread over many pages since a peak: close connections that were open "
     "then, and open them anew; slab_allocator_stats() shows the classes, and "
     "force_garbage_collection(3) returns what the C library can.",
     fragmented},
    {"peak_then_idle", Severity::info, Judges::sizes,
     "A peak is over, and its memory is kept for the next one.",
     "Return it if the next peak is far; a shorter purge_delay, or a lower large_object_retain, "
     "does it by itself.",
     peak_is_over},
    {"foreign_memory", Severity::info, Judges::sizes,
     "Most of the process's memory is not SQLite's: no setting of SQLite or sqlitemem changes it.",
     "Look at the program itself, with a heap profiler of its language; memory_stats('rss') shows "
     "SQLite's share.",
     foreign_memory},
    {"c_library_keeps", Severity::info, Judges::sizes,
     "The C library keeps memory that nobody uses, and only returns it when asked.",
     "force_garbage_collection(3) asks it (malloc_trim); MALLOC_ARENA_MAX=2 keeps it from "
     "spreading over many arenas.",
     c_library_keeps},
    {"mmap_inflated", Severity::info, Judges::facts,
     "The resident set contains mapped database files: the kernel takes these pages back when it "
     "needs them. It is no leak.",
     "Judge the process by its anonymous memory (RssAnon); set PRAGMA mmap_size lower on every "
     "connection if the number itself hurts.",
     inflated_by_mmap},
});

}  // namespace

std::span<const DoctorRule> heap_rules() { return heap_rule_list; }

}  // namespace sqlitemem::stats
