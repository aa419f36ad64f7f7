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

/// The columns of `row` that tell it from others.
template <class Row>
MetricLabels labels_of(const Row& row) {
  const auto label_text = []<class T>(const T& value) -> std::string {
    if constexpr (std::is_same_v<T, std::nullopt_t> || std::is_same_v<T, AnyValue>) return {};
    if constexpr (std::is_same_v<T, std::string>) return value;
    if constexpr (std::is_same_v<T, Flag>) return value ? "1" : "0";
    if constexpr (std::is_arithmetic_v<T>) return metric_text(value);
  };
  MetricLabels labels;
  for (const Column<Row>& label : table<Row>.columns) {
    if (label.role == Role::label)
      labels.emplace_back(label.name, with_value(row, label, label_text));
  }
  return labels;
}

/// The sample of a gauge or counter; none if the value is NULL.
template <class Row>
void append_number(MetricFamily& family, const Row& row, const Column<Row>& column) {
  MetricSample sample;
  const bool is_known = with_value(row, column, [&]<class T>(const T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      sample.value = metric_text(value);
      sample.number = static_cast<double>(value);
    } else if constexpr (std::is_same_v<T, Flag>) {
      sample.value = value ? "1" : "0";
      sample.number = value ? 1 : 0;
    }
    return std::is_arithmetic_v<T> || std::is_same_v<T, Flag>;
  });
  if (!is_known) return;
  sample.labels = labels_of(row);
  family.samples.push_back(std::move(sample));
}

/// The samples of a set of states; none if the value is NULL.
template <class Row>
void append_states(MetricFamily& family, const Row& row, const Column<Row>& column) {
  const std::optional<std::string_view> current =
      with_value(row, column, []<class T>(const T& value) -> std::optional<std::string_view> {
        if constexpr (std::is_same_v<T, std::string>) return value;
        return std::nullopt;
      });
  if (!current) return;
  for (const std::string_view state : column.states) {
    MetricSample sample{labels_of(row), *current == state ? "1" : "0", *current == state ? 1.0 : 0};
    sample.labels.emplace_back(family.name, state);
    family.samples.push_back(std::move(sample));
  }
}

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
      if (family.is_stateset) {
        append_states(family, row, column);
      } else {
        append_number(family, row, column);
      }
    }
    if (!family.samples.empty()) families.push_back(std::move(family));
  }
}

}  // namespace sqlitemem::stats
