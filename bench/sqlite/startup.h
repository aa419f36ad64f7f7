// What it costs to have the preload library in a process that does little or nothing with SQLite.
#pragma once

#include <vector>

#include "bench/support/interleave.h"

namespace sqlitemem::bench {

/// Jobs that start `true` and the sqlite3 shell with and without the preload library.
std::vector<Job> startup_jobs(const Options& options);

/// Instructions of the same programs, under callgrind.
void count_startup_instructions(const Options& options, Measurements& measurements);

}  // namespace sqlitemem::bench
