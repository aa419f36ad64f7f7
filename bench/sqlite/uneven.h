// One budget for eight uneven connections, or an eighth of it for each.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/support/interleave.h"

namespace sqlitemem::bench {

inline constexpr std::size_t uneven_connections = 8;
/// For a worker: PRAGMA cache_size of each connection.
inline constexpr const char* uneven_pages_variable = "SQLITEMEM_BENCH_CACHE_PAGES";

/// A worker's job, made by the driver: of this test, for this subject, with these additions to its
/// environment.
using MakeJob = std::function<Job(std::string_view test, std::string_view subject,
                                  std::vector<std::string> environment)>;

/// First counts how many pages there are to hold; then, at a tenth of them and at half, SQLite with
/// eight equal caches against our pool with as many pages in all. Counts are exact: one round.
/// Adds the misses, the hit ratio of every connection, and as <test>_worst_loss the points that
/// the worst of them lost. False: a worker failed.
bool measure_uneven(const Options& options, const MakeJob& make_job, Measurements& measurements);

}  // namespace sqlitemem::bench
