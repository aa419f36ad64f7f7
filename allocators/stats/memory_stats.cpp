// Fills memory_stats: the tiling of the resident set, then one block of rows per other source.
#include <fmt/format.h>

#include <algorithm>

#include "allocators/base/bytes.h"
#include "allocators/base/words.h"
#include "allocators/stats/heap_figures.h"
#include "allocators/stats/memory_rows.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

using Bytes = std::optional<std::uint64_t>;

MemoryStatsRow make_row(std::string_view component, std::string_view category,
                        std::string_view source, Bytes bytes, Bytes peak, std::string_view note) {
  MemoryStatsRow row;
  row.component = component;
  row.category = category;
  row.source = source;
  row.memory_bytes = bytes;
  if (bytes) row.memory_mb = static_cast<double>(*bytes) / static_cast<double>(mib);
  row.peak_bytes = peak;
  if (!note.empty()) row.note = note;
  return row;
}

/// Takes bytes off what is left of the resident set, so that no figure can make the sum too large.
class Tiling {
 public:
  explicit Tiling(std::uint64_t resident_bytes) : whole_(resident_bytes), left_(resident_bytes) {}

  void add(std::string_view component, std::string_view source, Bytes bytes, std::string note) {
    if (bytes && *bytes > left_) {
      note += (note.empty() ? "" : " ");
      note += "Cut from " + std::to_string(*bytes) +
              " bytes: the figures are read one after another and exceeded the resident set.";
      bytes = left_;
    }
    left_ -= bytes.value_or(0);
    append(make_row(component, "rss", source, bytes, std::nullopt, note));
  }
  std::vector<MemoryStatsRow> finish() {
    append(make_row("unattributed", "rss", "process", left_, std::nullopt,
                    "Resident, and in none of the rows above: program data, stacks, free memory "
                    "of the C library, other allocators."));
    return std::move(rows_);
  }

 private:
  void append(MemoryStatsRow row) {
    if (row.memory_bytes && whole_ > 0) {
      row.percentage = 100 * static_cast<double>(*row.memory_bytes) / static_cast<double>(whole_);
    }
    rows_.push_back(std::move(row));
  }
  std::uint64_t whole_, left_;
  std::vector<MemoryStatsRow> rows_;
};

void append_resident(std::vector<MemoryStatsRow>& rows, Sources& sources,
                     const HeapFigures* figures, const ResidentReading& resident) {
  const ProcessMemory& process = resident.process;
  if (!process.resident_bytes) {
    rows.push_back(
        make_row("unattributed", "rss", "process", std::nullopt, std::nullopt, process.problems));
    return;
  }
  ResidentParts parts;
  parts.resident_bytes = *process.resident_bytes;
  parts.files = process.file_bytes;
  parts.shared = process.shared_bytes;
  parts.c_library = resident.c_library.used_bytes;
  parts.heap_note = sources.heap_note();
  if (figures != nullptr) {
    parts.heap_is_known = true;
    parts.slabs = resident.heap.slabs;
    parts.runs = resident.heap.runs;
    parts.large = resident.heap.large;
    parts.metadata = resident.heap.metadata;
    parts.slab_live = figures->slab_live_bytes;
    parts.run_live = figures->run_live_bytes;
    parts.large_live = figures->large.live_bytes;
  }
  parts.pool_note = sources.pool_note();
  if (const PoolReading* pool = sources.reading().pool()) {
    parts.pool_is_known = true;
    parts.pool_pages = resident.pool.pages;
    parts.pool_tables = resident.pool.tables;
    parts.pool_live = pool->totals.used_bytes + pool->totals.unevictable_bytes;
  }
  if (const ArenasReading* arenas = sources.reading().arenas()) {
    parts.arenas_are_known = true;
    parts.arena_used = arenas->figures.used_bytes;
    parts.arena_areas = arenas->figures.area_bytes;
  }
  std::ranges::move(tile_resident_set(parts), std::back_inserter(rows));
}

void append_allocator(std::vector<MemoryStatsRow>& rows, const HeapFigures* figures,
                      const std::string& heap_note) {
  const auto add = [&](std::string_view component, auto read, auto read_peak,
                       std::string_view note) {
    const Bytes bytes = figures != nullptr ? read(figures->totals) : Bytes{};
    const Bytes peak = figures != nullptr ? read_peak(figures->totals) : Bytes{};
    rows.push_back(make_row(component, "allocator", "allocator", bytes, peak,
                            figures != nullptr ? note : std::string_view(heap_note)));
  };
  const auto none = [](const HeapTotals&) { return Bytes{}; };
  add(
      "live", [](const HeapTotals& t) { return Bytes{t.live_bytes}; },
      [](const HeapTotals& t) { return Bytes{t.peak_live_bytes}; },
      "Handed out and not freed, whole blocks.");
  add(
      "cached", [](const HeapTotals& t) { return Bytes{t.cached_bytes}; }, none,
      "Free blocks in magazines and depots.");
  add(
      "held", [](const HeapTotals& t) { return Bytes{t.held_bytes}; },
      [](const HeapTotals& t) { return Bytes{t.peak_held_bytes}; },
      "Taken from the operating system, the buffer pool's pages included; what memory_limit "
      "limits.");
  add(
      "bookkeeping_mapped", [](const HeapTotals& t) { return Bytes{t.metadata_bytes}; }, none,
      "Our own records, apart from the data.");
  add(
      "largest_request", [](const HeapTotals& t) { return Bytes{t.largest_request_bytes}; }, none,
      "The largest single request so far.");
  add(
      "address_space", [](const HeapTotals& t) { return Bytes{t.reserved_bytes}; }, none,
      "Reserved, mostly without memory behind it.");
  const bool has_limit = figures != nullptr && figures->totals.limit_bytes != 0;
  add(
      "limit", [&](const HeapTotals& t) { return has_limit ? Bytes{t.limit_bytes} : Bytes{}; },
      none, has_limit ? "Option memory_limit." : "No limit is set: option memory_limit.");
}

constexpr const char* outside_note =
    "Blocks that SQLite holds from its previous allocator: older than the take-over, or lent when "
    "our region was full. Not in the rows above; live and outside together are what SQLite uses.";

void append_pool(std::vector<MemoryStatsRow>& rows, const PoolReading* pool,
                 const std::string& note) {
  const auto add = [&](std::string_view component, std::uint64_t PoolTotals::*member,
                       std::string_view words) {
    const Bytes bytes = pool != nullptr ? Bytes{pool->totals.*member} : Bytes{};
    rows.push_back(make_row(component, "buffer_pool", "allocator", bytes, std::nullopt,
                            pool != nullptr ? words : std::string_view(note)));
  };
  add("pool_budget", &PoolTotals::budget_bytes, "Option buffer_pool_size, or what it stands for.");
  add("pool_evictable", &PoolTotals::used_bytes, "Pages of database files, within the budget.");
  add("pool_unevictable", &PoolTotals::unevictable_bytes,
      "Pages of in-memory databases, outside the budget.");
  add("pool_held", &PoolTotals::held_bytes,
      "Taken from the operating system; part of what memory_limit limits.");
}

void append_arenas(std::vector<MemoryStatsRow>& rows, const ArenasReading* arenas) {
  const bool is_known = arenas != nullptr;
  const auto add = [&](std::string_view component, Bytes bytes, Bytes peak, const char* note) {
    rows.push_back(make_row(component, "arenas", "allocator", bytes, peak,
                            is_known ? note : "No transaction arenas here."));
  };
  const ArenaReading none;
  const ArenaReading& figures = is_known ? arenas->figures : none;
  add("arena_used", is_known ? Bytes{figures.used_bytes} : Bytes{}, std::nullopt,
      "Handed out in open transactions; see transaction_arena_stats.");
  add("arena_reserved", is_known ? Bytes{figures.reserved_bytes} : Bytes{},
      is_known ? Bytes{figures.peak_reserved_bytes} : Bytes{},
      "Taken from the heap, also for the next transactions; part of what is live there.");
}

void append_library(std::vector<MemoryStatsRow>& rows, const LibraryFigures& library) {
  const auto add = [&](std::string_view component, Bytes bytes, Bytes peak, std::string_view note) {
    rows.push_back(
        make_row(component, "sqlite", "sqlite", bytes, peak, bytes ? note : library.note));
  };
  add("memory_used", library.memory_used, library.memory_peak, "SQLITE_STATUS_MEMORY_USED.");
  add("largest_allocation", library.largest_request, std::nullopt, "SQLITE_STATUS_MALLOC_SIZE.");
  add("page_cache_overflow", library.page_cache_overflow, library.page_cache_overflow_peak,
      "SQLITE_STATUS_PAGECACHE_OVERFLOW: page cache that came from the heap.");
}

void append_connections(std::vector<MemoryStatsRow>& rows,
                        const std::vector<ConnectionMemoryRow>& connections,
                        const std::string& missing) {
  const auto add = [&](std::string_view component, Bytes ConnectionMemoryRow::*member) {
    Bytes sum;
    std::size_t unknown = 0;
    for (const ConnectionMemoryRow& connection : connections) {
      const Bytes& bytes = connection.*member;
      if (bytes) sum = sum.value_or(0) + *bytes;
      if (!bytes) ++unknown;
    }
    std::string note = std::to_string(connections.size()) +
                       (connections.size() == 1 ? " connection." : " connections.");
    if (unknown > 0) note += " " + std::to_string(unknown) + " of them cannot be read.";
    if (!missing.empty()) note += " " + missing;
    rows.push_back(make_row(component, "connections", "sqlite", sum, std::nullopt, note));
  };
  add("page_caches", &ConnectionMemoryRow::cache_share_bytes);
  add("schemas", &ConnectionMemoryRow::schema_used_bytes);
  add("statements", &ConnectionMemoryRow::stmt_used_bytes);
}

void append_system(std::vector<MemoryStatsRow>& rows, const ProcessMemory& process,
                   const CgroupMemory& group) {
  const auto add = [&](std::string_view component, Bytes bytes, Bytes peak, std::string_view note) {
    rows.push_back(make_row(component, "process", "process", bytes, peak,
                            bytes ? note : std::string_view(process.problems)));
  };
  const std::string from = "From /proc/self/" + process.resident_source + ".";
  add("resident_set", process.resident_bytes, process.peak_resident_bytes, from);
  add("virtual", process.virtual_bytes, process.peak_virtual_bytes,
      "Address space, reserved or used.");
  add("swapped", process.swapped_bytes, std::nullopt, "On the swap device.");
  rows.push_back(
      make_row("group_usage", "cgroup", "cgroup", group.usage_bytes, group.peak_bytes, group.note));
  rows.push_back(
      make_row("group_limit", "cgroup", "cgroup", group.limit_bytes, std::nullopt, group.note));
}

/// A word that is neither would give no rows, and look like nothing to show.
void keep_only(std::vector<MemoryStatsRow>& rows, const std::string& only) {
  std::vector<std::string_view> categories, components;
  for (const MemoryStatsRow& row : rows) {
    if (std::ranges::find(categories, row.category) == categories.end()) {
      categories.push_back(row.category);
    }
    components.push_back(row.component);
  }
  const auto is_one_of = [&](const std::vector<std::string_view>& words) {
    return std::ranges::find(words, only) != words.end();
  };
  if (!is_one_of(categories) && !is_one_of(components)) {
    std::vector<std::string_view> all = categories;
    all.insert(all.end(), components.begin(), components.end());
    throw Refusal(fmt::format("{} is neither a category ({}) nor a component ({}){}", quoted(only),
                              fmt::join(categories, ", "), fmt::join(components, ", "),
                              nearest_words(only, all)));
  }
  std::erase_if(rows, [&](const MemoryStatsRow& row) {
    return row.component != only && row.category != only;
  });
}

/// Takes the arenas' chunks out of the parts that they lie in. Bytes, as far as they are resident.
std::uint64_t take_arenas_out(ResidentParts& parts) {
  std::uint64_t arenas = 0;
  const auto take = [&](ChunkArea area, std::uint64_t& resident, std::uint64_t& live) {
    const std::uint64_t bytes =
        std::min({parts.arena_areas[static_cast<std::size_t>(area)], resident, live});
    resident -= bytes;
    if (&live != &resident) live -= bytes;
    arenas += bytes;
  };
  take(ChunkArea::slabs, parts.slabs, parts.slab_live);
  take(ChunkArea::runs, parts.runs, parts.run_live);
  take(ChunkArea::large, parts.large, parts.large_live);
  if (parts.c_library) take(ChunkArea::outside, *parts.c_library, *parts.c_library);
  return arenas;
}

}  // namespace

std::vector<MemoryStatsRow> tile_resident_set(const ResidentParts& all) {
  ResidentParts parts = all;
  const std::uint64_t arenas = take_arenas_out(parts);
  Tiling tiling(parts.resident_bytes);
  const auto add_heap = [&](std::string_view component, std::uint64_t bytes, const char* note) {
    tiling.add(component, "allocator", parts.heap_is_known ? Bytes{bytes} : Bytes{},
               parts.heap_is_known ? note : parts.heap_note);
  };
  const auto add_pair = [&](std::string_view live, std::string_view rest, std::uint64_t resident,
                            std::uint64_t live_bytes, const char* rest_note) {
    const std::uint64_t live_resident = std::min(resident, live_bytes);
    add_heap(live, live_resident, "Live blocks, as far as the pages are resident.");
    add_heap(rest, resident - live_resident, rest_note);
  };
  add_pair("slab_live", "slab_free", parts.slabs, parts.slab_live,
           "Resident slab memory without a live object: magazines, free objects, slab ends.");
  add_pair("run_live", "run_free", parts.runs, parts.run_live,
           "Resident page runs without a live block: magazines and free runs.");
  add_pair("large_live", "large_free", parts.large, parts.large_live,
           "Resident free regions, kept for re-use until purge_delay has passed.");
  add_heap("bookkeeping", parts.metadata, "Our own records.");
  const std::uint64_t arena_live = std::min(arenas, parts.arena_used);
  const auto add_arenas = [&](std::string_view component, std::uint64_t bytes, const char* note) {
    tiling.add(component, "allocator", parts.arenas_are_known ? Bytes{bytes} : Bytes{},
               parts.arenas_are_known ? note : "No transaction arenas here.");
  };
  add_arenas("arena_live", arena_live, "Memory of transactions in use; not in the rows above.");
  add_arenas("arena_free", arenas - arena_live,
             "Of transaction arenas, not in use or kept for the next transaction.");
  const auto add_pool = [&](std::string_view component, std::uint64_t bytes, const char* note) {
    tiling.add(component, "allocator", parts.pool_is_known ? Bytes{bytes} : Bytes{},
               parts.pool_is_known ? note : parts.pool_note);
  };
  const std::uint64_t pool_live = std::min(parts.pool_pages, parts.pool_live);
  add_pool("pool_used", pool_live, "Pages of databases, as far as they are resident.");
  add_pool("pool_free", parts.pool_pages - pool_live,
           "Resident frames without a page, kept for re-use; headers.");
  add_pool("pool_bookkeeping", parts.pool_tables, "The eviction policy's and the caches' records.");
  tiling.add("mapped_files", "process", parts.files,
             parts.files ? "RssFile: program code, libraries, memory-mapped databases."
                         : "This kernel does not say.");
  tiling.add(
      "shared_memory", "process", parts.shared,
      parts.shared ? "RssShmem: shared mappings without a file." : "This kernel does not say.");
  tiling.add("c_library_heap", "process", parts.c_library,
             parts.c_library ? "In use by the C library's malloc; taken as resident."
                             : "The C library's malloc is not in use, or does not say.");
  return tiling.finish();
}

std::vector<MemoryStatsRow> MemoryStatsRow::snapshot(Sources& sources, Arguments arguments) {
  std::vector<MemoryStatsRow> rows;
  Reading& reading = sources.reading();
  const HeapFigures* known = reading.heap() != nullptr ? &reading.heap()->figures : nullptr;
  const ResidentReading& resident = reading.resident();
  append_resident(rows, sources, known, resident);
  append_allocator(rows, known, sources.heap_note());
  rows.push_back(make_row("outside", "allocator", "allocator",
                          reading.sqlite_figures().outside_bytes, std::nullopt,
                          known != nullptr ? outside_note : sources.heap_note()));
  append_pool(rows, reading.pool(), sources.pool_note());
  append_arenas(rows, reading.arenas());
  append_library(rows, reading.sqlite_figures());
  append_connections(rows, reading.connections(), sources.connections_note());
  append_system(rows, resident.process, resident.group);
  if (const auto* only = std::get_if<std::string>(&arguments[0])) {
    keep_only(rows, *only);
  }
  return rows;
}

}  // namespace sqlitemem::stats
