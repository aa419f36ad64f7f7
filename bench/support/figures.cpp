// Holds medians against targets.
#include "bench/support/figures.h"

#include <cmath>

namespace sqlitemem::bench {
namespace {

std::string_view rival_test_of(const Figure& figure) {
  return figure.rival_test.empty() ? figure.test : figure.rival_test;
}

std::string best_rival(const Figure& figure, const Measurements& measurements) {
  std::string best;
  double best_value = 0;
  for (const std::string_view rival : figure.rivals) {
    const auto value = measurements.median(rival_test_of(figure), rival);
    if (!value) continue;
    const bool wins = figure.better == Better::lower ? *value < best_value : *value > best_value;
    if (best.empty() || wins) best = rival, best_value = *value;
  }
  return best;
}

double compare(const Figure& figure, double ours, double theirs) {
  const bool inverted =
      figure.comparison == Comparison::times_better && figure.better == Better::lower;
  return inverted ? theirs / ours : ours / theirs;
}

bool reaches(const Figure& figure, const Outcome& outcome, double noise) {
  switch (figure.comparison) {
    case Comparison::ratio:
    case Comparison::at_most:
      return outcome.measured <= figure.target;
    case Comparison::times_better:
    case Comparison::at_least:
      return outcome.measured >= figure.target;
    case Comparison::within_noise:
      return std::abs(outcome.ours - outcome.theirs) <= noise;
  }
  return false;
}

std::optional<double> extreme(const Figure& figure, const Measurements& measurements,
                              std::string_view test, std::string_view subject) {
  return figure.better == Better::lower ? measurements.minimum(test, subject)
                                        : measurements.maximum(test, subject);
}

}  // namespace

Outcome evaluate(const Figure& figure, const Measurements& measurements) {
  Outcome outcome;
  const auto ours = measurements.median(figure.test, figure.subject);
  if (!ours) return outcome;
  outcome.ours = *ours;
  outcome.measured = *ours;
  double noise = 0;
  if (!figure.rivals.empty()) {
    outcome.rival = best_rival(figure, measurements);
    if (outcome.rival.empty()) return outcome;
    const std::string_view test = rival_test_of(figure);
    outcome.theirs = measurements.median(test, outcome.rival).value();
    outcome.measured = compare(figure, outcome.ours, outcome.theirs);
    outcome.at_extremes =
        compare(figure, extreme(figure, measurements, figure.test, figure.subject).value(),
                extreme(figure, measurements, test, outcome.rival).value());
    noise = measurements.interquartile_range(test, outcome.rival).value();
  }
  outcome.verdict = reaches(figure, outcome, noise) ? Verdict::pass : Verdict::miss;
  return outcome;
}

}  // namespace sqlitemem::bench
