// The rows of wal_stats.
#include "allocators/stats/wal_rows.h"

#include "allocators/stats/sources.h"

namespace sqlitemem::stats {

std::vector<WalStatsRow> WalStatsRow::snapshot(Sources& sources, Arguments) {
  return sources.reading().logs();
}

}  // namespace sqlitemem::stats
