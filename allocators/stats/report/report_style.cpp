// Reads the arguments of memory_report(), and knows the signs of both charsets.
#include "allocators/stats/report/report_style.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "allocators/base/words.h"

namespace sqlitemem::stats::report {
namespace {

constexpr Signs unicode_signs = {
    .full = "█",
    .sliver = "▏",
    .empty = "░",
    .rule = "─",
    .ellipsis = "…",
    .levels = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
    .not_held = "·",
    .shades = {"░", "▒", "▓", "█"},
    .track = "·",
    .interval = "─",
    .interval_begin = "├",
    .interval_end = "┤",
    .middle = "┼",
};
constexpr Signs ascii_signs = {
    .full = "#",
    .sliver = ":",
    .empty = ".",
    .rule = "-",
    .ellipsis = "~",
    .levels = {"_", ".", "-", "~", "=", "+", "*", "#"},
    .not_held = ".",
    .shades = {"-", "+", "*", "#"},
    .track = ".",
    .interval = "-",
    .interval_begin = "[",
    .interval_end = "]",
    .middle = "+",
};

bool is_blank(char letter) { return letter == ' ' || letter == '\t'; }

/// Cuts the first word off; empty at the end.
std::string_view next_word(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  std::size_t length = 0;
  while (length < text.size() && !is_blank(text[length])) ++length;
  const std::string_view word = text.substr(0, length);
  text.remove_prefix(length);
  return word;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_width(std::int64_t value) {
  return value >= static_cast<std::int64_t>(least_width) &&
         value <= static_cast<std::int64_t>(greatest_width);
}

std::size_t width_from(std::int64_t value) {
  if (is_width(value)) return static_cast<std::size_t>(value);
  throw Refusal(
      fmt::format("width must be {} to {} columns, not {}", least_width, greatest_width, value));
}

[[noreturn]] void refuse_style(std::string_view words) {
  throw Refusal(fmt::format(
      "style must be 'unicode' or 'ascii', with or without a width, as in 'ascii 100', not {}",
      quoted(words)));
}

}  // namespace

ReportStyle parse_style(std::string_view words, std::optional<std::int64_t> width,
                        const char* terminal_columns) {
  ReportStyle style;
  std::optional<std::int64_t> wanted;
  std::string_view rest = words;
  std::string_view word = next_word(rest);
  if (word == "ascii" || word == "unicode") {
    style.charset = word == "ascii" ? Charset::ascii : Charset::unicode;
    word = next_word(rest);
  }
  if (!word.empty()) {
    wanted = whole_number(word);
    if (!wanted || !next_word(rest).empty()) refuse_style(words);
  }
  if (wanted && width && *wanted != *width)
    throw Refusal(fmt::format("two widths: {} in the style, and {}", *wanted, *width));
  if (!wanted) wanted = width;
  if (wanted) {
    style.width = width_from(*wanted);
  } else if (terminal_columns != nullptr) {
    // A terminal that is wider than the report can be is no reason to refuse.
    if (const auto columns = whole_number(terminal_columns); columns && is_width(*columns))
      style.width = static_cast<std::size_t>(*columns);
  }
  return style;
}

const Signs& signs_of(Charset charset) {
  return charset == Charset::ascii ? ascii_signs : unicode_signs;
}

}  // namespace sqlitemem::stats::report
