// Keeps every sample: medians and minima are taken at the end, over whole rounds.
#include "bench/support/measurements.h"

#include <algorithm>
#include <charconv>

namespace sqlitemem::bench {
namespace {

void remember(std::vector<std::string>& names, std::string_view name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
}

/// Linear between the two nearest samples, as R's default and SQL's percentile_cont().
double quantile(const std::vector<double>& sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

void Measurements::add(std::string_view test, std::string_view subject, double value) {
  remember(tests_, test);
  remember(subjects_, subject);
  samples_[{std::string(test), std::string(subject)}].push_back(value);
}

bool Measurements::add_lines(std::string_view subject, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return false;
    double value = 0;
    const char* last = line.data() + line.size();
    const auto parsed = std::from_chars(line.data() + space + 1, last, value);
    if (parsed.ec != std::errc{} || parsed.ptr != last) return false;
    add(line.substr(0, space), subject, value);
  }
  return true;
}

std::vector<double> Measurements::sorted(std::string_view test, std::string_view subject) const {
  const auto found = samples_.find({std::string(test), std::string(subject)});
  std::vector<double> values = found == samples_.end() ? std::vector<double>{} : found->second;
  std::sort(values.begin(), values.end());
  return values;
}

std::optional<double> Measurements::median(std::string_view test, std::string_view subject) const {
  const std::vector<double> values = sorted(test, subject);
  return values.empty() ? std::nullopt : std::optional(quantile(values, 0.5));
}

std::optional<double> Measurements::minimum(std::string_view test, std::string_view subject) const {
  const std::vector<double> values = sorted(test, subject);
  return values.empty() ? std::nullopt : std::optional(values.front());
}

std::optional<double> Measurements::maximum(std::string_view test, std::string_view subject) const {
  const std::vector<double> values = sorted(test, subject);
  return values.empty() ? std::nullopt : std::optional(values.back());
}

std::optional<double> Measurements::interquartile_range(std::string_view test,
                                                        std::string_view subject) const {
  const std::vector<double> values = sorted(test, subject);
  if (values.empty()) return std::nullopt;
  return quantile(values, 0.75) - quantile(values, 0.25);
}

std::size_t Measurements::rounds(std::string_view test, std::string_view subject) const {
  return sorted(test, subject).size();
}

}  // namespace sqlitemem::bench
