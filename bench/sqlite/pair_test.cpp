// SQLite's own malloc and free, as every part of SQLite calls them.
#include <sqlite3.h>

#include <algorithm>
#include <array>

#include "bench/sqlite/tests.h"
#include "bench/support/clock.h"
#include "bench/support/random.h"

namespace sqlitemem::bench {

void test_malloc_pair(const SqliteRun& run) {
  sqlite3_initialize();
  Random random(19);
  std::array<int, 1024> sizes{};
  for (int& size : sizes) size = static_cast<int>(random.between(32, 1024));
  const std::uint32_t passes = run.scaled(500);
  std::array<double, 9> slices{};
  for (double& ns : slices) {
    const std::uint64_t started = thread_cpu_ns();
    for (std::uint32_t pass = 0; pass < passes; ++pass) {
      for (const int size : sizes) {
        auto* block = static_cast<volatile unsigned char*>(sqlite3_malloc(size));
        block[0] = 1;
        sqlite3_free(const_cast<unsigned char*>(block));
      }
    }
    const double pairs = static_cast<double>(passes) * static_cast<double>(sizes.size());
    ns = static_cast<double>(thread_cpu_ns() - started) / pairs;
  }
  std::sort(slices.begin(), slices.end());
  emit(run.name, slices[slices.size() / 2]);
}

}  // namespace sqlitemem::bench
