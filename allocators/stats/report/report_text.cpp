// Text that keeps to its columns.
#include "allocators/stats/report/report_text.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

namespace sqlitemem::stats::report {
namespace {

constexpr std::string_view column_gap = "  ";

bool continues(char letter) { return (static_cast<unsigned char>(letter) & 0xC0U) == 0x80U; }

/// Decodes the first character and cuts it off. 0: broken UTF-8, of which one byte is cut off.
std::uint32_t next_character(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80U                     ? 1
                             : first >= 0xC2U && first < 0xE0U ? 2
                             : first >= 0xE0U && first < 0xF0U ? 3
                             : first >= 0xF0U && first < 0xF5U ? 4
                                                               : 0;
  const bool is_whole =
      length != 0 && length <= text.size() &&
      std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(length), continues);
  if (!is_whole) {
    text.remove_prefix(1);
    return 0;
  }
  std::uint32_t character = length == 1 ? first : first & (0xFFU >> (length + 1));
  for (std::size_t at = 1; at < length; ++at)
    character = character << 6U | (static_cast<unsigned char>(text[at]) & 0x3FU);
  text.remove_prefix(length);
  return character;
}

/// What terminals show in one column, whatever their locale: letters of Latin, Greek and Cyrillic,
/// and punctuation. Everything else could be wide, or invisible.
bool is_plain(std::uint32_t character) {
  const auto within = [&](std::uint32_t first, std::uint32_t last) {
    return character >= first && character <= last;
  };
  if (within(0x20, 0x7E)) return true;
  return (within(0xA0, 0x2FF) && character != 0xAD) || within(0x370, 0x482) ||
         within(0x48A, 0x52F) || within(0x2010, 0x2027) || within(0x2030, 0x205E);
}

/// The first `count` characters, and the rest.
std::pair<std::string_view, std::string_view> split_at(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  while (at < text.size() && (continues(text[at]) || count-- > 0)) ++at;
  return {text.substr(0, at), text.substr(at)};
}

std::string_view without_blanks(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, std::not_fn(continues)));
}

std::string presentable(std::string_view text, Charset charset) {
  std::string shown;
  while (!text.empty()) {
    const std::string_view before = text;
    const std::uint32_t character = next_character(text);
    const bool is_shown = is_plain(character) && (charset == Charset::unicode || character < 0x7F);
    if (is_shown) {
      shown += before.substr(0, before.size() - text.size());
    } else {
      shown += character == '\n' || character == '\t' ? ' ' : '?';
    }
  }
  return shown;
}

std::string clipped(std::string_view text, std::size_t width, Charset charset) {
  if (columns_of(text) <= width) return std::string(text);
  if (width == 0) return {};
  return std::string(without_blanks(split_at(text, width - 1).first))
      .append(signs_of(charset).ellipsis);
}

std::string clipped_front(std::string_view text, std::size_t width, Charset charset) {
  const std::size_t columns = columns_of(text);
  if (columns <= width) return std::string(text);
  if (width == 0) return {};
  return std::string(signs_of(charset).ellipsis)
      .append(split_at(text, columns - (width - 1)).second);
}

std::string left_aligned(std::string_view text, std::size_t width) {
  const std::size_t columns = columns_of(text);
  return std::string(text).append(width > columns ? width - columns : 0, ' ');
}

std::string right_aligned(std::string_view text, std::size_t width) {
  const std::size_t columns = columns_of(text);
  return std::string(width > columns ? width - columns : 0, ' ').append(text);
}

std::string repeated(std::string_view sign, std::size_t count) {
  std::string text;
  for (std::size_t done = 0; done < count; ++done) text += sign;
  return text;
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width, Charset charset) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string word = clipped(text.substr(0, end), width, charset);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    if (!line.empty() && columns_of(line) + 1 + columns_of(word) > width)
      lines.push_back(std::exchange(line, {}));
    line += (line.empty() ? "" : " ") + word;
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

void Page::heading(std::string_view name, std::string_view remark) {
  text_ += '\n';
  if (remark.empty()) return line(name);
  paragraph(std::string(name).append("  "), remark);
}

void Page::line(std::string_view text) {
  text_.append(without_blanks(clipped(without_blanks(text), width(), charset()))).append("\n");
}

void Page::paragraph(std::string_view first, std::string_view text) {
  const std::size_t indent = columns_of(first);
  std::string before(first);
  const std::size_t room = width() > indent ? width() - indent : 1;
  for (const std::string& each : wrapped(presentable(text, charset()), room, charset())) {
    line(before + each);
    before.assign(indent, ' ');
  }
}

std::size_t Grid::width_of(std::size_t column) const {
  std::size_t width = columns_of(columns_[column].title);
  for (const auto& row : rows_) width = std::max(width, columns_of(row[column]));
  return width;
}

std::vector<std::size_t> Grid::shown_columns(std::size_t width) const {
  std::vector<std::size_t> shown(columns_.size());
  std::iota(shown.begin(), shown.end(), std::size_t{0});
  while (true) {
    std::size_t needed = 0;
    for (const std::size_t column : shown) {
      const bool is_last = column + 1 == columns_.size();
      needed += column_gap.size() +
                (is_last ? std::min(width_of(column), least_last_column) : width_of(column));
    }
    if (needed <= width) return shown;
    const auto least = std::ranges::max_element(
        shown, {}, [&](std::size_t column) { return columns_[column].dispensable; });
    if (columns_[*least].dispensable == 0) return shown;
    shown.erase(least);
  }
}

void Grid::draw(Page& page) const {
  const std::vector<std::size_t> shown = shown_columns(page.width());
  const auto cell_of = [&](std::size_t column, const std::string& text, std::size_t room) {
    const bool is_last = column + 1 == columns_.size();
    const std::size_t width = width_of(column);
    if (is_last && columns_[column].is_cut_in_front)
      return clipped_front(text, room, page.charset());
    if (is_last && !columns_[column].is_right_aligned) return text;  // The page cuts it.
    return columns_[column].is_right_aligned ? right_aligned(text, width)
                                             : left_aligned(text, width);
  };
  const auto draw_row = [&](auto&& text_of) {
    std::string line;
    for (const std::size_t column : shown) {
      line += column_gap;
      const std::size_t used = columns_of(line);
      line += cell_of(column, text_of(column), page.width() > used ? page.width() - used : 0);
    }
    page.line(line);
  };
  draw_row([&](std::size_t column) { return std::string(columns_[column].title); });
  for (const auto& row : rows_) draw_row([&](std::size_t column) { return row[column]; });
}

}  // namespace sqlitemem::stats::report
