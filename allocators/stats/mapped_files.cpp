// Reads smaps: a line with the file for each mapping, then one figure per line.
#include "allocators/stats/mapped_files.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string_view>

#include "allocators/base/bytes.h"

namespace sqlitemem::stats {
namespace {

/// "7f00-7f10 r--s 00000000 08:01 123   /data/a b.db": the name, or nothing. No other line has a
/// slash.
std::string_view file_of(std::string_view line) {
  const std::size_t slash = line.find('/');
  return slash == line.npos ? std::string_view{} : line.substr(slash);
}

bool begins_a_mapping(std::string_view line) {
  const std::size_t dash = line.find('-');
  return dash != line.npos && dash > 0 && line.find(':') > line.find(' ') &&
         std::ranges::all_of(line.substr(0, dash),
                             [](unsigned char letter) { return std::isxdigit(letter) != 0; });
}

}  // namespace

std::optional<std::uint64_t> read_mapped_bytes(const std::string& root,
                                               std::span<const std::string> files) {
  std::ifstream in(root + "/proc/self/smaps");
  if (!in) return std::nullopt;
  std::uint64_t bytes = 0;
  bool is_wanted = false;
  for (std::string line; std::getline(in, line);) {
    if (begins_a_mapping(line)) {
      is_wanted = std::ranges::find(files, file_of(line)) != files.end();
    } else if (is_wanted && line.starts_with("Rss:")) {
      const std::size_t digits = line.find_first_of("0123456789");
      std::uint64_t kilobytes = 0;
      if (digits != line.npos)
        std::from_chars(line.data() + digits, line.data() + line.size(), kilobytes);
      bytes += kilobytes * kib;
    }
  }
  return bytes;
}

}  // namespace sqlitemem::stats
