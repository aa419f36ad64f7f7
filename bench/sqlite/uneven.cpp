// The driver's side of the uneven connections: totals, and who lost by sharing.
#include "bench/sqlite/uneven.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace sqlitemem::bench {
namespace {

constexpr std::string_view all_pages_test = "uneven_all";
/// What a page of 4096 bytes costs in our pool, its header and SQLite's included.
constexpr std::uint64_t frame_bytes = 4368;

struct Total {
  std::string_view test;
  std::uint64_t percent;  ///< Of all pages that the connections read.
};
constexpr std::array<Total, 2> totals{{{"uneven_10", 10}, {"uneven_50", 50}}};

bool run(const Job& job, Measurements& measurements) {
  const ChildResult result = run_child(job.command);
  if (result.exit_code == exit_subject_missing) return true;
  if (result.exit_code == 0 && job.read(result, measurements)) return true;
  std::fprintf(stderr, "%s with %s failed (exit code %d):\n%s\n", job.test.c_str(),
               job.subject.c_str(), result.exit_code, result.output.c_str());
  return false;
}

std::string cache_pages(std::uint64_t pages) {
  return fmt::format("{}={}", uneven_pages_variable, pages);
}

void add_worst_loss(std::string_view test, Measurements& measurements) {
  std::optional<double> worst;
  for (std::size_t i = 1; i <= uneven_connections; ++i) {
    const std::string ratio = fmt::format("{}_hit_percent_{}", test, i);
    const auto split = measurements.median(ratio, "stock");
    const auto shared = measurements.median(ratio, "managed");
    if (split && shared) worst = std::max(worst.value_or(-100), *split - *shared);
  }
  if (worst) measurements.add(fmt::format("{}_worst_loss", test), "managed", *worst);
}

}  // namespace

bool measure_uneven(const Options& options, const MakeJob& make_job, Measurements& measurements) {
  const auto is_wanted = [&](const Total& total) { return options.wants_test(total.test); };
  if (std::none_of(totals.begin(), totals.end(), is_wanted)) return true;
  if (!run(make_job(all_pages_test, "stock", {cache_pages(10'000'000)}), measurements))
    return false;
  // Caches that keep everything miss each page once.
  const auto all = measurements.median(all_pages_test, "stock");
  if (!all) return false;
  for (const Total& total : totals) {
    if (!is_wanted(total)) continue;
    const std::uint64_t pages = static_cast<std::uint64_t>(*all) * total.percent / 100;
    if (options.wants_subject("stock") &&
        !run(make_job(total.test, "stock", {cache_pages(pages / uneven_connections)}),
             measurements)) {
      return false;
    }
    const std::string budget = fmt::format("SQLITEMEM_BUFFER_POOL_SIZE={}", pages * frame_bytes);
    if (options.wants_subject("managed") &&
        !run(make_job(total.test, "managed", {budget}), measurements)) {
      return false;
    }
    add_worst_loss(total.test, measurements);
  }
  return true;
}

}  // namespace sqlitemem::bench
