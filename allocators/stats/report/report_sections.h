// THE place to add a section to memory_report(): its line here, its body beside the others, its
// call in format_report().
#pragma once

#include <string_view>
#include <vector>

#include "allocators/stats/report/report_figures.h"
#include "allocators/stats/report/report_text.h"

namespace sqlitemem::stats::report {

// Each adds nothing, or a heading and what belongs to it.

void draw_header(Page& page, const ReportHeader& header);
/// Used of the limit, with the level of pressure. Without a watcher: of memory_limit, else of the
/// control group's limit, else the resident set alone.
void draw_usage(Page& page, const ReportFigures& figures);
/// The sampled series, and where it is going.
void draw_forecast(Page& page, const ReportFigures& figures);
/// What the resident set is made of: the rows of category rss.
void draw_resident(Page& page, const ReportFigures& figures);
void draw_pool(Page& page, const ReportFigures& figures);
/// The size classes that hold most.
void draw_classes(Page& page, const ReportFigures& figures);
/// A picture of each area, and the verdict of fragmentation_stats.
void draw_fill_maps(Page& page, const ReportFigures& figures);
/// Those that use most.
void draw_connections(Page& page, const ReportFigures& figures);
/// The first ones; `table` has them all.
void draw_notices(Page& page, std::string_view heading, std::string_view table,
                  const std::vector<ReportNotice>& notices);

/// Columns for a bar that stands beside figures.
[[nodiscard]] inline std::size_t bar_width(const Page& page) { return page.width() / 4; }

}  // namespace sqlitemem::stats::report
