// memory_report(): one page for a terminal.
#pragma once

#include <string>

#include "allocators/stats/report/report_figures.h"
#include "allocators/stats/report/report_style.h"

namespace sqlitemem::stats::report {

/// The whole page. No line is wider than style.width columns or ends with a blank; the same figures
/// give the same text. What is not known is "-", and a section without figures says why in a
/// sentence, or is left out.
std::string format_report(const ReportFigures& figures, const ReportStyle& style);

}  // namespace sqlitemem::stats::report
