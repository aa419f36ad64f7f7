// The lists in the report: connections, alerts and advice.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "allocators/stats/report/report_sections.h"

namespace sqlitemem::stats::report {
namespace {

constexpr std::size_t most_connections = 5, most_notices = 5;
constexpr std::size_t severity_width = 9;

std::optional<double> hit_ratio_of(const ConnectionMemoryRow& row) {
  if (!row.cache_hits || !row.cache_misses) return std::nullopt;
  const double hits = static_cast<double>(*row.cache_hits);
  const double all = hits + static_cast<double>(*row.cache_misses);
  return all > 0 ? std::optional(hits / all) : std::nullopt;
}

}  // namespace

void draw_connections(Page& page, const ReportFigures& figures) {
  std::vector<const ConnectionMemoryRow*> rows;
  for (const ConnectionMemoryRow& row : figures.connections) rows.push_back(&row);
  if (rows.empty()) return;
  std::ranges::stable_sort(rows, std::greater{},
                           [](const auto* row) { return row->total_bytes.value_or(0); });
  const std::size_t shown = std::min(rows.size(), most_connections);
  const auto stale =
      std::ranges::count_if(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(shown),
                            [](const auto* row) { return static_cast<bool>(row->is_stale); });
  page.heading("CONNECTIONS",
               fmt::format("{} of {} by memory{}", shown, rows.size(),
                           stale == 0 ? "" : "; * in use: figures of the last reading"));
  Grid grid({{"id"},
             {"total"},
             {"cache", true, 1},
             {"schema", true, 4},
             {"stmts", true, 4},
             {"open", true, 5},
             {"hits", true, 3},
             {"state", false, 2},
             {"file", false, 0, true}});
  for (std::size_t index = 0; index < shown; ++index) {
    const ConnectionMemoryRow& row = *rows[index];
    grid.add({fmt::format("{}{}", row.connection_id, row.is_stale ? "*" : ""),
              human_bytes(row.total_bytes), human_bytes(row.cache_used_bytes),
              human_bytes(row.schema_used_bytes), human_bytes(row.stmt_used_bytes),
              human_count(row.open_statements), human_percent(hit_ratio_of(row)),
              presentable(row.txn_state.value_or(std::string(unknown_sign)), page.charset()),
              presentable(row.database_file.value_or("(none)"), page.charset())});
  }
  grid.draw(page);
}

void draw_notices(Page& page, std::string_view heading, std::string_view table,
                  const std::vector<ReportNotice>& notices) {
  if (notices.empty()) return;
  const std::size_t shown = std::min(notices.size(), most_notices);
  page.heading(heading, shown == notices.size()
                            ? ""
                            : fmt::format("{} of {}; {} has all", shown, notices.size(), table));
  const std::string indent(severity_width + 3, ' ');
  for (std::size_t index = 0; index < shown; ++index) {
    const ReportNotice& notice = notices[index];
    const std::string severity =
        clipped(presentable(notice.severity, page.charset()), severity_width, page.charset());
    page.paragraph("  " + left_aligned(severity, severity_width) + " ",
                   fmt::format("{}: {}", notice.code, notice.text));
    page.paragraph(indent, notice.advice);
    if (!notice.fix_sql.empty()) page.paragraph(indent + "> ", notice.fix_sql);
  }
}

}  // namespace sqlitemem::stats::report
