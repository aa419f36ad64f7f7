// The buffer pool in the report: its budget, its hits, and what other sizes would do.
#include <fmt/format.h>

#include <algorithm>

#include "allocators/stats/report/report_sections.h"

namespace sqlitemem::stats::report {
namespace {

void draw_curve(Page& page, const std::vector<BufferPoolAdviceRow>& rows) {
  std::vector<double> misses;
  for (const BufferPoolAdviceRow& row : rows) {
    if (row.estimated_hit_ratio) misses.push_back(1 - *row.estimated_hit_ratio);
  }
  if (misses.size() < 2 || misses.size() != rows.size()) return;
  const double most = *std::ranges::max_element(misses);
  page.line(fmt::format("  misses {} at {} to {} at {}: {}", human_percent(misses.front()),
                        human_bytes(rows.front().size_bytes), human_percent(misses.back()),
                        human_bytes(rows.back().size_bytes),
                        sparkline(misses, 0, most, page.charset())));
}

std::string advice_of(const std::vector<BufferPoolAdviceRow>& rows) {
  const auto recommended = std::ranges::find_if(
      rows, [](const auto& row) { return row.is_recommended.value_or(false); });
  if (recommended == rows.end()) return rows.empty() ? "" : rows.front().note.value_or("");
  if (recommended->is_current.value_or(false)) return "This size suits what is asked of it.";
  const std::string size = human_bytes(recommended->size_bytes);
  const double factor = recommended->estimated_miss_factor.value_or(1);
  if (factor < 1)
    return fmt::format("buffer_pool_size = {} would have {} fewer misses.", size,
                       human_percent(1 - factor));
  return fmt::format("buffer_pool_size = {} would do as well, with {} more misses.", size,
                     human_percent(factor - 1));
}

}  // namespace

void draw_pool(Page& page, const ReportFigures& figures) {
  const BufferPoolStatsRow& pool = figures.pool;
  if (!pool.budget_bytes || !pool.used_bytes) {
    if (!pool.note) return;
    page.heading("BUFFER POOL");
    return page.paragraph("  ", "None here. " + *pool.note);
  }
  page.heading("BUFFER POOL", fmt::format("{}, budget {}", pool.policy.value_or("no policy"),
                                          human_bytes(*pool.budget_bytes)));
  const double used = ratio(*pool.used_bytes, *pool.budget_bytes).value_or(0);
  const auto draw_bar = [&](std::string_view name, double share, const std::string& words) {
    page.paragraph(fmt::format("  {} {}  ", name, bar(share, bar_width(page), page.charset())),
                   words);
  };
  draw_bar("used", used,
           fmt::format("{}, {} pages, {} pinned", human_bytes(*pool.used_bytes),
                       human_count(pool.used_frames), human_count(pool.pinned_frames)));
  const std::uint64_t references = saturated_sum(pool.hits.value_or(0), pool.misses.value_or(0));
  draw_bar("hits", pool.hit_ratio.value_or(0),
           fmt::format("{} of {} references, {} evictions", human_percent(pool.hit_ratio),
                       human_count(references), human_count(pool.evictions)));
  if (pool.unevictable_bytes.value_or(0) != 0)
    page.line(fmt::format("  and {} of in-memory databases, outside the budget",
                          human_bytes(pool.unevictable_bytes)));
  draw_curve(page, figures.pool_advice);
  if (const std::string advice = advice_of(figures.pool_advice); !advice.empty())
    page.paragraph("  advice: ", advice);
}

}  // namespace sqlitemem::stats::report
