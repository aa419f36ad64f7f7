// The tables buffer_pool_stats, _caches, _pages and _advice.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct BufferPoolStatsRow {
  std::optional<std::uint64_t> total_frames, used_frames, free_frames, pinned_frames, page_bytes;
  std::optional<std::uint64_t> budget_bytes, used_bytes, hits, misses;
  std::optional<double> hit_ratio;
  std::optional<std::uint64_t> pinned_hits, evictions, foreign_evictions, spill_requests;
  std::optional<std::uint64_t> hot_frames, warm_frames, cold_entries, ghost_hits;
  std::optional<std::uint64_t> unevictable_frames, unevictable_bytes, held_bytes, failures;
  std::optional<std::string> policy;
  std::optional<double> utilization_percent;
  std::optional<std::string> stats_reset, note;

  static constexpr auto describe() {
    using R = BufferPoolStatsRow;
    // clang-format off
    return describe_table<R>("buffer_pool_stats", "buffer_pool",
        "One row on the buffer pool, the one page cache of all connections. Counters run since "
        "stats_reset. All NULL where SQLite keeps a cache per connection; note says why.", {
        {"total_frames", &R::total_frames, Role::gauge, "",
         "Pages that the budget has room for, at the present mean page size."},
        {"used_frames", &R::used_frames, Role::gauge, "",
         "Pages held for database files, a few spare frames of busy connections included."},
        {"free_frames", &R::free_frames, Role::gauge, "", "total_frames - used_frames."},
        {"pinned_frames", &R::pinned_frames, Role::gauge, "",
         "Of used_frames, those that SQLite is using or has changed: they cannot be evicted."},
        {"page_bytes", &R::page_bytes, Role::gauge, "bytes",
         "The page size of most pages; NULL while there is none."},
        {"budget_bytes", &R::budget_bytes, Role::gauge, "bytes",
         "Option buffer_pool_size, or what it stands for."},
        {"used_bytes", &R::used_bytes, Role::gauge, "bytes",
         "used_frames with their headers. Above budget_bytes only by pages that are pinned."},
        {"hits", &R::hits, Role::counter, "", "Pages asked for that were there, and not pinned."},
        {"misses", &R::misses, Role::counter, "",
         "Pages asked for that were not there; pages beyond the end of a file included."},
        {"hit_ratio", &R::hit_ratio, Role::gauge, "ratio",
         "hits / (hits + misses); NULL before the first."},
        {"pinned_hits", &R::pinned_hits, Role::counter, "",
         "Pages asked for that were pinned already: found whatever the size of the pool."},
        {"evictions", &R::evictions, Role::counter, "", "Pages that made room for others."},
        {"foreign_evictions", &R::foreign_evictions, Role::counter, "",
         "Of these, pages of another connection than the one that needed room."},
        {"spill_requests", &R::spill_requests, Role::counter, "",
         "Times that SQLite was asked to write a changed page instead of getting another."},
        {"hot_frames", &R::hot_frames, Role::gauge, "", "Pages that were used again."},
        {"warm_frames", &R::warm_frames, Role::gauge, "", "Pages on trial."},
        {"cold_entries", &R::cold_entries, Role::gauge, "",
         "Evicted pages that are remembered: one that comes back is hot at once."},
        {"ghost_hits", &R::ghost_hits, Role::counter, "", "Pages that came back so."},
        {"unevictable_frames", &R::unevictable_frames, Role::gauge, "",
         "Pages of in-memory databases: outside the budget, because they exist nowhere else."},
        {"unevictable_bytes", &R::unevictable_bytes, Role::gauge, "bytes",
         "These, with their headers."},
        {"held_bytes", &R::held_bytes, Role::gauge, "bytes",
         "Taken from the operating system for all frames; counts against memory_limit."},
        {"failures", &R::failures, Role::counter, "",
         "Pages that could not be had: SQLite answered SQLITE_NOMEM."},
        {"policy", &R::policy, Role::detail, "", "Option buffer_pool_policy."},
        {"utilization_percent", &R::utilization_percent, Role::detail, "",
         "100 * used_bytes / budget_bytes."},
        {"stats_reset", &R::stats_reset, Role::detail, "",
         "When reset_memory_stats() last ran; NULL: counters run since the pool started."},
        {"note", &R::note, Role::detail, "", "Why there is no pool; NULL if there is one."},
    });
    // clang-format on
  }
  static std::vector<BufferPoolStatsRow> snapshot(Sources& sources, Arguments arguments);
};

struct BufferPoolCachesRow {
  std::int64_t cache_id = 0;
  std::optional<std::uint64_t> connection_id;
  std::optional<std::string> schema_name, database_file;
  Flag is_legacy;
  std::optional<Flag> is_purgeable;
  std::optional<std::uint64_t> page_bytes, cache_size_pages;
  std::uint64_t frames = 0;
  std::optional<std::uint64_t> pinned_frames, floor_frames, hits, misses;
  std::optional<double> hit_ratio;
  std::optional<std::uint64_t> pinned_hits, evictions, spill_requests;
  std::optional<double> idle_seconds;

  static constexpr auto describe() {
    using R = BufferPoolCachesRow;
    // clang-format off
    return describe_table<R>("buffer_pool_caches", "",
        "One row per page cache: one for each database of each connection, and one for each "
        "temporary table and sort that needs pages.", {
        {"cache_id", &R::cache_id, Role::label, "",
         "In the order in which caches were made; negative for a legacy cache."},
        {"connection_id", &R::connection_id, Role::detail, "",
         "Whose it is: see connection_memory. NULL: of a temporary table or index, or the "
         "connection was busy ever since."},
        {"schema_name", &R::schema_name, Role::detail, "", "main, temp or an attached name."},
        {"database_file", &R::database_file, Role::detail, "",
         "NULL for in-memory and temporary databases."},
        {"is_legacy", &R::is_legacy, Role::detail, "",
         "1: made before the pool took over; it ends when its database is closed."},
        {"is_purgeable", &R::is_purgeable, Role::detail, "",
         "0: an in-memory database, outside the budget. NULL: not known of a legacy cache."},
        {"page_bytes", &R::page_bytes, Role::detail, "", "Page size."},
        {"cache_size_pages", &R::cache_size_pages, Role::detail, "",
         "PRAGMA cache_size in pages: its weight among the caches."},
        {"frames", &R::frames, Role::gauge, "", "Pages held."},
        {"pinned_frames", &R::pinned_frames, Role::gauge, "", "Of these, in use or changed."},
        {"floor_frames", &R::floor_frames, Role::detail, "",
         "Other connections take no page while it has no more than this."},
        {"hits", &R::hits, Role::counter, "", "As in buffer_pool_stats."},
        {"misses", &R::misses, Role::counter, "", "As in buffer_pool_stats."},
        {"hit_ratio", &R::hit_ratio, Role::gauge, "ratio", "hits / (hits + misses)."},
        {"pinned_hits", &R::pinned_hits, Role::counter, "", "As in buffer_pool_stats."},
        {"evictions", &R::evictions, Role::counter, "", "Pages that it lost."},
        {"spill_requests", &R::spill_requests, Role::counter, "", "As in buffer_pool_stats."},
        {"idle_seconds", &R::idle_seconds, Role::detail, "",
         "Since pages were last added or dropped; hits alone do not count as activity."},
    });
    // clang-format on
  }
  static std::vector<BufferPoolCachesRow> snapshot(Sources& sources, Arguments arguments);
};

struct BufferPoolPagesRow {
  std::uint64_t cache_id = 0, pageno = 0;
  std::string tier;
  Flag is_pinned;
  std::optional<std::uint64_t> references;

  static constexpr auto describe() {
    using R = BufferPoolPagesRow;
    // clang-format off
    return describe_table<R>("buffer_pool_pages", "",
        "One row per page that is held, in no particular order. Joins dbstat on pageno.", {
        {"cache_id", &R::cache_id, Role::label, "", "See buffer_pool_caches."},
        {"pageno", &R::pageno, Role::label, "", "The page's number in its database."},
        {"tier", &R::tier, Role::detail, "",
         "hot, warm, or none: a page of an in-memory database."},
        {"is_pinned", &R::is_pinned, Role::detail, "", "1: in use or changed."},
        {"references", &R::references, Role::detail, "",
         "Uses lately, 0 to 3; NULL if the policy keeps an order instead. A keyword: quote it."},
    }, {
        {"only_cache", ArgumentType::integer, false, "One cache's pages only."},
    });
    // clang-format on
  }
  static std::vector<BufferPoolPagesRow> snapshot(Sources& sources, Arguments arguments);
};

struct BufferPoolAdviceRow {
  std::optional<double> size_factor;
  std::optional<std::uint64_t> size_bytes;
  std::optional<double> estimated_hit_ratio;
  std::optional<std::uint64_t> estimated_misses;
  std::optional<double> estimated_miss_factor;
  std::optional<Flag> is_current, is_recommended;
  std::optional<std::uint64_t> samples;
  std::optional<std::string> note;

  static constexpr auto describe() {
    using R = BufferPoolAdviceRow;
    // clang-format off
    return describe_table<R>("buffer_pool_advice", "buffer_pool_advice",
        "What the buffer pool would have done with another size: one row for each, from a quarter "
        "to four times buffer_pool_size. A sample of the pages, with all references to them, runs "
        "through the eviction policy at each size. Sampling begins when the pool has made 2048 "
        "pages, or half as many as fit, and anew when the size changes by a fifth. Old references "
        "count for less and less; reset_memory_stats() forgets them. One row with a note where "
        "there is no pool.", {
        {"size_factor", &R::size_factor, Role::label, "", "Times the present size."},
        {"size_bytes", &R::size_bytes, Role::gauge, "bytes", "To set buffer_pool_size to."},
        {"estimated_hit_ratio", &R::estimated_hit_ratio, Role::gauge, "ratio",
         "As hit_ratio in buffer_pool_stats, without in-memory databases; NULL: see note."},
        {"estimated_misses", &R::estimated_misses, Role::gauge, "",
         "Of the pages asked for since stats_reset (see buffer_pool_stats), those that would not "
         "have been there."},
        {"estimated_miss_factor", &R::estimated_miss_factor, Role::gauge, "",
         "estimated_misses, divided by those of the present size."},
        {"is_current", &R::is_current, Role::detail, "", "1: the present size."},
        {"is_recommended", &R::is_recommended, Role::gauge, "",
         "1: the smallest size with at most a tenth more misses than four times the present size, "
         "give or take a thousandth of all references. No row while one is not judged."},
        {"samples", &R::samples, Role::gauge, "",
         "Sampled references behind the estimate; repetitions are left out. 200 are enough."},
        {"note", &R::note, Role::detail, "", "Why there is no estimate; NULL if there is one."},
    });
    // clang-format on
  }
  static std::vector<BufferPoolAdviceRow> snapshot(Sources& sources, Arguments arguments);
};

}  // namespace sqlitemem::stats
