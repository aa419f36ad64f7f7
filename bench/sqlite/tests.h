// The SQLite tests: each runs in a worker process whose SQLite was prepared by the driver.
#pragma once

#include <cstdint>
#include <string_view>

#include "bench/support/emit.h"

namespace sqlitemem::bench {

struct SqliteRun {
  std::string_view name;
  double effort;             ///< 1 normally, less with --quick.
  int threads = 1;           ///< OLTP only.
  bool is_in_memory = true;  ///< Mix only.

  [[nodiscard]] std::uint32_t scaled(std::uint32_t repetitions) const {
    const auto scaled = static_cast<std::uint32_t>(static_cast<double>(repetitions) * effort);
    return scaled == 0 ? 1 : scaled;
  }
};

/// sqlite3_malloc + sqlite3_free of 32 to 1024 bytes: nanoseconds of CPU time.
void test_malloc_pair(const SqliteRun& run);

/// Threads with their own :memory: databases that prepare every statement anew: thousand operations
/// per second of wall time, and per second of CPU time under <name>_per_cpu_second.
void test_oltp(const SqliteRun& run);

/// The single-threaded mix: peak memory, and a line "answers <hash>" over every value of every row.
void test_speed_mix(const SqliteRun& run);

/// Point reads by Zipf's law of the 200 MB database, which the kernel has in memory: thousand reads
/// per second of CPU time, and of wall time under <name>_wall; the hit ratio and peak memory.
void test_zipf_reads(const SqliteRun& run);
void test_zipf_reads_in_transaction(const SqliteRun& run);
/// The same with a cache_size that has room for the whole file.
void test_tuned_zipf_reads(const SqliteRun& run);
void test_tuned_zipf_reads_in_transaction(const SqliteRun& run);

/// The first of such reads after the kernel forgot the file: thousand reads per second of wall
/// time, where the kernel does forget.
void test_zipf_cold_reads(const SqliteRun& run);

/// Eight connections to that database: pages read from the file in all, and in the second half of
/// the run; the hit ratio of each.
void test_uneven(const SqliteRun& run);

/// open_transactions() while 1000 connections have a transaction open on a WAL database:
/// milliseconds of wall time. Only where there is such a table.
void test_open_transactions(const SqliteRun& run);

}  // namespace sqlitemem::bench
