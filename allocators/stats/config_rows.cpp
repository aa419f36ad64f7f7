// Fills memory_config, in the order of `options`.
#include "allocators/stats/config_rows.h"

#include "allocators/config.h"

namespace sqlitemem::stats {
namespace {

std::string_view type_word(OptionType type) {
  switch (type) {
    case OptionType::integer:
      return "integer";
    case OptionType::bytes:
      return "bytes";
    case OptionType::seconds:
      return "seconds";
    case OptionType::milliseconds:
      return "milliseconds";
    case OptionType::percent:
      return "percent";
    case OptionType::enumeration:
      break;
  }
  return "enum";
}

std::string_view source_word(OptionSource source) {
  switch (source) {
    case OptionSource::boot:
      return "default";
    case OptionSource::environment:
      return "env";
    case OptionSource::api:
      return "api";
    case OptionSource::sql:
      break;
  }
  return "sql";
}

}  // namespace

std::vector<MemoryConfigRow> MemoryConfigRow::snapshot(Sources&, Arguments) {
  std::vector<MemoryConfigRow> rows;
  for (const OptionSpec& spec : options) {
    OptionState state = option_state(spec);
    MemoryConfigRow row;
    row.name = spec.name;
    row.setting = std::move(state.setting);
    if (spec.type == OptionType::bytes) row.unit = "B";
    if (spec.type == OptionType::milliseconds) row.unit = "ms";
    if (spec.type == OptionType::seconds) row.unit = "s";
    if (spec.type == OptionType::percent) row.unit = "%";
    row.category = spec.category;
    row.short_desc = spec.short_desc;
    row.context = spec.context == OptionContext::startup ? "startup" : "runtime";
    row.vartype = type_word(spec.type);
    row.source = source_word(state.source);
    if (spec.type == OptionType::enumeration) {
      std::string words;
      for (const std::string_view word : spec.choices) {
        words.append(words.empty() ? "" : ", ").append(word);
      }
      row.choices = std::move(words);
    } else {
      row.min_val = format_option(spec, spec.min);
      row.max_val = format_option(spec, spec.max);
    }
    row.boot_val = std::move(state.boot_val);
    row.pending_restart = state.pending_restart;
    row.pending_setting = std::move(state.pending_setting);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sqlitemem::stats
