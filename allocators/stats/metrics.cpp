// The text formats of metrics: Prometheus text/plain 0.0.4 and OpenMetrics 1.0.
#include "allocators/stats/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace sqlitemem::stats {
namespace {

/// HELP texts escape backslash and line feed; label values also the quote (as do OpenMetrics' HELP
/// texts).
std::string escaped(std::string_view text, bool with_quotes) {
  std::string result;
  for (const char letter : text) {
    if (letter == '\\') {
      result += "\\\\";
    } else if (letter == '\n') {
      result += "\\n";
    } else if (letter == '"' && with_quotes) {
      result += "\\\"";
    } else {
      result += letter;
    }
  }
  return result;
}

void append_sample(std::string& out, const MetricFamily& family, const MetricSample& sample) {
  out += family.name;
  if (family.is_counter) out += "_total";
  std::string_view separator = "{";
  for (const auto& [name, value] : sample.labels) {
    out += fmt::format("{}{}=\"{}\"", std::exchange(separator, ","), name, escaped(value, true));
  }
  if (!sample.labels.empty()) out += '}';
  out += fmt::format(" {}\n", sample.value);
}

}  // namespace

std::string metric_name(std::string_view prefix, std::string_view column) {
  if (column.starts_with(prefix) && column.substr(prefix.size()).starts_with('_')) {
    column.remove_prefix(prefix.size() + 1);
  }
  return fmt::format("sqlitemem_{}_{}", prefix, column);
}

std::string_view type_name(const MetricFamily& family) {
  if (family.is_counter) return "counter";
  return family.is_stateset ? "stateset" : "gauge";
}

std::string metric_text(std::uint64_t value) { return fmt::format("{}", value); }
std::string metric_text(std::int64_t value) { return fmt::format("{}", value); }
std::string metric_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string label_text(const Cell& value) {
  return std::visit(
      []<class T>(const T& known) -> std::string {
        if constexpr (std::is_same_v<T, std::string_view>) return std::string(known);
        if constexpr (std::is_same_v<T, Flag>) return known ? "1" : "0";
        if constexpr (std::is_arithmetic_v<T>) return metric_text(known);
        return {};
      },
      value);
}

void append_samples(MetricFamily& family, MetricLabels labels, const Cell& value,
                    std::span<const std::string_view> states) {
  if (const auto* current = std::get_if<std::string_view>(&value)) {
    for (const std::string_view state : states) {
      const bool is_so = *current == state;
      MetricSample sample{labels, is_so ? "1" : "0", is_so ? 1.0 : 0};
      sample.labels.emplace_back(family.name, state);
      family.samples.push_back(std::move(sample));
    }
    return;
  }
  if (std::holds_alternative<const AnyValue*>(value)) return;
  MetricSample sample{std::move(labels), label_text(value), 0};
  std::visit(
      [&]<class T>(const T& known) {
        if constexpr (std::is_arithmetic_v<T>) sample.number = static_cast<double>(known);
        if constexpr (std::is_same_v<T, Flag>) sample.number = known ? 1 : 0;
      },
      value);
  family.samples.push_back(std::move(sample));
}

std::string format_metrics(const std::vector<MetricFamily>& families, MetricFormat format) {
  const bool is_open = format == MetricFormat::openmetrics;
  std::string out;
  for (const MetricFamily& family : families) {
    // The older format names the sample, OpenMetrics the family.
    const std::string name = !is_open && family.is_counter ? family.name + "_total" : family.name;
    out += fmt::format("# HELP {} {}\n", name, escaped(family.help, is_open));
    const bool is_gauge_here = family.is_stateset && !is_open;
    out += fmt::format("# TYPE {} {}\n", name, is_gauge_here ? "gauge" : type_name(family));
    // OpenMetrics allows a unit only where the name ends with it.
    if (is_open && !family.unit.empty() && family.name.ends_with(fmt::format("_{}", family.unit))) {
      out += fmt::format("# UNIT {} {}\n", name, family.unit);
    }
    for (const MetricSample& sample : family.samples) append_sample(out, family, sample);
  }
  if (is_open) out += "# EOF\n";
  return out;
}

std::string metric_help(std::string_view doc) {
  constexpr std::string_view sentence_end = ". ", clause = "; NULL";
  std::string help;
  while (!doc.empty()) {
    const std::size_t length = std::min(doc.find(sentence_end), doc.size());
    std::string_view sentence = doc.substr(0, length);
    doc.remove_prefix(std::min(length + sentence_end.size(), doc.size()));
    if (sentence.starts_with("NULL")) continue;
    sentence = sentence.substr(0, sentence.find(clause));
    if (!help.empty()) help += ' ';
    help += sentence;
    if (!help.ends_with('.')) help += '.';
  }
  return help;
}

std::string labels_as_json(const MetricSample& sample) {
  const auto quoted = [](std::string_view text) {
    std::string result = "\"";
    for (const char letter : text) {
      if (letter == '"' || letter == '\\') {
        result += '\\';
        result += letter;
      } else if (static_cast<unsigned char>(letter) < 0x20) {
        result += fmt::format("\\u{:04x}", static_cast<unsigned>(letter));
      } else {
        result += letter;
      }
    }
    return result + '"';
  };
  std::string json = "{";
  for (const auto& [name, value] : sample.labels) {
    if (json.size() > 1) json += ',';
    json += quoted(name) + ':' + quoted(value);
  }
  return json + '}';
}

}  // namespace sqlitemem::stats
