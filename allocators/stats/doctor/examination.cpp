// Gathers what the tables show into one examination.
#include "allocators/stats/doctor/examination.h"

#include <ctime>

#include "allocators/base/bytes.h"
#include "allocators/config.h"
#include "allocators/stats/mapped_files.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

template <class Part>
std::optional<Part> copy_of(const Part* part) {
  return part == nullptr ? std::nullopt : std::optional<Part>(*part);
}

/// Where few file pages are in memory, the mappings are not read one by one.
std::optional<std::uint64_t> mapped_database_bytes(Sources& sources, const Examination& seen) {
  if (seen.resident.process.file_bytes.value_or(0) < 16 * mib) return std::nullopt;
  std::vector<std::string> files;
  for (const ConnectionMemoryRow& connection : seen.connections) {
    if (connection.database_file) files.push_back(*connection.database_file);
  }
  return read_mapped_bytes(sources.file_root(), files);
}

std::vector<std::string> options_that_wait() {
  std::vector<std::string> names;
  for (const OptionSpec& spec : options) {
    if (option_state(spec).pending_restart) names.emplace_back(spec.name);
  }
  return names;
}

}  // namespace

std::optional<std::uint64_t> Examination::sqlite_bytes() const {
  if (heap) {
    const std::uint64_t pages = pool ? pool->totals.used_bytes + pool->totals.unevictable_bytes : 0;
    return heap_live_bytes() + pages + library.outside_bytes.value_or(0);
  }
  return library.memory_used;
}

std::uint64_t Examination::heap_live_bytes() const {
  if (!heap) return 0;
  const HeapFigures& figures = heap->figures;
  return figures.slab_live_bytes + figures.run_live_bytes + figures.large.live_bytes;
}

std::uint64_t Examination::heap_held_bytes() const {
  if (!heap) return 0;
  const HeapFigures& figures = heap->figures;
  return figures.slab_held_bytes + figures.run_held_bytes + figures.large.mapped_bytes;
}

Examination examine(Sources& sources) {
  Reading& reading = sources.reading();
  Examination seen;
  seen.now_unix_seconds = std::time(nullptr);
  seen.heap = copy_of(reading.heap());
  if (!seen.heap) seen.heap_note = sources.heap_note();
  seen.pool = copy_of(reading.pool());
  if (!seen.pool) seen.pool_note = sources.pool_note();
  if (const ArenasReading* arenas = reading.arenas()) seen.arenas = arenas->figures;
  seen.pressure = copy_of(reading.pressure());
  if (seen.pressure) seen.growth = growth_in(*seen.pressure);
  seen.limit = read_limit_in_force(reading);
  seen.connections = reading.connections();
  seen.transactions = reading.transactions();
  seen.logs = reading.logs();
  seen.plans = reading.plans();
  seen.library = reading.sqlite_figures();
  seen.resident = reading.resident();
  seen.snapshots = snapshot_store().all();
  seen.present = snapshot_of(sources);
  seen.orphan_idle_seconds = static_cast<double>(option(&Config::orphan_idle_time)) / 1000;
  seen.region_bytes = static_cast<std::uint64_t>(option(&Config::region_size));
  seen.arenas_grow = option(&Config::transaction_arena_growth) != 0;
  seen.pending_options = options_that_wait();
  return seen;
}

void examine_host(Sources& sources, Examination& seen) {
  seen.host = sources.host_settings();
  seen.mapped_database_bytes = mapped_database_bytes(sources, seen);
}

std::optional<std::int64_t> unix_seconds_of(const std::string& iso8601_text) {
  std::tm utc{};
  const char* rest = ::strptime(iso8601_text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return static_cast<std::int64_t>(::timegm(&utc));
}

}  // namespace sqlitemem::stats
