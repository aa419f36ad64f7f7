// What derives from all tables together: the metrics, and the manual.
#include "allocators/stats/tables.h"

#include <fmt/format.h>

#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

template <class Row>
std::vector<Row> snapshot_without_arguments(Sources& sources) {
  const std::array<ArgumentValue, table<Row>.arguments.size()> none{};
  return Row::snapshot(sources, none);
}

template <class Row>
std::string signature() {
  std::string text(table<Row>.name);
  std::string closing;
  for (const Argument& argument : table<Row>.arguments) {
    text += text.size() == table<Row>.name.size() ? "(" : ", ";
    text += argument.is_required ? std::string(argument.name) : fmt::format("[{}]", argument.name);
    closing = ")";
  }
  return text + closing;
}

template <class Row>
void append_manual(std::string& out) {
  out += fmt::format("### {}\n\n{}\n\n", signature<Row>(), table<Row>.doc);
  for (const Argument& argument : table<Row>.arguments) {
    out += fmt::format("Argument `{}` ({}{}): {}\n\n", argument.name,
                       argument.type == ArgumentType::integer ? "INTEGER" : "TEXT",
                       argument.is_required ? "" : ", optional", argument.doc);
  }
  out += "| column | type | meaning |\n|---|---|---|\n";
  for (const Column<Row>& column : table<Row>.columns) {
    out += fmt::format("| `{}` | {}{} | {} |\n", column.name, type_name(type_of(column)),
                       is_nullable(column) ? ", may be NULL" : "", markdown_cell(column.doc));
  }
  if (!table<Row>.metric_prefix.empty()) {
    out += "\nMetrics:";
    for (const Column<Row>& column : table<Row>.columns) {
      if (!is_metric(column.role)) continue;
      out += fmt::format(" `{}{}`", metric_name(table<Row>.metric_prefix, column.name),
                         column.role == Role::counter ? "_total" : "");
    }
    out += "\n";
  }
  out += "\n";
}

}  // namespace

std::vector<MetricFamily> collect_metrics(Sources& sources) {
  std::vector<MetricFamily> families;
  for_each_table([&]<class Row>(std::type_identity<Row>) {
    if constexpr (!table<Row>.metric_prefix.empty()) {
      append_families(families, snapshot_without_arguments<Row>(sources));
    }
  });
  return families;
}

std::vector<ConnectionMemoryRow> ConnectionMemoryRow::snapshot(Sources& sources, Arguments) {
  return sources.reading().connections();
}

std::vector<PlanCacheStatsRow> PlanCacheStatsRow::snapshot(Sources& sources, Arguments) {
  return sources.reading().plans().statements;
}

std::vector<PlanCacheSummaryRow> PlanCacheSummaryRow::snapshot(Sources& sources, Arguments) {
  return {sources.reading().plans().summary};
}

std::vector<MemoryMetricsRow> MemoryMetricsRow::snapshot(Sources& sources, Arguments) {
  std::vector<MemoryMetricsRow> rows;
  for (const MetricFamily& family : collect_metrics(sources)) {
    for (const MetricSample& sample : family.samples) {
      MemoryMetricsRow row;
      row.name = family.name + (family.is_counter ? "_total" : "");
      row.type = type_name(family);
      if (!family.unit.empty()) row.unit = family.unit;
      row.help = family.help;
      row.labels = labels_as_json(sample);
      row.value = sample.number;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string markdown_cell(std::string_view text) {
  std::string cell;
  for (const char letter : text) {
    if (letter == '|') cell += '\\';
    cell += letter == '\n' ? ' ' : letter;
  }
  return cell;
}

std::string tables_manual() {
  std::string out;
  for_each_table([&]<class Row>(std::type_identity<Row>) { append_manual<Row>(out); });
  return out;
}

std::string options_manual() {
  std::string out = "| option | default | range | when | meaning |\n|---|---|---|---|---|\n";
  for (const OptionSpec& spec : options) {
    const std::string range =
        spec.type == OptionType::enumeration
            ? fmt::format("{}", fmt::join(spec.choices, ", "))
            : fmt::format("{} to {}", format_option(spec, spec.min), format_option(spec, spec.max));
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", spec.name, option_state(spec).boot_val,
                       range, spec.context == OptionContext::startup ? "startup" : "runtime",
                       markdown_cell(spec.short_desc));
  }
  out += "\n| variable | meaning |\n|---|---|\n";
  for (const VariableSpec& variable : variables)
    out += fmt::format("| `{}` | {} |\n", variable.name, markdown_cell(variable.short_desc));
  return out;
}

}  // namespace sqlitemem::stats
