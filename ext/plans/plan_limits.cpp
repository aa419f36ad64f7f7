// The limits, from the options.
#include "ext/plans/plan_limits.h"

#include "allocators/config.h"

namespace sqlitemem::ext::plans {

ProcessTotals& process_totals() noexcept {
  static constinit ProcessTotals totals;
  return totals;
}

bool is_over_limits() noexcept {
  const ProcessTotals& totals = process_totals();
  return totals.plans.load(std::memory_order_relaxed) >
             static_cast<std::uint64_t>(option(&Config::plan_cache_max_plans)) ||
         totals.bytes.load(std::memory_order_relaxed) >
             static_cast<std::uint64_t>(option(&Config::plan_cache_max_bytes));
}

bool may_park_bytes(std::uint64_t bytes) noexcept {
  return option(&Config::plan_cache_max_plans) > 0 &&
         bytes <= static_cast<std::uint64_t>(option(&Config::plan_cache_max_plan_bytes)) &&
         bytes <= static_cast<std::uint64_t>(option(&Config::plan_cache_max_bytes));
}

}  // namespace sqlitemem::ext::plans
