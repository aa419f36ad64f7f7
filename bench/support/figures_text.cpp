// Writes figures and measurements as Markdown and as CSV.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "bench/support/figures.h"

namespace sqlitemem::bench {
namespace {

using Row = std::vector<std::string>;

/// Four significant digits where they fit: the noise is never smaller than that.
std::string number(double value) {
  const double size = std::abs(value);
  return fmt::format("{:.{}f}", value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

std::string with_extreme(std::optional<double> median, std::optional<double> minimum) {
  return median ? fmt::format("{} ({})", number(*median), number(*minimum)) : "";
}

std::string target_text(const Figure& figure) {
  switch (figure.comparison) {
    case Comparison::ratio:
    case Comparison::at_most:
      return fmt::format("≤ {:.2f}", figure.target);
    case Comparison::times_better:
    case Comparison::at_least:
      return fmt::format("≥ {:.2f}", figure.target);
    case Comparison::within_noise:
      return "within noise";
  }
  return "";
}

const char* verdict_text(Verdict verdict) {
  return verdict == Verdict::pass ? "pass" : verdict == Verdict::miss ? "miss" : "not measured";
}

/// Characters, not bytes: a UTF-8 continuation byte takes no column.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

std::string table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 3);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (std::size_t line = 0; line < rows.size(); ++line) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      text += "| " + rows[line][i] + std::string(widths[i] - width(rows[line][i]) + 1, ' ');
    }
    text += "|\n";
    if (line != 0) continue;
    for (const std::size_t columns : widths) text += "|" + std::string(columns + 2, '-');
    text += "|\n";
  }
  return text;
}

/// Quotes always: test names may hold commas.
void append_csv(std::string& text, const Row& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "{}\"{}\"", i == 0 ? "" : ",", cells[i]);
  }
  text += '\n';
}

std::string figures_as_markdown(std::span<const Figure> figures, const Measurements& measurements) {
  std::vector<Row> rows{{"what", "ours", "best rival", "target", "measured", "at extremes", ""}};
  for (const Figure& figure : figures) {
    const Outcome outcome = evaluate(figure, measurements);
    if (outcome.verdict == Verdict::not_measured) continue;
    const std::string rival =
        outcome.rival.empty() ? "" : fmt::format("{} {}", outcome.rival, number(outcome.theirs));
    rows.push_back({std::string(figure.what), number(outcome.ours), rival, target_text(figure),
                    number(outcome.measured),
                    outcome.at_extremes ? number(*outcome.at_extremes) : "",
                    verdict_text(outcome.verdict)});
  }
  return table(rows);
}

std::string measurements_as_markdown(const Measurements& measurements) {
  Row header{"median (min)"};
  for (const std::string& subject : measurements.subjects()) header.push_back(subject);
  header.emplace_back("rounds");
  std::vector<Row> rows{header};
  for (const std::string& test : measurements.tests()) {
    Row row{test};
    std::size_t rounds = 0;
    for (const std::string& subject : measurements.subjects()) {
      row.push_back(
          with_extreme(measurements.median(test, subject), measurements.minimum(test, subject)));
      rounds = std::max(rounds, measurements.rounds(test, subject));
    }
    row.push_back(std::to_string(rounds));
    rows.push_back(row);
  }
  return table(rows);
}

std::string all_as_csv(std::span<const Figure> figures, const Measurements& measurements) {
  std::string text;
  append_csv(text, {"record", "name", "subject", "rounds", "median", "minimum", "maximum",
                    "compared_with", "target", "measured", "verdict"});
  for (const std::string& test : measurements.tests()) {
    for (const std::string& subject : measurements.subjects()) {
      const auto median = measurements.median(test, subject);
      if (!median) continue;
      append_csv(text,
                 {"measurement", test, subject, std::to_string(measurements.rounds(test, subject)),
                  fmt::format("{}", *median),
                  fmt::format("{}", measurements.minimum(test, subject).value()),
                  fmt::format("{}", measurements.maximum(test, subject).value()), "", "", "", ""});
    }
  }
  for (const Figure& figure : figures) {
    const Outcome outcome = evaluate(figure, measurements);
    if (outcome.verdict == Verdict::not_measured) continue;
    append_csv(text, {"figure", std::string(figure.what), std::string(figure.subject), "",
                      fmt::format("{}", outcome.ours), "", "", outcome.rival, target_text(figure),
                      fmt::format("{}", outcome.measured), verdict_text(outcome.verdict)});
  }
  return text;
}

}  // namespace

void print_report(std::string_view what, std::string_view units, std::span<const Figure> figures,
                  const Measurements& measurements, bool as_csv) {
  if (as_csv) {
    fmt::print("{}", all_as_csv(figures, measurements));
    return;
  }
  fmt::print("### {}: targets\n\n{}\n", what, figures_as_markdown(figures, measurements));
  fmt::print("### {}: all measurements ({})\n\n{}\n", what, units,
             measurements_as_markdown(measurements));
}

}  // namespace sqlitemem::bench
