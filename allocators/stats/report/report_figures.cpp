// Asks the tables for their rows, so that the report shows what they show.
#include "allocators/stats/report/report_figures.h"

#include <array>
#include <utility>

#include "allocators/stats/alert_rows.h"
#include "allocators/stats/doctor_rows.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats::report {
namespace {

template <class Row>
std::vector<Row> rows_of(Sources& sources) {
  const std::array<ArgumentValue, table<Row>.arguments.size()> none{};
  return Row::snapshot(sources, none);
}

}  // namespace

ReportFigures gather(Sources& sources, ReportHeader header) {
  ReportFigures figures;
  figures.header = std::move(header);
  Reading& reading = sources.reading();
  if (const PressureReading* pressure = reading.pressure()) figures.pressure = *pressure;
  figures.memory = rows_of<MemoryStatsRow>(sources);
  figures.classes = rows_of<SlabAllocatorStatsRow>(sources);
  figures.fragmentation = rows_of<FragmentationStatsRow>(sources);
  figures.areas = reading.fill_maps();
  if (auto rows = rows_of<BufferPoolStatsRow>(sources); !rows.empty())
    figures.pool = std::move(rows.front());
  figures.pool_advice = rows_of<BufferPoolAdviceRow>(sources);
  figures.connections = rows_of<ConnectionMemoryRow>(sources);
  figures.heap_note = sources.heap_note();
  return figures;
}

void add_notices(Sources& sources, ReportFigures& figures) {
  for (MemoryAlertsRow& row : rows_of<MemoryAlertsRow>(sources)) {
    if (row.cleared_at) continue;
    figures.alerts.push_back({.severity = std::move(row.severity),
                              .code = std::move(row.code),
                              .text = std::move(row.message),
                              .advice = std::move(row.advice),
                              .fix_sql = {}});
  }
  for (MemoryDoctorRow& row : rows_of<MemoryDoctorRow>(sources)) {
    figures.findings.push_back({.severity = std::move(row.severity),
                                .code = std::move(row.code),
                                .text = std::move(row.finding),
                                .advice = std::move(row.advice),
                                .fix_sql = std::move(row.fix_sql).value_or("")});
  }
}

}  // namespace sqlitemem::stats::report
