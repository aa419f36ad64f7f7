// Measures points and prints them as Markdown.
#include "bench/pool/points.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

namespace sqlitemem::bench {
namespace {

template <class Function, std::size_t... Index>
void for_each_policy(std::index_sequence<Index...>, const Function& function) {
  (function.template operator()<std::variant_alternative_t<Index, AnyPolicy>>(), ...);
}
template <class Function>
void for_each_policy(const Function& function) {
  for_each_policy(std::make_index_sequence<std::variant_size_v<AnyPolicy>>(), function);
}

std::size_t lru_index() {
  const auto& names = policy_names();
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), Lru::name) - names.begin());
}

std::string header(std::string_view behind) {
  std::string text = "| trace | frames |";
  for (const std::string_view name : policy_names()) text += fmt::format(" {} |", name);
  text += fmt::format("{}\n|---|---:|", behind);
  for (std::size_t i = 0; i < policy_names().size(); ++i) text += "---:|";
  return text + (behind.empty() ? "\n" : "---:|\n");
}

}  // namespace

const std::vector<std::string_view>& policy_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for_each_policy([&]<class Policy>() { all.push_back(Policy::name); });
    return all;
  }();
  return names;
}

double Point::hits_above_lru(std::size_t policy) const {
  return results[policy].hit_percent() - results[lru_index()].hit_percent();
}

double Point::fewer_misses_than_lru(std::size_t policy) const {
  const auto lru = static_cast<double>(results[lru_index()].misses());
  return lru == 0 ? 0 : 100 * (1 - static_cast<double>(results[policy].misses()) / lru);
}

bool Point::has_choice() const { return regret(lru_index()) >= 0.01; }

std::vector<Point> measure(const Trace& trace, std::span<const unsigned> percents) {
  std::vector<Point> points;
  for (const unsigned percent : percents) {
    const std::uint64_t share = std::uint64_t{trace.page_count()} * percent / 100;
    Point point{.trace = trace.name,
                .frames = static_cast<std::uint32_t>(std::max<std::uint64_t>(share, 1)),
                .results = {},
                .optimum = {}};
    for_each_policy(
        [&]<class Policy>() { point.results.push_back(replay<Policy>(trace, point.frames)); });
    point.optimum = replay_optimum(trace, point.frames);
    points.push_back(std::move(point));
  }
  return points;
}

Summary summarize(std::span<const Point> points, std::size_t policy) {
  Summary summary;
  for (const Point& point : points) {
    if (!point.has_choice()) continue;
    const double regret = point.regret(policy);
    const double above = point.hits_above_lru(policy);
    const bool is_first = summary.points == 0;
    summary.worst_regret = is_first ? regret : std::max(summary.worst_regret, regret);
    summary.worst_against_lru = is_first ? above : std::min(summary.worst_against_lru, above);
    summary.mean_regret += regret;
    summary.mean_fewer_misses += point.fewer_misses_than_lru(policy);
    ++summary.points;
  }
  if (summary.points == 0) return summary;
  summary.mean_regret /= static_cast<double>(summary.points);
  summary.mean_fewer_misses /= static_cast<double>(summary.points);
  return summary;
}

std::string hits_table(std::span<const Point> points) {
  std::string text = "Hits, percent of the references to pages that were not pinned:\n\n";
  text += header(" optimum |");
  for (const Point& point : points) {
    text += fmt::format("| {} | {} |", point.trace, point.frames);
    for (const ReplayResult& result : point.results) {
      text += fmt::format(" {:.2f} |", result.hit_percent());
    }
    text += fmt::format(" {:.2f} |\n", point.optimum.hit_percent());
  }
  return text;
}

std::string comparison_table(std::span<const Point> points) {
  std::string text = "Regret (points below the optimum), and misses against LRU:\n\n";
  text += header("");
  for (const Point& point : points) {
    text += fmt::format("| {} | {} |", point.trace, point.frames);
    for (std::size_t policy = 0; policy < point.results.size(); ++policy) {
      text += fmt::format(" {:.2f}, {:+.1f} % |", point.regret(policy),
                          0.0 - point.fewer_misses_than_lru(policy));
    }
    text += "\n";
  }
  return text;
}

std::string summary_table(std::span<const Point> points) {
  std::string text = fmt::format(
      "Over the {} of {} points at which the optimum is above LRU:\n\n"
      "| policy | mean regret | worst regret | worst against LRU | fewer misses than LRU |\n"
      "|---|---:|---:|---:|---:|\n",
      summarize(points, 0).points, points.size());
  for (std::size_t policy = 0; policy < policy_names().size(); ++policy) {
    const Summary summary = summarize(points, policy);
    text += fmt::format("| {} | {:.2f} | {:.2f} | {:+.2f} | {:.1f} % |\n", policy_names()[policy],
                        summary.mean_regret, summary.worst_regret, summary.worst_against_lru,
                        summary.mean_fewer_misses);
  }
  return text;
}

}  // namespace sqlitemem::bench
