// UPDATE memory_config: one column may change, and it goes through set_option().
#include "ext/sql/config_writer.h"

#include <fmt/format.h>

#include <algorithm>

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

namespace {

const OptionSpec* find_option(std::string_view name) {
  const auto spec = std::ranges::find(options, name, &OptionSpec::name);
  return spec == options.end() ? nullptr : &*spec;
}

}  // namespace

std::string set_option_from_sql(std::string_view name, std::string_view text) {
  const OptionSpec* spec = find_option(name);
  // The plan cache needs no heap of ours, and arenas are SQLite's memory, whoever gives it.
  const bool is_for_every_mode =
      spec != nullptr && (spec->category == "Plan cache" || spec->category == "Transactions");
  if (spec != nullptr && !heap_is_ours() && !is_for_every_mode) {
    throw CodedRefusal(
        SQLITE_ERROR,
        fmt::format("{} cannot act in observing mode, only in managed or attached mode: start the "
                    "program with LD_PRELOAD=libsqlitemem_preload.so, or load the extension into a "
                    "single-threaded process",
                    name));
  }
  // Before it is in force: for a moment other threads would be refused memory.
  if (std::int64_t limit = 0;
      name == "memory_limit" && check_option(name, text, limit).result == SetResult::ok) {
    require_room_below(limit);
  }
  SetOutcome outcome = set_option(name, text, OptionSource::sql);
  switch (outcome.result) {
    case SetResult::ok:
      return {};
    case SetResult::pending_restart:
      return std::move(outcome.message);
    case SetResult::unknown_name:
      throw CodedRefusal(SQLITE_ERROR, outcome.message);
    case SetResult::bad_value:
    case SetResult::out_of_range:
      break;
  }
  throw CodedRefusal(SQLITE_CONSTRAINT, outcome.message);
}

void Writer<Row>::require_known(std::string_view name) {
  if (find_option(name) != nullptr) return;
  // Cannot change anything: the name is unknown to set_option() too, which words the refusal.
  set_option_from_sql(name, "");
}

namespace {

/// The new setting of an UPDATE's row; nullopt: it is left alone.
std::optional<std::string> setting_in(sqlite3_value** columns) {
  const auto& description = stats::table<Row>.columns;
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
  return setting;
}

std::string text_of_running(const RunningStatement& running) {
  std::string text;
  for (const auto& [statement, run] : running) {
    if (const char* sql = sqlite3_sql(statement)) text += sql;
  }
  return text;
}

}  // namespace

void Writer<Row>::update(const RunningStatement& statement, sqlite3_int64 rowid,
                         sqlite3_value** columns) {
  try {
    statement_ = statement;
    statement_text_ = text_of_running(statement);
    const OptionSpec& spec = options.at(static_cast<std::size_t>(rowid) - 1);
    const std::optional<std::string> setting = setting_in(columns);
    if (!setting) return;
    changed_.push_back({&spec, remember_option(spec)});
    const std::string pending = set_option_from_sql(spec.name, *setting);
    if (!pending.empty()) sqlite3_log(SQLITE_NOTICE, "memory_config: %s", pending.c_str());
  } catch (...) {
    put_all_back();
    throw;
  }
}

void Writer<Row>::roll_back(const RunningStatement& statement) {
  if (statement == statement_ && text_of_running(statement) == statement_text_) put_all_back();
}

void Writer<Row>::put_all_back() noexcept {
  for (auto change = changed_.rbegin(); change != changed_.rend(); ++change) {
    put_back_option(*change->spec, change->before);
  }
  forget();
}

}  // namespace sqlitemem::ext
