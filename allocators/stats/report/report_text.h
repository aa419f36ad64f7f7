// Numbers for people, and text that keeps to its columns: what the sections of the report are made
// of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/stats/report/report_style.h"

namespace sqlitemem::stats::report {

/// What cannot be measured here.
inline constexpr std::string_view unknown_sign = "-";

/// "0 B", "512 B", "9.5 MiB", "128 MiB", "16.0 EiB": powers of 1024, three digits or so.
std::string human_bytes(std::uint64_t bytes);
std::string human_bytes(const std::optional<std::uint64_t>& bytes);
/// Rounded to whole bytes, with its sign; for rates. "-1.5 MiB".
std::string human_signed_bytes(double bytes);
/// Never wraps around: counters may say anything.
std::uint64_t saturated_sum(std::uint64_t one, std::uint64_t other);
/// "9999", "12.3k", "4.57M": powers of 1000.
std::string human_count(std::uint64_t count);
std::string human_count(const std::optional<std::uint64_t>& count);
/// Of a ratio: "71.4 %", "100 %", ">999 %".
std::string human_percent(double ratio);
std::string human_percent(const std::optional<double>& ratio);
/// "0.4 s", "45 s", "2 min 10 s", "3 h 5 min", "2 d 4 h".
std::string human_seconds(double seconds);

/// Columns that UTF-8 text takes: its code points.
std::size_t columns_of(std::string_view text);
/// Text of others (names of files, messages) as a terminal shows it in one column a code point:
/// control characters, broken UTF-8, wide and combining characters become '?'; with ASCII
/// everything that is none.
std::string presentable(std::string_view text, Charset charset);
/// At most `width` columns; what is cut is shown by an ellipsis, at the end or at the front.
std::string clipped(std::string_view text, std::size_t width, Charset charset);
std::string clipped_front(std::string_view text, std::size_t width, Charset charset);
/// Filled up with blanks, never cut.
std::string left_aligned(std::string_view text, std::size_t width);
std::string right_aligned(std::string_view text, std::size_t width);
/// `count` times.
std::string repeated(std::string_view sign, std::size_t count);
/// In lines of at most `width` columns, broken between words; a word that is longer is cut.
std::vector<std::string> wrapped(std::string_view text, std::size_t width, Charset charset);

/// `ratio` of `width` columns; below 0 and no number: empty, above 1: full. More than nothing shows
/// at least a sliver, and less than all one empty column.
std::string bar(double ratio, std::size_t width, Charset charset);
/// One column a value, as high as it is between `low` and `high`.
std::string sparkline(const std::vector<double>& values, double low, double high, Charset charset);

/// The report as it grows.
class Page {
 public:
  explicit Page(ReportStyle style) : style_(style) {}

  [[nodiscard]] const ReportStyle& style() const { return style_; }
  [[nodiscard]] Charset charset() const { return style_.charset; }
  [[nodiscard]] std::size_t width() const { return style_.width; }
  [[nodiscard]] const Signs& signs() const { return signs_of(style_.charset); }

  /// A blank line and the name of a section, with what is to be said of all of it.
  void heading(std::string_view name, std::string_view remark = {});
  /// Cut to the width; blanks at its end are dropped.
  void line(std::string_view text);
  /// `first` before the first line, blanks before the others.
  void paragraph(std::string_view first, std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  ReportStyle style_;
  std::string text_;
};

/// Rows under titles. A column is as wide as its widest cell; where the page is too narrow, the
/// columns that matter least are left out, and the last one is cut.
class Grid {
 public:
  struct Column {
    std::string_view title;
    bool is_right_aligned = true;
    /// 0: always there; of the others the greatest is left out first.
    unsigned dispensable = 0;
    bool is_cut_in_front = false;  ///< The last column only: its end says more.
  };
  explicit Grid(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] bool is_empty() const { return rows_.empty(); }
  void draw(Page& page) const;

 private:
  static constexpr std::size_t least_last_column = 8;  ///< Narrower says nothing.
  [[nodiscard]] std::size_t width_of(std::size_t column) const;
  [[nodiscard]] std::vector<std::size_t> shown_columns(std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sqlitemem::stats::report
