// Page caches: too small, too large, spilling; and lookaside memory.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "allocators/base/bytes.h"
#include "allocators/stats/doctor/doctor_rules.h"

namespace sqlitemem::stats {
namespace {

/// Fewer references say little about the hours to come.
constexpr std::uint64_t least_references = 20'000;
constexpr std::uint64_t least_saving_bytes = 4 * mib;

/// What buffer_pool_advice() recommends, against what is.
struct Recommended {
  const SizeAdvice* size = nullptr;
  double misses_now = 0, misses_then = 0;
};

std::optional<Recommended> recommended(const Examination& seen) {
  if (!seen.pool || seen.pool->advice.references < least_references) return std::nullopt;
  const PoolAdvice& advice = seen.pool->advice;
  const auto index = advice.recommended();
  const auto current = std::ranges::find(advice.sizes, 1.0, &SizeAdvice::factor);
  if (!index || current == advice.sizes.end() || !current->hit_ratio) return std::nullopt;
  const SizeAdvice& size = advice.sizes[*index];
  if (!size.hit_ratio || size.factor == 1) return std::nullopt;
  const auto references = static_cast<double>(advice.references);
  return Recommended{&size, (1 - *current->hit_ratio) * references,
                     (1 - *size.hit_ratio) * references};
}

Findings too_small(const Examination& seen) {
  const auto found = recommended(seen);
  if (!found || found->size->factor < 1) return {};
  // A pool that is not full would not use more.
  const PoolTotals& totals = seen.pool->totals;
  const bool is_full = is_share(totals.used_bytes, totals.budget_bytes, 0.9);
  if (!is_full || found->misses_then > 0.8 * found->misses_now) return {};
  Finding finding{fmt::format(
      "With {} instead of {} there would have been {:.0f} instead of {:.0f} misses of {} page "
      "requests.",
      in_words(found->size->bytes), in_words(totals.budget_bytes), found->misses_then,
      found->misses_now, seen.pool->advice.references)};
  const std::uint64_t more = at_least_zero(found->size->bytes, totals.budget_bytes);
  if (!seen.limit || seen.limit->used_bytes + more < seen.limit->limit_bytes / 10 * 8)
    finding.fix_sql = fix::set_option_bytes("buffer_pool_size", found->size->bytes);
  return {finding};
}

Findings too_large(const Examination& seen) {
  const auto found = recommended(seen);
  if (!found || found->size->factor > 1) return {};
  const std::uint64_t saved = at_least_zero(seen.pool->totals.used_bytes, found->size->bytes);
  if (saved < least_saving_bytes) return {};
  return {{fmt::format("With {} instead of the {} in use there would have been {:.0f} instead of "
                       "{:.0f} misses of {} page requests.",
                       in_words(found->size->bytes), in_words(seen.pool->totals.used_bytes),
                       found->misses_then, found->misses_now, seen.pool->advice.references),
           fix::set_option_bytes("buffer_pool_size", found->size->bytes), saved}};
}

Findings spilling(const Examination& seen) {
  Findings findings;
  std::vector<ConnectionMemoryRow> connections = seen.connections;
  std::ranges::sort(connections, std::greater{}, [](const ConnectionMemoryRow& connection) {
    return connection.cache_spills.value_or(0);
  });
  for (const ConnectionMemoryRow& connection : connections) {
    const std::uint64_t spills = connection.cache_spills.value_or(0);
    if (spills < 1000 || !is_share(spills, connection.cache_writes.value_or(0), 0.1)) continue;
    findings.push_back(
        {fmt::format("Connection {} wrote {} of {} pages in mid-transaction.",
                     connection.connection_id, spills, connection.cache_writes.value_or(0))});
  }
  return findings;
}

/// With our heap a miss costs next to nothing.
Findings lookaside_misses(const Examination& seen) {
  Findings findings;
  if (seen.heap) return findings;
  for (const ConnectionMemoryRow& connection : seen.connections) {
    const std::uint64_t hits = connection.lookaside_hits.value_or(0);
    const std::uint64_t misses = connection.lookaside_misses.value_or(0);
    if (misses < 100'000 || !is_share(misses, hits + misses, 0.5)) continue;
    findings.push_back({fmt::format("Connection {}: {} of {} small requests ({}) went to the heap.",
                                    connection.connection_id, misses, hits + misses,
                                    percent_of(misses, hits + misses))});
  }
  return findings;
}

constexpr auto cache_rule_list = std::to_array<DoctorRule>({
    {"cache_too_small", Severity::warning, Judges::sizes,
     "The buffer pool is too small for the work: a larger one would save many reads.",
     "Raise buffer_pool_size as far as the limit allows; buffer_pool_advice() has the whole curve.",
     too_small},
    {"cache_too_large", Severity::info, Judges::sizes,
     "The buffer pool is larger than the work needs: a smaller one would hit nearly as often.",
     "Lower buffer_pool_size; buffer_pool_advice() has the whole curve.", too_large},
    {"cache_spills", Severity::info, Judges::facts,
     "Changed pages are written before their transaction commits, for lack of room in the cache; "
     "pages that change again are written twice.",
     "Make write transactions smaller, or raise the connection's PRAGMA cache_size.", spilling},
    {"lookaside_misses", Severity::info, Judges::sizes,
     "Lookaside memory is too small, or its slots are: most small requests take the slow way.",
     "Enlarge it with sqlite3_db_config(SQLITE_DBCONFIG_LOOKASIDE), or use sqlitemem's heap, "
     "which serves small requests as fast.",
     lookaside_misses},
});

}  // namespace

std::span<const DoctorRule> cache_rules() { return cache_rule_list; }

}  // namespace sqlitemem::stats
