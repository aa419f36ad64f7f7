// What the report is made of: numbers for people, text within its columns, arguments in words.
#include "allocators/stats/report/report_text.h"

#include <cmath>
#include <limits>

#include "tests/support/catch.h"

using namespace sqlitemem::stats;
using namespace sqlitemem::stats::report;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::string refusal(std::string_view words, std::optional<std::int64_t> width = std::nullopt) {
  try {
    parse_style(words, width, nullptr);
  } catch (const Refusal& refused) {
    return refused.what();
  }
  return {};
}

std::string drawn(const Grid& grid, std::size_t width) {
  Page page({Charset::ascii, width});
  grid.draw(page);
  return page.text();
}

}  // namespace

TEST_CASE("Report: bytes are in powers of 1024, with three digits or so", "[report]") {
  CHECK(human_bytes(std::uint64_t{0}) == "0 B");
  CHECK(human_bytes(std::uint64_t{1023}) == "1023 B");
  CHECK(human_bytes(std::uint64_t{1024}) == "1.0 KiB");
  CHECK(human_bytes(std::uint64_t{10188}) == "9.9 KiB");
  CHECK(human_bytes(std::uint64_t{10189}) == "10 KiB");
  CHECK(human_bytes(std::uint64_t{1048063}) == "1023 KiB");
  CHECK(human_bytes(std::uint64_t{1048064}) == "1.0 MiB");
  CHECK(human_bytes(std::uint64_t{1} << 40) == "1.0 TiB");
  CHECK(human_bytes(std::numeric_limits<std::uint64_t>::max()) == "16 EiB");
  CHECK(human_bytes(std::optional<std::uint64_t>()) == "-");
  CHECK(human_signed_bytes(-1536) == "-1.5 KiB");
  CHECK(human_signed_bytes(-0.4) == "0 B");
  CHECK(human_signed_bytes(std::nan("")) == "-");
  CHECK(human_signed_bytes(-infinity) == "-8.0 EiB");
}

TEST_CASE("Report: counts, shares and times are short", "[report]") {
  CHECK(human_count(std::uint64_t{9999}) == "9999");
  CHECK(human_count(std::uint64_t{10000}) == "10.0k");
  CHECK(human_count(std::uint64_t{999'499}) == "999k");
  CHECK(human_count(std::uint64_t{999'500}) == "1.00M");
  CHECK(human_count(std::uint64_t{4'567'000}) == "4.57M");
  CHECK(human_count(std::numeric_limits<std::uint64_t>::max()) == "18.4E");
  CHECK(human_percent(0.7141) == "71.4 %");
  CHECK(human_percent(1.0) == "100 %");
  CHECK(human_percent(0.99999) == "99.9 %");  // Not all of it.
  CHECK(human_percent(1.5) == "150 %");
  CHECK(human_percent(infinity) == ">999 %");
  CHECK(human_percent(-infinity) == "<-999 %");
  CHECK(human_percent(-0.0001) == "0.0 %");
  CHECK(human_percent(std::nan("")) == "-");
  CHECK(human_seconds(0.44) == "0.4 s");
  CHECK(human_seconds(59.4) == "59 s");
  CHECK(human_seconds(60) == "1 min");
  CHECK(human_seconds(130) == "2 min 10 s");
  CHECK(human_seconds(3 * 3600 + 5 * 60) == "3 h 5 min");
  CHECK(human_seconds(2 * 86400 + 4 * 3600) == "2 d 4 h");
  CHECK(human_seconds(-1) == "0.0 s");
  CHECK(human_seconds(infinity) == "more than 10000 d");
}

TEST_CASE("Report: bars and sparklines show something for something, and not all for less",
          "[report]") {
  CHECK(bar(0, 5, Charset::ascii) == ".....");
  CHECK(bar(0.0001, 5, Charset::ascii) == ":....");
  CHECK(bar(0.12, 5, Charset::unicode) == "█░░░░");
  CHECK(bar(0.09, 5, Charset::unicode) == "▏░░░░");
  CHECK(bar(0.5, 4, Charset::ascii) == "##..");
  CHECK(bar(0.9999, 5, Charset::ascii) == "####.");
  CHECK(bar(1, 5, Charset::ascii) == "#####");
  CHECK(bar(infinity, 5, Charset::ascii) == "#####");
  CHECK(bar(std::nan(""), 5, Charset::ascii) == ".....");
  CHECK(bar(-1, 2, Charset::unicode) == "░░");
  CHECK(bar(0.5, 0, Charset::ascii) == "");
  CHECK(sparkline({0, 50, 100}, 0, 100, Charset::unicode) == "▁▅█");
  CHECK(sparkline({7, 7}, 7, 7, Charset::ascii) == "__");
  CHECK(sparkline({infinity, -infinity, std::nan("")}, 0, 1, Charset::ascii) == "#__");
  CHECK(sparkline({1}, -infinity, infinity, Charset::ascii) == "_");
}

TEST_CASE("Report: text of others becomes one column a character", "[report]") {
  CHECK(presentable("büro Ж Ω …", Charset::unicode) == "büro Ж Ω …");
  CHECK(presentable("büro", Charset::ascii) == "b?ro");
  CHECK(presentable("a\x1b[31m\x7f", Charset::unicode) == "a?[31m?");
  CHECK(presentable("a\nb\tc\rd", Charset::unicode) == "a b c?d");
  CHECK(presentable("データ", Charset::unicode) == "???");      // Wide.
  CHECK(presentable("e\xcc\x81", Charset::unicode) == "e?");    // Combining.
  CHECK(presentable("\xe2\x80\xae", Charset::unicode) == "?");  // Right to left.
  CHECK(presentable("\xff\xc0\x80 \xe2\x82", Charset::unicode) == "??? ??");
  CHECK(presentable(std::string_view("\0", 1), Charset::ascii) == "?");
}

TEST_CASE("Report: text is cut by characters, where it says less", "[report]") {
  CHECK(clipped("größer", 6, Charset::unicode) == "größer");
  CHECK(clipped("größer", 4, Charset::unicode) == "grö…");
  CHECK(clipped("one two", 5, Charset::ascii) == "one~");
  CHECK(clipped("one", 1, Charset::ascii) == "~");
  CHECK(clipped("one", 0, Charset::ascii) == "");
  CHECK(clipped_front("/data/größe.db", 9, Charset::unicode) == "…größe.db");
  CHECK(clipped_front("one", 0, Charset::ascii) == "");
  CHECK(right_aligned("ö", 3) == "  ö");
  CHECK(left_aligned("long", 2) == "long");
  CHECK(wrapped("one two three  four", 7, Charset::ascii) ==
        std::vector<std::string>{"one two", "three", "four"});
  CHECK(wrapped("abcdefghij k", 5, Charset::ascii) == std::vector<std::string>{"abcd~", "k"});
  CHECK(wrapped("  ", 5, Charset::ascii).empty());
}

TEST_CASE("Report: a grid leaves out what matters least", "[report]") {
  Grid grid({{"id"}, {"bytes", true, 1}, {"hits", true, 2}, {"file", false, 0, true}});
  grid.add({"1", "100 MiB", "99.0 %", "/srv/data.db"});
  grid.add({"12", "1 KiB", "-", "/x"});
  CHECK(drawn(grid, 60) ==
        "  id    bytes    hits  file\n"
        "   1  100 MiB  99.0 %  /srv/data.db\n"
        "  12    1 KiB       -  /x\n");
  CHECK(drawn(grid, 31) ==
        "  id    bytes    hits  file\n"
        "   1  100 MiB  99.0 %  ~data.db\n"
        "  12    1 KiB       -  /x\n");
  CHECK(drawn(grid, 30) ==
        "  id    bytes  file\n"
        "   1  100 MiB  /srv/data.db\n"
        "  12    1 KiB  /x\n");
  CHECK(drawn(grid, 16) ==
        "  id  file\n"
        "   1  ~v/data.db\n"
        "  12  /x\n");
}

TEST_CASE("Report: style and width are read, or refused in words", "[report]") {
  const ReportStyle usual = parse_style("", std::nullopt, nullptr);
  CHECK(usual.charset == Charset::unicode);
  CHECK(usual.width == 80);
  CHECK(parse_style("ascii", std::nullopt, nullptr).charset == Charset::ascii);
  CHECK(parse_style(" ascii\t100 ", std::nullopt, nullptr).width == 100);
  CHECK(parse_style("ascii 100", 100, nullptr).width == 100);
  CHECK(parse_style("unicode", 60, nullptr).width == 60);
  CHECK(parse_style("200", std::nullopt, "90").width == 200);
  CHECK(parse_style("", std::nullopt, "132").width == 132);
  for (const char* columns : {"", "59", "201", "-80", "80x", "99999999999999999999", "wide"}) {
    CAPTURE(columns);
    CHECK(parse_style("", std::nullopt, columns).width == 80);
  }
  CHECK(refusal("ascii", 59) == "width must be 60 to 200 columns, not 59");
  CHECK(refusal("", 201) == "width must be 60 to 200 columns, not 201");
  CHECK(refusal("ascii -1") == "width must be 60 to 200 columns, not -1");
  CHECK(refusal("ascii 100", 80) == "two widths: 100 in the style, and 80");
  for (const char* words : {"html", "ASCII", "ascii wide", "ascii 100 80", "ascii 1e2", "100 ascii",
                            "ascii 99999999999999999999"}) {
    CAPTURE(words);
    CHECK(refusal(words) ==
          "style must be 'unicode' or 'ascii', with or without a width, as in "
          "'ascii 100', not '" +
              std::string(words) + "'");
  }
}
