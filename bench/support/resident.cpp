// Reads the one line that is wanted from /proc with plain system calls: no heap is touched.
#include "bench/support/resident.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sqlitemem::bench {
namespace {

std::uint64_t read_kib_line(const char* path, const char* label) {
  std::array<char, 8192> text{};
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t length = file < 0 ? -1 : read(file, text.data(), text.size() - 1);
  if (file >= 0) close(file);
  const char* line = length > 0 ? std::strstr(text.data(), label) : nullptr;
  if (line == nullptr) {
    std::fprintf(stderr, "benchmark: no line '%s' in %s\n", label, path);
    std::exit(1);
  }
  return std::strtoull(line + std::strlen(label), nullptr, 10) * 1024;
}

}  // namespace

std::uint64_t resident_bytes() { return read_kib_line("/proc/self/smaps_rollup", "\nRss:"); }
std::uint64_t peak_resident_bytes() { return read_kib_line("/proc/self/status", "\nVmHWM:"); }

}  // namespace sqlitemem::bench
