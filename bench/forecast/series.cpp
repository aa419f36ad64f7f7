// Reads series of usage.
#include "bench/forecast/series.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sqlitemem::bench {
namespace {

namespace fs = std::filesystem;

/// Empty if all went well, else what is wrong.
std::string read_file(const fs::path& path, std::vector<double>& usage) {
  std::ifstream file(path);
  if (!file) return fmt::format("{}: cannot be opened", path.string());
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty()) continue;
    char* end = nullptr;
    const double value = std::strtod(line.c_str(), &end);
    if (end == line.c_str() || *end != '\0' || !std::isfinite(value)) {
      return fmt::format("{}: line {} is no number: '{}'", path.string(), number, line);
    }
    usage.push_back(value);
  }
  return {};
}

}  // namespace

std::variant<std::vector<UsageSeries>, std::string> read_series(const std::string& path) {
  std::error_code error;
  std::vector<fs::path> files;
  if (fs::is_directory(path, error)) {
    for (const auto& entry : fs::directory_iterator(path, error)) {
      if (entry.path().extension() == ".txt") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  } else if (fs::exists(path, error)) {
    files.emplace_back(path);
  } else {
    return fmt::format("{}: there is no such file or directory", path);
  }
  if (files.empty()) return fmt::format("{}: no .txt file in it", path);
  std::vector<UsageSeries> all;
  for (const fs::path& file : files) {
    UsageSeries series{.name = file.stem().string(), .group = {}, .usage = {}};
    const std::size_t underscore = series.name.rfind('_');
    if (underscore != std::string::npos) series.group = series.name.substr(underscore + 1);
    if (auto problem = read_file(file, series.usage); !problem.empty()) return problem;
    all.push_back(std::move(series));
  }
  return all;
}

}  // namespace sqlitemem::bench
