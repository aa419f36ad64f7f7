// Metrics from described tables: families and samples, and their two text formats.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

struct MetricSample {
  std::vector<std::pair<std::string, std::string>> labels;
  std::string value;  ///< Integers exactly, beyond what a double holds.
  double number = 0;
};

struct MetricFamily {
  std::string name;  ///< Without "_total".
  bool is_counter = false;
  std::string_view unit;
  std::string help;
  std::vector<MetricSample> samples;
  /// A sample for each of some words, 1 for the one that holds. The label with the word has the
  /// family's name, as OpenMetrics wants it.
  bool is_stateset = false;
};

/// gauge, counter or stateset. Prometheus text has no sets of states: there they are gauges.
std::string_view type_name(const MetricFamily& family);

enum class MetricFormat { prometheus, openmetrics };

/// text/plain 0.0.4, or OpenMetrics 1.0 with its units and "# EOF".
std::string format_metrics(const std::vector<MetricFamily>& families, MetricFormat format);

/// {"name":"value",…} with everything escaped that JSON wants escaped.
std::string labels_as_json(const MetricSample& sample);

std::string metric_text(std::uint64_t value);
std::string metric_text(std::int64_t value);
std::string metric_text(double value);

/// "sqlitemem_<prefix>_<column>"; a column that starts with the prefix does not repeat it.
std::string metric_name(std::string_view prefix, std::string_view column);

/// A column's doc without what it says of NULL: a metric that cannot be measured is absent.
std::string metric_help(std::string_view doc);

using MetricLabels = std::vector<std::pair<std::string, std::string>>;
std::string label_text(const Cell& value);

/// The columns of `row` that tell it from others.
template <class Row>
MetricLabels labels_of(const Row& row) {
  MetricLabels labels;
  for (const Column<Row>& label : table<Row>.columns) {
    if (label.role == Role::label) labels.emplace_back(label.name, label_text(cell_of(row, label)));
  }
  return labels;
}

/// The sample of a gauge or counter, which is a number; or those of a set of states.
void append_samples(MetricFamily& family, MetricLabels labels, const Cell& value,
                    std::span<const std::string_view> states);

/// Adds one family per gauge, counter and state column of `Row`. A NULL gives no sample, no sample
/// no family.
template <class Row>
void append_families(std::vector<MetricFamily>& families, const std::vector<Row>& rows) {
  for (const Column<Row>& column : table<Row>.columns) {
    if (!is_metric(column.role)) continue;
    MetricFamily family{metric_name(table<Row>.metric_prefix, column.name),
                        column.role == Role::counter,
                        column.unit,
                        metric_help(column.doc),
                        {},
                        column.role == Role::state};
    for (const Row& row : rows) {
      const Cell value = cell_of(row, column);
      if (!std::holds_alternative<std::monostate>(value))
        append_samples(family, labels_of(row), value, column.states);
    }
    if (!family.samples.empty()) families.push_back(std::move(family));
  }
}

}  // namespace sqlitemem::stats
