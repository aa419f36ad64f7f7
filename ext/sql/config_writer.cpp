// UPDATE memory_config: one column may change, and it goes through set_option().
#include "ext/sql/config_writer.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {

using Row = stats::MemoryConfigRow;

std::string set_option_from_sql(std::string_view name, std::string_view text) {
  SetOutcome outcome = set_option(name, text, OptionSource::sql);
  switch (outcome.result) {
    case SetResult::ok:
      return {};
    case SetResult::pending_restart:
      return std::move(outcome.message);
    case SetResult::unknown_name:
      throw CodedRefusal(SQLITE_ERROR, outcome.message);
    case SetResult::bad_value:
      throw CodedRefusal(SQLITE_MISMATCH, outcome.message);
    case SetResult::out_of_range:
      break;
  }
  throw CodedRefusal(SQLITE_CONSTRAINT, outcome.message);
}

void Writer<Row>::require_known(std::string_view name) {
  for (const OptionSpec& spec : options) {
    if (spec.name == name) return;
  }
  // Cannot change anything: the name is unknown to set_option() too, which words the refusal.
  set_option_from_sql(name, "");
}

void Writer<Row>::update(sqlite3_int64 rowid, sqlite3_value** columns) {
  const auto& description = stats::table<Row>.columns;
  const OptionSpec& spec = options.at(static_cast<std::size_t>(rowid) - 1);
  std::optional<std::string> setting;
  for (std::size_t index = 0; index < description.size(); ++index) {
    if (sqlite3_value_nochange(columns[index]) != 0) continue;
    if (description[index].name != "setting") {
      throw stats::Refusal("only the column setting can be changed, not " +
                           std::string(description[index].name));
    }
    if (sqlite3_value_type(columns[index]) == SQLITE_NULL) {
      throw CodedRefusal(SQLITE_CONSTRAINT,
                         "setting must not be NULL; the column boot_val has the default");
    }
    setting = text_of(columns[index]);
  }
  if (!setting) return;
  const std::string pending = set_option_from_sql(spec.name, *setting);
  if (!pending.empty()) sqlite3_log(SQLITE_NOTICE, "memory_config: %s", pending.c_str());
}

}  // namespace sqlitemem::ext
