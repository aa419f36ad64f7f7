// The tables memory_stats and memory_contexts: where the process's bytes are, flat and as a tree.
#pragma once

#include <array>

#include "allocators/arena/arena_figures.h"
#include "allocators/stats/describe.h"
#include "allocators/stats/process_memory.h"

namespace sqlitemem::stats {

class Sources;
struct HeapFigures;

struct MemoryStatsRow {
  std::string component;
  std::string category;
  std::optional<std::uint64_t> memory_bytes;
  std::optional<double> memory_mb, percentage;
  std::optional<std::uint64_t> peak_bytes;
  std::string source;
  std::optional<std::string> note;

  static constexpr auto describe() {
    using R = MemoryStatsRow;
    // clang-format off
    return describe_table<R>("memory_stats", "memory",
        "Where the memory is. The rows of category rss tile the process: together they are exactly "
        "the resident set size, with what nothing explains in the row unattributed. The rows of "
        "the "
        "other categories are readings of one subject each, and overlap.", {
        {"component", &R::component, Role::label, "", "What the bytes belong to."},
        {"category", &R::category, Role::label, "",
         "rss (the tiling), allocator, buffer_pool, arenas, sqlite, connections, process or "
         "cgroup."},
        {"memory_bytes", &R::memory_bytes, Role::gauge, "bytes",
         "Bytes now; NULL if that is not measurable here, with the reason in the column note."},
        {"memory_mb", &R::memory_mb, Role::detail, "megabytes", "memory_bytes / 1024 / 1024."},
        {"percentage", &R::percentage, Role::detail, "percent",
         "Share of the resident set size; only for rows of category rss, which add up to 100."},
        {"peak_bytes", &R::peak_bytes, Role::gauge, "bytes",
         "The highest value so far; NULL where nobody keeps it."},
        {"source", &R::source, Role::detail, "",
         "Who says so: allocator, sqlite, process or cgroup."},
        {"note", &R::note, Role::detail, "", "How the figure came about, or why there is none."},
    }, {
        {"only", ArgumentType::text, false,
         "A component or a category: only its rows, as in memory_stats('rss'). Other words are "
         "refused."},
    });
    // clang-format on
  }
  static std::vector<MemoryStatsRow> snapshot(Sources& sources, Arguments arguments);
};

/// What the tiling is made of. Pure, so that tests can give any numbers.
struct ResidentParts {
  std::uint64_t resident_bytes = 0;  ///< Of the process.
  bool heap_is_known = false;
  std::string heap_note;
  std::uint64_t slabs = 0, runs = 0, large = 0, metadata = 0;  ///< Resident.
  std::uint64_t slab_live = 0, run_live = 0, large_live = 0;   ///< Live, resident or not.
  bool pool_is_known = false;
  std::string pool_note;
  std::uint64_t pool_pages = 0, pool_tables = 0;  ///< Resident.
  std::uint64_t pool_live = 0;                    ///< Handed to page caches, resident or not.
  std::optional<std::uint64_t> files, shared, c_library;
  /// Chunks of transaction arenas, by where they lie: parts of the above, shown on their own.
  bool arenas_are_known = false;
  std::uint64_t arena_used = 0;
  std::array<std::uint64_t, chunk_area_count> arena_areas{};
};
/// The rows of category rss. Their sum is `resident_bytes`, whatever the parts say.
std::vector<MemoryStatsRow> tile_resident_set(const ResidentParts& parts);

struct MemoryContextsRow {
  std::uint64_t context_id = 0;
  std::optional<std::uint64_t> parent_id;
  std::uint64_t level = 1;
  std::string name;
  std::optional<std::string> ident;
  std::optional<std::uint64_t> total_bytes, used_bytes, free_bytes, peak_bytes;

  static constexpr auto describe() {
    using R = MemoryContextsRow;
    // clang-format off
    return describe_table<R>("memory_contexts", "",
        "The owners of memory as a tree. A parent's total_bytes is at least the sum of its "
        "children's. The trees 'connections' and 'transaction arenas' show from the user's side "
        "bytes that lie inside the tree 'heap' (in observing mode: inside the C library's heap); "
        "never add them to it.", {
        {"context_id", &R::context_id, Role::label, "", "Numbers the rows of one query from 1."},
        {"parent_id", &R::parent_id, Role::detail, "", "The parent's context_id; NULL at the top."},
        {"level", &R::level, Role::detail, "", "1 at the top, one more for each generation."},
        {"name", &R::name, Role::label, "", "The kind of context."},
        {"ident", &R::ident, Role::label, "",
         "Which of that kind: bytes per object, the connection_id; NULL if there is but one."},
        {"total_bytes", &R::total_bytes, Role::gauge, "bytes",
         "Held by the context and all below; slabs count whole, also pages not touched yet."},
        {"used_bytes", &R::used_bytes, Role::gauge, "bytes", "Of these, handed out and not freed."},
        {"free_bytes", &R::free_bytes, Role::gauge, "bytes", "total_bytes - used_bytes."},
        {"peak_bytes", &R::peak_bytes, Role::gauge, "bytes",
         "The highest used_bytes; NULL where nobody keeps it."},
    });
    // clang-format on
  }
  static std::vector<MemoryContextsRow> snapshot(Sources& sources, Arguments arguments);
};

}  // namespace sqlitemem::stats
