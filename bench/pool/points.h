// Every trace at several pool sizes under every policy: the measurements, and their tables.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/pool/replay.h"

namespace sqlitemem::bench {

/// The names of all policies, in the order of AnyPolicy.
[[nodiscard]] const std::vector<std::string_view>& policy_names();

/// One trace at one pool size.
struct Point {
  std::string trace;
  std::uint32_t frames = 0;
  std::vector<ReplayResult> results;  ///< By policy.
  ReplayResult optimum;

  [[nodiscard]] double regret(std::size_t policy) const {
    return optimum.hit_percent() - results[policy].hit_percent();
  }
  /// Percent; 0 where LRU misses nothing.
  [[nodiscard]] double fewer_misses_than_lru(std::size_t policy) const;
  [[nodiscard]] double hits_above_lru(std::size_t policy) const;
  /// Whether a policy can make a difference: the optimum is above LRU by a hundredth of a point.
  [[nodiscard]] bool has_choice() const;
};

/// One point per entry of `percents`: pool sizes in percent of the trace's pages, at least 1 frame.
[[nodiscard]] std::vector<Point> measure(const Trace& trace, std::span<const unsigned> percents);

/// Over all points with a choice.
struct Summary {
  std::size_t points = 0;
  double mean_regret = 0;
  double worst_regret = 0;
  double worst_against_lru = 0;  ///< Percentage points; negative: below LRU.
  double mean_fewer_misses = 0;  ///< Percent.
};
[[nodiscard]] Summary summarize(std::span<const Point> points, std::size_t policy);

/// Markdown.
[[nodiscard]] std::string hits_table(std::span<const Point> points);
[[nodiscard]] std::string comparison_table(std::span<const Point> points);
[[nodiscard]] std::string summary_table(std::span<const Point> points);

}  // namespace sqlitemem::bench
