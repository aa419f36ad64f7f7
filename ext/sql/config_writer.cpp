// UPDATE memory_config: one column may change, and it goes through set_option().
#include "ext/sql/config_writer.h"

#include <fmt/format.h>

#include "allocators/config.h"
#include "allocators/manager/process_heap.h"
#include "ext/host/mode.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {

using Row = stats::MemoryConfigRow;

/// For parsing and running the UPDATE that raises the limit again.
constexpr std::uint64_t least_headroom_bytes = 256 * kib;

namespace {

/// A limit below what is held now would leave no memory for the statement that takes it back.
void require_room_below(std::int64_t limit) {
  if (limit == 0 || !heap_is_ours()) return;
  const std::uint64_t held = process_heap().totals().held_bytes;
  if (static_cast<std::uint64_t>(limit) >= held + least_headroom_bytes) return;
  throw CodedRefusal(SQLITE_CONSTRAINT,
                     fmt::format("memory_limit = {} leaves no room: {} bytes are held now, and {} "
                                 "more are needed to go on; force_garbage_collection() may help",
                                 limit, held, least_headroom_bytes));
}

}  // namespace

std::string set_option_from_sql(std::string_view name, std::string_view text) {
  const std::int64_t limit_before = option(&Config::memory_limit);
  SetOutcome outcome = set_option(name, text, OptionSource::sql);
  if (outcome.result == SetResult::ok && name == "memory_limit") {
    try {
      require_room_below(option(&Config::memory_limit));
    } catch (...) {
      set_option(name, std::to_string(limit_before), OptionSource::sql);
      throw;
    }
  }
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
