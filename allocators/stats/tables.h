// THE place to add a statistics table: its row type's name in AllTables. All else derives.
#pragma once

#include <string>
#include <tuple>
#include <type_traits>

#include "allocators/stats/alert_rows.h"
#include "allocators/stats/arena_rows.h"
#include "allocators/stats/config_rows.h"
#include "allocators/stats/connection_rows.h"
#include "allocators/stats/doctor_rows.h"
#include "allocators/stats/heap_rows.h"
#include "allocators/stats/large_rows.h"
#include "allocators/stats/leak_rows.h"
#include "allocators/stats/memory_rows.h"
#include "allocators/stats/metrics.h"
#include "allocators/stats/plan_rows.h"
#include "allocators/stats/pool_rows.h"
#include "allocators/stats/pressure_rows.h"
#include "allocators/stats/responses.h"
#include "allocators/stats/slab_rows.h"
#include "allocators/stats/snapshots.h"
#include "allocators/stats/transaction_rows.h"
#include "allocators/stats/variable_rows.h"
#include "allocators/stats/wal_rows.h"

namespace sqlitemem::stats {

struct MemoryMetricsRow {
  std::string name, type;
  std::optional<std::string> unit;
  std::string help, labels;
  double value = 0;

  static constexpr auto describe() {
    using R = MemoryMetricsRow;
    // clang-format off
    return describe_table<R>("memory_metrics", "",
        "Every sample of prometheus_metrics() as a row.", {
        {"name", &R::name, Role::label, "", "The metric, with _total if it is a counter."},
        {"type", &R::type, Role::detail, "", "gauge, counter or stateset."},
        {"unit", &R::unit, Role::detail, "", "bytes, seconds or ratio; NULL for counts."},
        {"help", &R::help, Role::detail, "", "What it means."},
        {"labels", &R::labels, Role::label, "", "A JSON object: which of several it is."},
        {"value", &R::value, Role::detail, "", "The value."},
    });
    // clang-format on
  }
  static std::vector<MemoryMetricsRow> snapshot(Sources& sources, Arguments arguments);
};

using AllTables =
    std::tuple<MemoryStatsRow, MemoryContextsRow, ConnectionMemoryRow, HeapStatsRow,
               SlabAllocatorStatsRow, AllocationPatternsRow, LargeObjectStatsRow, LargeObjectsRow,
               FragmentationStatsRow, BufferPoolStatsRow, BufferPoolCachesRow, BufferPoolPagesRow,
               BufferPoolAdviceRow, TransactionArenaStatsRow, TxnVariablesRow, OpenTransactionsRow,
               OrphanedTransactionsRow, TransactionKillsRow, WalStatsRow, PlanCacheStatsRow,
               PlanCacheSummaryRow, MemorySnapshotsRow, MemoryDiffRow, MemoryPressureRow,
               MemoryForecastRow, MemoryHistoryRow, MemoryResponsesRow, MemoryResponseTotalsRow,
               MemoryAlertsRow, MemoryDoctorRow, LeakSuspectsRow, MemoryConfigRow,
               MemoryMetricsRow>;

/// Calls `use(std::type_identity<Row>{})` for each table, in order.
template <class Use>
constexpr void for_each_table(Use&& use) {
  [&]<class... Row>(std::type_identity<std::tuple<Row...>>) {
    (use(std::type_identity<Row>{}), ...);
  }(std::type_identity<AllTables>{});
}

/// All metrics of all tables that have a metric prefix.
std::vector<MetricFamily> collect_metrics(Sources& sources);

/// The reference manual's chapters on tables and options, in Markdown.
std::string tables_manual();
std::string options_manual();
/// For a Markdown table: no line feed, no bare bar.
std::string markdown_cell(std::string_view text);

}  // namespace sqlitemem::stats
