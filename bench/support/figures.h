// One line of the table of targets: which measurement, compared with whom, and what it must reach.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/support/measurements.h"

namespace sqlitemem::bench {

enum class Better { lower, higher };

enum class Comparison {
  ratio,         ///< Ours divided by the best rival; the target is the most it may be.
  times_better,  ///< How many times better than the best rival; the target is the least.
  at_most,       ///< The value itself, without a rival.
  at_least,      ///< Likewise.
  within_noise,  ///< The medians differ by no more than the rival's own interquartile range.
};

struct Figure {
  std::string_view what;  ///< As a reader would say it: test, size, conditions.
  std::string_view test;  ///< Name of the measurement.
  std::string_view subject;
  Comparison comparison = Comparison::ratio;
  double target = 0;
  std::vector<std::string_view> rivals = {};
  Better better = Better::lower;
  std::string_view rival_test = {};  ///< If the rival is another measurement; else `test`.
};

enum class Verdict { pass, miss, not_measured };

struct Outcome {
  Verdict verdict = Verdict::not_measured;
  std::string rival;                  ///< The best of the rivals that were measured.
  double ours = 0, theirs = 0;        ///< Medians.
  double measured = 0;                ///< What is held against the target, from the medians.
  std::optional<double> at_extremes;  ///< The same from the minima (maxima if higher is better).
};

Outcome evaluate(const Figure& figure, const Measurements& measurements);

/// The report on standard output. As Markdown, which also reads well in a terminal: the table of
/// targets without those that were not measured, then every measurement of every subject, median
/// and minimum. As CSV: both in one table with a header line, and empty where a column does not
/// apply. `what`: a word or two for the headings. `units`: of the measurements.
void print_report(std::string_view what, std::string_view units, std::span<const Figure> figures,
                  const Measurements& measurements, bool as_csv);

}  // namespace sqlitemem::bench
