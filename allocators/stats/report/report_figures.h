// Everything that memory_report() shows, as plain values: gathered from a reading, or made up by a
// test.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "allocators/pages/fill_map.h"
#include "allocators/pressure/pressure_reading.h"
#include "allocators/stats/connection_rows.h"
#include "allocators/stats/large_rows.h"
#include "allocators/stats/memory_rows.h"
#include "allocators/stats/pool_rows.h"
#include "allocators/stats/slab_rows.h"

namespace sqlitemem::stats::report {

/// Who reports. The host knows it.
struct ReportHeader {
  std::string version;
  std::string mode;    ///< managed, attached or observing.
  std::string reason;  ///< Why, in full sentences; shown where not everything can be measured.
  std::string process;
  std::optional<std::uint64_t> process_id;
};

/// A row of memory_alerts or memory_doctor, as far as it is shown.
struct ReportNotice {
  std::string severity;
  std::string code;
  std::string text;    ///< What is the matter: a sentence or more.
  std::string advice;  ///< What to do; empty: nothing.
  std::string fix_sql;
};

struct ReportFigures {
  ReportHeader header;
  std::optional<PressureReading> pressure;  ///< nullopt: nobody watches.
  std::vector<MemoryStatsRow> memory;
  std::vector<SlabAllocatorStatsRow> classes;
  std::vector<FragmentationStatsRow> fragmentation;
  std::vector<AreaFill> areas;
  BufferPoolStatsRow pool;
  std::vector<BufferPoolAdviceRow> pool_advice;
  std::vector<ConnectionMemoryRow> connections;
  std::string heap_note;                       ///< Why there are no classes.
  std::vector<ReportNotice> alerts, findings;  ///< In the order to show; left out where empty.
};

/// All but alerts and findings.
ReportFigures gather(Sources& sources, ReportHeader header);
/// The alerts that are active, and what memory_doctor finds.
void add_notices(Sources& sources, ReportFigures& figures);

}  // namespace sqlitemem::stats::report
