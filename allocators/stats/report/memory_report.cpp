// The sections of the page, in their order.
#include "allocators/stats/report/memory_report.h"

#include "allocators/stats/report/report_sections.h"
#include "allocators/stats/report/report_text.h"

namespace sqlitemem::stats::report {

std::string format_report(const ReportFigures& figures, const ReportStyle& style) {
  Page page(style);
  draw_header(page, figures.header);
  draw_usage(page, figures);
  draw_forecast(page, figures);
  draw_resident(page, figures);
  draw_pool(page, figures);
  draw_classes(page, figures);
  draw_fill_maps(page, figures);
  draw_connections(page, figures);
  draw_notices(page, "ALERTS", "memory_alerts", figures.alerts);
  draw_notices(page, "ADVICE", "memory_doctor", figures.findings);
  return page.text();
}

}  // namespace sqlitemem::stats::report
