// The table memory_config: the options, as they are and as they may be.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct MemoryConfigRow {
  std::string name, setting;
  std::optional<std::string> unit;
  std::string category, short_desc, context, vartype, source;
  std::optional<std::string> min_val, max_val, choices;
  std::string boot_val;
  Flag pending_restart;
  std::optional<std::string> pending_setting;

  static constexpr auto describe() {
    using R = MemoryConfigRow;
    // clang-format off
    return describe_table<R>("memory_config", "",
        "One row per option. UPDATE memory_config SET setting = '64MB' WHERE name = 'memory_limit' "
        "changes it for the whole process, at once, and no ROLLBACK undoes it; but a statement "
        "that fails, at whatever row, leaves everything as it was. INSERT, DELETE and changes of "
        "other columns are refused, and every change in observing mode, where no option can act. "
        "The environment variable SQLITEMEM_<NAME> sets an "
        "option at start. UPDATE takes the write lock of the database main as any UPDATE does; "
        "the function memory_config(name, setting) does not.", {
        {"name", &R::name, Role::label, "", "The option."},
        {"setting", &R::setting, Role::detail, "", "The value in force."},
        {"unit", &R::unit, Role::detail, "",
         "Unit of a plain number: B, ms or %; NULL for counts and words."},
        {"category", &R::category, Role::detail, "", "What it belongs to."},
        {"short_desc", &R::short_desc, Role::detail, "", "What it does."},
        {"context", &R::context, Role::detail, "",
         "runtime: takes effect at once; startup: is read when the heap starts."},
        {"vartype", &R::vartype, Role::detail, "",
         "integer, bytes, milliseconds, percent or enum."},
        {"source", &R::source, Role::detail, "", "Who set it: default, env, api or sql."},
        {"min_val", &R::min_val, Role::detail, "", "Least value; NULL for enum."},
        {"max_val", &R::max_val, Role::detail, "", "Greatest value; NULL for enum."},
        {"choices", &R::choices, Role::detail, "", "The words of an enum; NULL for others."},
        {"boot_val", &R::boot_val, Role::detail, "", "The value if nobody sets it."},
        {"pending_restart", &R::pending_restart, Role::detail, "",
         "1: a startup option was changed after the start; it does not act in this process."},
        {"pending_setting", &R::pending_setting, Role::detail, "",
         "What was asked for then; only the environment brings it to the next start."},
    });
    // clang-format on
  }
  static std::vector<MemoryConfigRow> snapshot(Sources& sources, Arguments arguments);
};

}  // namespace sqlitemem::stats
