// Numbers for people.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "allocators/stats/report/report_text.h"

namespace sqlitemem::stats::report {
namespace {

/// Three digits: "9.50" with `decimals` 2, "12.3", "128".
std::string three_digits(double value, int decimals) {
  if (decimals >= 2 && value < 9.995) return fmt::format("{:.2f}", value);
  if (decimals >= 1 && value < (decimals >= 2 ? 99.95 : 9.95)) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

std::string known_or_sign(bool is_known, std::string text) {
  return is_known ? std::move(text) : std::string(unknown_sign);
}

std::string two_units(std::uint64_t seconds, std::uint64_t large, const char* large_name,
                      std::uint64_t small, const char* small_name) {
  const std::uint64_t rest = seconds % large / small;
  std::string text = fmt::format("{} {}", seconds / large, large_name);
  return rest == 0 ? text : text + fmt::format(" {} {}", rest, small_name);
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  constexpr auto units =
      std::to_array<std::string_view>({"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"});
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // Not "1024 KiB" for what rounds up to it.
  while (value >= 1023.5 && unit + 1 < units.size()) value /= 1024, ++unit;
  return fmt::format("{} {}", three_digits(value, 1), units.at(unit));
}

std::string human_bytes(const std::optional<std::uint64_t>& bytes) {
  return known_or_sign(bytes.has_value(), human_bytes(bytes.value_or(0)));
}

std::string human_signed_bytes(double bytes) {
  if (std::isnan(bytes)) return std::string(unknown_sign);
  const double size = std::min(std::round(std::fabs(bytes)), 0x1p63);
  const std::string text = human_bytes(static_cast<std::uint64_t>(size));
  return bytes < 0 && size >= 1 ? "-" + text : text;
}

std::uint64_t saturated_sum(std::uint64_t one, std::uint64_t other) {
  const std::uint64_t sum = one + other;
  return sum < one ? ~std::uint64_t{0} : sum;
}

std::string human_count(std::uint64_t count) {
  constexpr auto units = std::to_array<std::string_view>({"", "k", "M", "G", "T", "P", "E"});
  if (count < 10'000) return fmt::format("{}", count);
  auto value = static_cast<double>(count);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < units.size()) value /= 1000, ++unit;
  return fmt::format("{}{}", three_digits(value, 2), units.at(unit));
}

std::string human_count(const std::optional<std::uint64_t>& count) {
  return known_or_sign(count.has_value(), human_count(count.value_or(0)));
}

std::string human_percent(double ratio) {
  if (std::isnan(ratio)) return std::string(unknown_sign);
  const double percent = 100 * ratio;
  if (percent > 999.5) return ">999 %";
  if (percent < -999.5) return "<-999 %";
  // 100 % is said of nothing less.
  if (percent < 100 && percent > 99.9) return "99.9 %";
  if (std::fabs(percent) >= 99.95) return fmt::format("{:.0f} %", percent);
  const std::string text = fmt::format("{:.1f} %", percent);
  return text == "-0.0 %" ? "0.0 %" : text;
}

std::string human_percent(const std::optional<double>& ratio) {
  return known_or_sign(ratio.has_value(), human_percent(ratio.value_or(0)));
}

std::string human_seconds(double seconds) {
  if (std::isnan(seconds)) return std::string(unknown_sign);
  seconds = std::max(seconds, 0.0);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  constexpr double most = 1e4 * 86400;
  if (seconds >= most) return "more than 10000 d";
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return two_units(whole, 60, "min", 1, "s");
  if (whole < 86400) return two_units(whole, 3600, "h", 60, "min");
  return two_units(whole, 86400, "d", 3600, "h");
}

std::string bar(double ratio, std::size_t width, Charset charset) {
  const Signs& signs = signs_of(charset);
  if (width == 0 || !(ratio > 0)) return repeated(signs.empty, width);
  if (ratio >= 1) return repeated(signs.full, width);
  const auto rounded = static_cast<std::size_t>(std::llround(ratio * static_cast<double>(width)));
  if (rounded == 0) return std::string(signs.sliver) + repeated(signs.empty, width - 1);
  const std::size_t full = std::min(rounded, std::max<std::size_t>(width - 1, 1));
  return repeated(signs.full, full) + repeated(signs.empty, width - full);
}

std::string sparkline(const std::vector<double>& values, double low, double high, Charset charset) {
  const Signs& signs = signs_of(charset);
  const auto top = static_cast<double>(signs.levels.size() - 1);
  std::string text;
  for (const double value : values) {
    const double share = high > low ? (value - low) / (high - low) : 0;
    const double level = share > 0 ? std::min(share * top, top) : 0;  // Also where it is no number.
    text += signs.levels.at(static_cast<std::size_t>(std::llround(level)));
  }
  return text;
}

}  // namespace sqlitemem::stats::report
