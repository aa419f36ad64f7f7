// Series of memory usage to forecast: read from files, or generated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace sqlitemem::bench {

/// Usage as a share of the limit, one value per second.
struct UsageSeries {
  std::string name;
  std::string group;  ///< Series of a group are also shown together; empty: of none.
  std::vector<double> usage;
};

/// Every .txt file of a directory, in the order of their names, or one file: a number per line. Of
/// a name like x_y.txt, y is the group. A text: what is missing or unreadable.
[[nodiscard]] std::variant<std::vector<UsageSeries>, std::string> read_series(
    const std::string& path);

struct SeedRange {
  std::uint64_t first = 1000;
  std::uint64_t count = 60;
};
/// Each class of the generator that this program was built with, with each seed; the class is the
/// group. A text: there is no generator.
[[nodiscard]] std::variant<std::vector<UsageSeries>, std::string> generate_series(
    const SeedRange& seeds, std::size_t samples);

}  // namespace sqlitemem::bench
