// How much of the test's process is resident.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

namespace sqlitemem::tests {

/// From /proc/self/smaps_rollup, which counts each page when it is asked.
inline std::int64_t resident_bytes_of_process() {
  std::ifstream file("/proc/self/smaps_rollup");
  std::string word;
  while (file >> word && word != "Rss:") continue;
  std::int64_t kilobytes = 0;
  file >> kilobytes;
  return kilobytes * 1024;
}

}  // namespace sqlitemem::tests
