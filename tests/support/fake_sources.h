// Figures that a test chooses, in place of the process's.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "allocators/stats/sources.h"

namespace sqlitemem::tests {

/// What the tables ask; every member may be set.
struct FakeSources : stats::Sources {
  MemoryManager* the_heap = nullptr;
  std::vector<stats::ConnectionMemoryRow> the_connections;
  stats::LibraryFigures the_library;
  std::vector<stats::OpenTransactionsRow> the_transactions;
  std::vector<stats::WalStatsRow> the_logs;
  stats::PlanReading the_plans;
  std::optional<PressureReading> the_pressure;
  stats::HostSettings the_settings;
  std::string the_root;

  MemoryManager* heap() override { return the_heap; }
  std::string heap_note() override { return the_heap == nullptr ? "No heap in this test." : ""; }
  std::vector<stats::ConnectionMemoryRow> connections() override { return the_connections; }
  stats::LibraryFigures sqlite_figures() override { return the_library; }
  std::vector<stats::OpenTransactionsRow> transactions() override { return the_transactions; }
  std::vector<stats::WalStatsRow> wal_databases() override { return the_logs; }
  stats::PlanReading plans() override { return the_plans; }
  std::optional<PressureReading> pressure() override { return the_pressure; }
  stats::HostSettings host_settings() override { return the_settings; }
  std::string file_root() override { return the_root; }
};

/// `Row`'s rows with the arguments given from the left, from a reading of their own.
template <class Row>
std::vector<Row> rows_of(stats::Sources& sources, std::vector<stats::ArgumentValue> given = {}) {
  std::array<stats::ArgumentValue, stats::table<Row>.arguments.size()> arguments{};
  std::move(given.begin(), given.end(), arguments.begin());
  sources.forget();
  return Row::snapshot(sources, arguments);
}

/// The one row of that kind for which `matches` holds; fails the test if there is none.
template <class Row, class Matches>
const Row& row_where(const std::vector<Row>& rows, Matches&& matches) {
  for (const Row& row : rows) {
    if (matches(row)) return row;
  }
  throw std::runtime_error("no such row");
}

}  // namespace sqlitemem::tests
