// Which open transactions are orphaned.
#include "allocators/stats/transaction_rows.h"

#include "allocators/config.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

double min_idle_seconds(Arguments arguments) {
  if (const auto* given = std::get_if<std::int64_t>(&arguments[0])) {
    if (*given < 0) throw Refusal("min_idle_seconds must not be negative");
    return static_cast<double>(*given);
  }
  return static_cast<double>(option(&Config::orphan_idle_time)) / 1000;
}

}  // namespace

std::vector<OpenTransactionsRow> OpenTransactionsRow::snapshot(Sources& sources, Arguments) {
  return sources.reading().transactions();
}

std::vector<OrphanedTransactionsRow> OrphanedTransactionsRow::snapshot(Sources& sources,
                                                                       Arguments arguments) {
  const double min_idle = min_idle_seconds(arguments);
  std::vector<OrphanedTransactionsRow> orphans;
  for (const OpenTransactionsRow& row : sources.reading().transactions()) {
    if (is_orphaned(row, min_idle)) orphans.emplace_back(row);
  }
  return orphans;
}

std::vector<TransactionKillsRow> TransactionKillsRow::snapshot(Sources& sources, Arguments) {
  return sources.transaction_kills();
}

bool is_orphaned(const OpenTransactionsRow& row, double min_idle_seconds) {
  if (row.state == "aborted") return false;
  if (row.is_zombie && *row.is_zombie) return true;
  if (row.owner_alive && !*row.owner_alive) return true;
  return row.idle_seconds && *row.idle_seconds >= min_idle_seconds;
}

}  // namespace sqlitemem::stats
