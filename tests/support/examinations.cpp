// The healthy process, and the cases of setup, limits, heap and caches.
#include "tests/support/examinations.h"

#include <algorithm>

#include "allocators/base/bytes.h"
#include "allocators/stats/reset_clock.h"

namespace sqlitemem::tests {

using stats::Examination;

stats::Examination a_healthy_process() {
  Examination seen;
  seen.now_unix_seconds = 1'800'000'000;
  seen.region_bytes = 64 * gib;
  seen.heap.emplace();
  stats::HeapFigures& figures = seen.heap->figures;
  figures.slab_live_bytes = 16 * mib, figures.slab_held_bytes = 17 * mib;
  SizeClassTotals& size_class = figures.classes.emplace_back();
  size_class.object_bytes = 256, size_class.objects_per_slab = 256;
  size_class.slabs = 272;  // Of 64 KiB: 17 MB.
  size_class.live_objects = 16 * mib / 256;
  size_class.reserved_bytes = figures.slab_reserved_bytes = 17 * mib;
  figures.run_live_bytes = 2 * mib, figures.run_held_bytes = 2 * mib;
  figures.large.live_bytes = 2 * mib, figures.large.mapped_bytes = 2 * mib;
  figures.totals.live_bytes = figures.totals.peak_live_bytes = 20 * mib;
  figures.totals.held_bytes = 41 * mib;
  figures.totals.reserved_bytes = 64 * gib;
  seen.pool.emplace();
  seen.pool->totals.budget_bytes = 32 * mib;
  seen.pool->totals.used_bytes = seen.pool->totals.held_bytes = 20 * mib;
  seen.arenas.emplace();
  seen.library.memory_used = seen.library.memory_peak = 40 * mib;
  seen.library.outside_bytes = 0;
  seen.resident.process.resident_bytes = 60 * mib;
  seen.resident.process.file_bytes = 8 * mib;
  seen.resident.c_library = {4 * mib, 5 * mib, 0};
  seen.host.can_release_memory = false;
  seen.host.soft_heap_limit_bytes = seen.host.hard_heap_limit_bytes = 0;
  seen.host.temp_is_in_memory = false;
  seen.host.mmap_bytes = 0;
  seen.host.cache_bytes = 2 * mib;
  seen.present.heap_was_measured = true;
  return seen;
}

std::vector<Case> all_cases() {
  std::vector<Case> all = cases_of_setup_and_limits();
  for (const auto& more : {cases_of_heap_and_caches(), cases_of_statements_and_transactions()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

namespace {

void observe(Examination& seen) {
  seen.heap.reset(), seen.pool.reset();
  seen.heap_note = seen.pool_note = "Not our heap. Two threads";
}
void limit(Examination& seen, std::uint64_t used, std::uint64_t of) {
  seen.limit = stats::LimitInForce{used, of, "memory_limit"};
}
void grow(Examination& seen, bool is_continuous) {
  seen.pressure.emplace().history.emplace_back();
  seen.growth = Growth{};
  seen.growth->is_continuous = is_continuous;
  seen.growth->bytes_per_hour = 5e6;
}
void forecast(Examination& seen, bool is_warning) {
  seen.pressure.emplace().forecast.emplace().is_warning = is_warning;
  seen.pressure->forecast->seconds_to_critical = 45;
}
std::uint64_t& cache_bytes_of_connections(Examination& seen, std::size_t count) {
  observe(seen);
  limit(seen, 0, 64 * mib);
  seen.connections.resize(count);
  return seen.host.cache_bytes.emplace(16 * mib);
}

}  // namespace

std::vector<Case> cases_of_setup_and_limits() {
  return {
      {"observing", observe, [](Examination&) {}},
      {"release_memory_noop",
       [](Examination& seen) { seen.pool.reset(), seen.host.soft_heap_limit_bytes = 8 * mib; },
       [](Examination& seen) { seen.host.soft_heap_limit_bytes = 8 * mib; }},
      {"release_memory_noop",
       [](Examination& seen) { observe(seen), seen.host.soft_heap_limit_bytes = 8 * mib; },
       [](Examination& seen) {
         observe(seen), seen.host.soft_heap_limit_bytes = 8 * mib;
         seen.host.can_release_memory = true;
       }},
      {"memstat_off",
       [](Examination& seen) { seen.library.memory_used.reset(), seen.library.note = "It is off"; },
       [](Examination&) {}},
      {"option_ignored",
       [](Examination& seen) {
         seen.host.environment_problems = "SQLITEMEM_POOL: no such option\nSQLITEMEM_X: neither\n";
       },
       [](Examination&) {}},
      {"option_pending", [](Examination& seen) { seen.pending_options = {"memstatus"}; },
       [](Examination&) {}},
      {"pool_off",
       [](Examination& seen) { seen.pool.reset(), seen.pool_note = "The option is off."; },
       observe},
      {"no_memory_limit", [](Examination& seen) { seen.resident.group.limit_bytes = 512 * mib; },
       [](Examination& seen) {
         seen.resident.group.limit_bytes = 512 * mib;
         seen.heap->figures.totals.limit_bytes = 256 * mib;
       }},
      {"region_short",
       [](Examination& seen) { seen.heap->figures.totals.reserved_bytes = 64 * mib; },
       [](Examination& seen) { seen.heap->figures.totals.reserved_bytes = 128 * mib; }},
      {"memory_outside", [](Examination& seen) { seen.library.outside_bytes = 8 * mib; },
       [](Examination& seen) { seen.library.outside_bytes = mib; }},
      {"limit_near", [](Examination& seen) { limit(seen, 80, 100); },
       [](Examination& seen) { limit(seen, 79, 100); }},
      {"requests_refused",
       [](Examination& seen) {
         seen.heap->figures.totals.failures = 2;
         seen.heap->figures.totals.last_refused_bytes = 5 * mib;
       },
       [](Examination&) {}},
      {"requests_refused", [](Examination& seen) { seen.pool->totals.failures = 1; },
       [](Examination&) {}},
      {"caches_above_limit", [](Examination& seen) { limit(seen, 0, 31 * mib); },
       [](Examination& seen) { limit(seen, 0, 32 * mib); }},
      {"caches_above_limit", [](Examination& seen) { cache_bytes_of_connections(seen, 5); },
       [](Examination& seen) { cache_bytes_of_connections(seen, 4); }},
      {"continuous_growth", [](Examination& seen) { grow(seen, true); },
       [](Examination& seen) { grow(seen, false); }},
      {"forecast_critical", [](Examination& seen) { forecast(seen, true); },
       [](Examination& seen) { forecast(seen, false); }},
      {"pressure_often",
       [](Examination& seen) { seen.pressure.emplace().pressure_events_last_hour = 6; },
       [](Examination& seen) { seen.pressure.emplace().pressure_events_last_hour = 5; }},
  };
}

namespace {

/// More slabs of the one class, and objects of it in magazines.
void scatter(Examination& seen, std::uint64_t bytes, std::uint64_t cached_objects) {
  stats::HeapFigures& figures = seen.heap->figures;
  SizeClassTotals& size_class = figures.classes[0];
  figures.slab_live_bytes = 4 * mib;
  size_class.live_objects = 4 * mib / size_class.object_bytes;
  size_class.cached_objects = cached_objects;
  size_class.reserved_bytes = figures.slab_held_bytes = 4 * mib + bytes;
  size_class.slabs = size_class.reserved_bytes / (64 * kib);
}

/// A miss-ratio curve: `at_present` for sizes below `knee` times the present one, `then` from it
/// on.
void curve(Examination& seen, double knee, double at_present, double then) {
  PoolAdvice& advice = seen.pool->advice;
  advice.is_on = true;
  advice.references = 100'000;
  for (std::size_t index = 0; index < PoolAdvice::size_count; ++index) {
    SizeAdvice& size = advice.sizes[index];
    size.factor = BudgetForecast<S3Fifo>::factors[index];
    size.bytes = static_cast<std::uint64_t>(size.factor *
                                            static_cast<double>(seen.pool->totals.budget_bytes));
    size.hit_ratio = size.factor < knee ? at_present : then;
    size.samples = 1000;
  }
}
void use_pool(Examination& seen, std::uint64_t bytes) { seen.pool->totals.used_bytes = bytes; }
void c_library(Examination& seen, std::uint64_t used, std::uint64_t held) {
  seen.resident.c_library = {used, held, 0};
}
stats::ConnectionMemoryRow& a_busy_connection(Examination& seen) {
  stats::ConnectionMemoryRow& row = seen.connections.emplace_back();
  row.connection_id = 3;
  return row;
}
void spill(Examination& seen, std::uint64_t spills, std::uint64_t writes) {
  a_busy_connection(seen).cache_spills = spills;
  seen.connections.back().cache_writes = writes;
}
void miss_lookaside(Examination& seen, std::uint64_t misses) {
  a_busy_connection(seen).lookaside_hits = 100'000;
  seen.connections.back().lookaside_misses = misses;
}
void map_files(Examination& seen, std::uint64_t bytes) {
  seen.mapped_database_bytes = bytes;
  seen.host.mmap_bytes = gib;
}

}  // namespace

std::vector<Case> cases_of_heap_and_caches() {
  return {
      {"corruption", [](Examination& seen) { seen.heap->figures.totals.corruptions = 1; },
       [](Examination&) {}},
      {"fragmentation", [](Examination& seen) { scatter(seen, 11 * mib, 0); },
       [](Examination& seen) { scatter(seen, 10 * mib, 0); }},
      {"fragmentation", [](Examination& seen) { scatter(seen, 13 * mib, 30); },
       [](Examination& seen) { scatter(seen, 13 * mib, 60); }},
      {"fragmentation",
       [](Examination& seen) { observe(seen), c_library(seen, 80 * mib, 100 * mib); },
       [](Examination& seen) { observe(seen), c_library(seen, 81 * mib, 100 * mib); }},
      {"peak_then_idle",
       [](Examination& seen) {
         seen.heap->figures.totals.peak_live_bytes = 60 * mib;
         seen.heap->figures.large.mapped_bytes += 12 * mib;
         seen.heap->figures.large.dirty_free_bytes = 12 * mib;
       },
       [](Examination& seen) {
         seen.heap->figures.totals.peak_live_bytes = 60 * mib;
         seen.heap->figures.large.mapped_bytes += 8 * mib;
       }},
      {"foreign_memory",
       [](Examination& seen) {
         seen.resident.process.resident_bytes = 300 * mib;
         c_library(seen, 200 * mib, 220 * mib);
       },
       [](Examination& seen) {
         seen.resident.process.resident_bytes = 300 * mib;
         c_library(seen, 100 * mib, 120 * mib);
       }},
      {"foreign_memory",
       [](Examination& seen) {
         observe(seen);
         seen.resident.c_library = {};
         seen.resident.process.resident_bytes = 400 * mib;
       },
       [](Examination& seen) {
         observe(seen);
         seen.resident.c_library = {};
         seen.resident.process.resident_bytes = 100 * mib;
       }},
      {"c_library_keeps", [](Examination& seen) { c_library(seen, 20 * mib, 70 * mib); },
       [](Examination& seen) { c_library(seen, 40 * mib, 70 * mib); }},
      {"mmap_inflated", [](Examination& seen) { map_files(seen, 16 * mib); },
       [](Examination& seen) { map_files(seen, 14 * mib); }},
      {"cache_too_small",
       [](Examination& seen) { use_pool(seen, 32 * mib), curve(seen, 1.5, 0.5, 0.9); },
       [](Examination& seen) { use_pool(seen, 20 * mib), curve(seen, 1.5, 0.5, 0.9); }},
      {"cache_too_small",
       [](Examination& seen) { use_pool(seen, 32 * mib), curve(seen, 1.5, 0.5, 0.9); },
       [](Examination& seen) { use_pool(seen, 32 * mib), curve(seen, 1.5, 0.5, 0.54); }},
      {"cache_too_large",
       [](Examination& seen) { use_pool(seen, 30 * mib), curve(seen, 0.1, 0.5, 0.9); },
       [](Examination& seen) { use_pool(seen, 10 * mib), curve(seen, 0.1, 0.5, 0.9); }},
      {"cache_spills", [](Examination& seen) { spill(seen, 1000, 10'000); },
       [](Examination& seen) { spill(seen, 1000, 10'001); }},
      {"lookaside_misses", [](Examination& seen) { observe(seen), miss_lookaside(seen, 100'000); },
       [](Examination& seen) { observe(seen), miss_lookaside(seen, 99'999); }},
      {"lookaside_misses", [](Examination& seen) { observe(seen), miss_lookaside(seen, 200'000); },
       [](Examination& seen) { miss_lookaside(seen, 200'000); }},
  };
}

}  // namespace sqlitemem::tests
