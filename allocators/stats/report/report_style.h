// How memory_report() is drawn: with which signs, and how wide.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "allocators/stats/describe.h"

namespace sqlitemem::stats::report {

enum class Charset : std::uint8_t { unicode, ascii };

inline constexpr std::size_t least_width = 60, greatest_width = 200, usual_width = 80;

struct ReportStyle {
  Charset charset = Charset::unicode;
  std::size_t width = usual_width;  ///< Columns: no line is longer. least_width to greatest_width.
};

/// `words`: "unicode", "ascii", or one of them and a width, as in "ascii 100"; a width alone is
/// allowed, too; empty: the usual. `width`: the second argument, nullopt if it was not given.
/// `terminal_columns`: the text of the variable COLUMNS, nullptr if there is none; one that is no
/// width is passed over. Throws Refusal, in words, for anything else.
ReportStyle parse_style(std::string_view words, std::optional<std::int64_t> width,
                        const char* terminal_columns);

/// The signs of a charset. Each takes one column.
struct Signs {
  std::string_view full, sliver, empty;    ///< Of a bar; sliver: less than half a column.
  std::string_view rule;                   ///< Under the first line.
  std::string_view ellipsis;               ///< For what was cut.
  std::array<std::string_view, 8> levels;  ///< Of a sparkline, lowest first.
  std::string_view not_held;               ///< Of the map: no memory is held there.
  std::array<std::string_view, 4> shades;  ///< Of the map, by quarters of what is used.
  std::string_view track, interval, interval_begin, interval_end, middle;  ///< Of a forecast.
};
const Signs& signs_of(Charset charset);

}  // namespace sqlitemem::stats::report
