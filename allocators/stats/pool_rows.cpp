// Fills buffer_pool_stats, _caches, _pages and _advice.
#include "allocators/stats/pool_rows.h"

#include <algorithm>
#include <map>

#include "allocators/base/bytes.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

std::optional<double> ratio_of(std::uint64_t part, std::uint64_t rest) {
  if (part + rest == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(part + rest);
}

/// The page size that most frames have.
std::optional<std::uint64_t> common_page_bytes(const std::vector<CacheTotals>& caches) {
  std::map<std::uint64_t, std::uint64_t> frames;
  for (const CacheTotals& cache : caches) {
    if (cache.is_purgeable && cache.frames != 0) frames[cache.page_bytes] += cache.frames;
  }
  if (frames.empty()) return std::nullopt;
  return std::ranges::max_element(frames, {}, [](const auto& each) { return each.second; })->first;
}

const char* tier_name(Tier tier) {
  switch (tier) {
    case Tier::warm:
      return "warm";
    case Tier::hot:
      return "hot";
    case Tier::none:
      break;
  }
  return "none";
}

BufferPoolCachesRow as_row(const CacheTotals& from, std::uint64_t now_ns) {
  BufferPoolCachesRow row;
  row.cache_id = static_cast<std::int64_t>(from.id);
  row.is_purgeable = Flag(from.is_purgeable);
  row.page_bytes = from.page_bytes;
  row.cache_size_pages = from.weight_pages;
  row.frames = from.frames;
  row.pinned_frames = from.pinned_frames;
  row.floor_frames = from.floor_frames;
  row.hits = from.hits;
  row.misses = from.misses;
  row.hit_ratio = ratio_of(from.hits, from.misses);
  row.pinned_hits = from.pinned_hits;
  row.evictions = from.evictions;
  row.spill_requests = from.refusals;
  row.idle_seconds = static_cast<double>(at_least_zero(now_ns, from.used_at_ns)) / 1e9;
  return row;
}

}  // namespace

std::vector<BufferPoolStatsRow> BufferPoolStatsRow::snapshot(Sources& sources, Arguments) {
  BufferPoolStatsRow row;
  const PoolReading* pool = sources.reading().pool();
  if (pool == nullptr) {
    row.note = sources.pool_note();
    return {row};
  }
  const PoolTotals& totals = pool->totals;
  row.total_frames = totals.budget_frames;
  row.used_frames = totals.used_frames;
  row.free_frames = at_least_zero(totals.budget_frames, totals.used_frames);
  row.pinned_frames = totals.pinned_frames;
  row.page_bytes = common_page_bytes(pool->caches);
  row.budget_bytes = totals.budget_bytes;
  row.used_bytes = totals.used_bytes;
  row.hits = totals.hits;
  row.misses = totals.misses;
  row.hit_ratio = ratio_of(totals.hits, totals.misses);
  row.pinned_hits = totals.pinned_hits;
  row.evictions = totals.evictions;
  row.foreign_evictions = totals.foreign_evictions;
  row.spill_requests = totals.refusals;
  row.hot_frames = totals.tiers.hot;
  row.warm_frames = totals.tiers.warm;
  row.cold_entries = totals.tiers.cold;
  row.ghost_hits = totals.ghost_hits;
  row.unevictable_frames = totals.unevictable_frames;
  row.unevictable_bytes = totals.unevictable_bytes;
  row.held_bytes = totals.held_bytes;
  row.failures = totals.failures;
  row.policy = totals.policy;
  if (totals.budget_bytes != 0) {
    row.utilization_percent =
        100 * static_cast<double>(totals.used_bytes) / static_cast<double>(totals.budget_bytes);
  }
  row.stats_reset = statistics_reset_at();
  return {row};
}

std::vector<BufferPoolCachesRow> BufferPoolCachesRow::snapshot(Sources& sources, Arguments) {
  std::vector<BufferPoolCachesRow> rows;
  const PoolReading* pool = sources.reading().pool();
  if (pool == nullptr) return rows;
  for (const LegacyCacheFigures& cache : pool->legacy) {
    BufferPoolCachesRow row;
    row.cache_id = -static_cast<std::int64_t>(cache.id);
    row.is_legacy = true;
    row.frames = cache.frames;
    rows.push_back(row);
  }
  for (const CacheTotals& cache : pool->caches) {
    BufferPoolCachesRow row = as_row(cache, pool->taken_at_ns);
    const auto owner = std::ranges::find(pool->owners, cache.id, &CacheOwner::cache_id);
    if (owner != pool->owners.end()) {
      row.connection_id = owner->connection_id;
      row.schema_name = owner->schema_name;
      row.database_file = owner->database_file;
    }
    rows.push_back(row);
  }
  return rows;
}

std::vector<BufferPoolPagesRow> BufferPoolPagesRow::snapshot(Sources& sources,
                                                             Arguments arguments) {
  std::vector<BufferPoolPagesRow> rows;
  BufferPool* pool = sources.pool();
  if (pool == nullptr) return rows;
  const auto* only = std::get_if<std::int64_t>(&arguments[0]);
  for (const PageInfo& page : pool->pages()) {
    if (only != nullptr && static_cast<std::int64_t>(page.cache_id) != *only) continue;
    BufferPoolPagesRow row;
    row.cache_id = page.cache_id;
    row.pageno = page.page_number;
    row.tier = tier_name(page.tier);
    row.is_pinned = page.is_pinned;
    row.references = page.references;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<BufferPoolAdviceRow> BufferPoolAdviceRow::snapshot(Sources& sources, Arguments) {
  std::vector<BufferPoolAdviceRow> rows;
  const PoolReading* pool = sources.reading().pool();
  if (pool == nullptr) {
    rows.emplace_back().note = sources.pool_note();
    return rows;
  }
  const PoolAdvice& advice = pool->advice;
  const auto recommended = advice.recommended();
  const auto current = std::ranges::find(advice.sizes, 1.0, &SizeAdvice::factor);
  for (std::size_t i = 0; i < advice.sizes.size(); ++i) {
    const SizeAdvice& size = advice.sizes[i];
    BufferPoolAdviceRow& row = rows.emplace_back();
    row.size_factor = size.factor;
    row.size_bytes = size.bytes;
    row.estimated_hit_ratio = size.hit_ratio;
    row.is_current = Flag(size.factor == 1);
    row.is_recommended = Flag(recommended == i);
    row.samples = size.samples;
    if (!size.hit_ratio) {
      row.note =
          advice.is_on ? "Too few references to judge." : "The option buffer_pool_advice is off.";
      continue;
    }
    const double miss_ratio = 1 - *size.hit_ratio;
    row.estimated_misses =
        static_cast<std::uint64_t>(miss_ratio * static_cast<double>(advice.references));
    if (current->hit_ratio && *current->hit_ratio < 1)
      row.estimated_miss_factor = miss_ratio / (1 - *current->hit_ratio);
  }
  return rows;
}

}  // namespace sqlitemem::stats
