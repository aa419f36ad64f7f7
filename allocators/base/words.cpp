// Quoting, Levenshtein's distance, and amounts for people.
#include "allocators/base/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace sqlitemem {
namespace {

constexpr std::size_t longest_quoted_bytes = 60;
constexpr std::size_t longest_name_bytes = 64;

/// How many letters to insert, delete or replace.
std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t column = 0; column < row.size(); ++column) row[column] = column;
  for (std::size_t line = 0; line < left.size(); ++line) {
    std::size_t diagonal = std::exchange(row[0], line + 1);
    for (std::size_t column = 0; column < right.size(); ++column) {
      const std::size_t replaced = diagonal + (lower_case(left[line]) == right[column] ? 0 : 1);
      diagonal = row[column + 1];
      row[column + 1] = std::min({replaced, row[column] + 1, row[column + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string_view shown = text.substr(0, longest_quoted_bytes);
  // Not in the middle of a UTF-8 character.
  while (shown.size() < text.size() && !shown.empty() &&
         (static_cast<unsigned char>(text[shown.size()]) & 0xC0U) == 0x80U) {
    shown.remove_suffix(1);
  }
  std::string result = "'";
  for (const char letter : shown) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned>(byte));
    } else {
      result += letter;
    }
  }
  return result + (shown.size() < text.size() ? "…'" : "'");
}

std::string nearest_words(std::string_view typed, std::span<const std::string_view> names) {
  if (typed.empty() || typed.size() > longest_name_bytes) return {};
  // A third of the letters, and never more than four.
  const std::size_t near = std::clamp<std::size_t>((typed.size() + 1) / 3, 1, 4);
  struct Near {
    std::size_t distance;
    std::string_view name;
  };
  std::vector<Near> found;
  for (const std::string_view name : names) {
    const bool contains = typed.size() >= 4 && name.find(typed) != std::string_view::npos;
    const std::size_t distance = contains ? 1 : edit_distance(typed, name);
    if (distance <= near) found.push_back({distance, name});
  }
  std::ranges::stable_sort(found, {}, &Near::distance);
  std::string words;
  for (std::size_t index = 0; index < std::min<std::size_t>(found.size(), 3); ++index) {
    if (found[index].distance > found.front().distance + 2) break;
    words += fmt::format("{}'{}'", index == 0 ? "; the nearest: " : ", ", found[index].name);
  }
  return words;
}

std::string bytes_in_words(double bytes) {
  constexpr std::array<const char*, 5> units = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  double amount = std::abs(bytes);
  for (; amount >= 1024 && unit + 1 < units.size(); ++unit) amount /= 1024;
  return fmt::format("{}{:.{}f} {}", bytes < 0 ? "-" : "", amount, unit == 0 ? 0 : 1, units[unit]);
}

std::string seconds_in_words(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 2 * 3600) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{:.1f} h", seconds / 3600);
  return fmt::format("{:.1f} days", seconds / 86400);
}

}  // namespace sqlitemem
