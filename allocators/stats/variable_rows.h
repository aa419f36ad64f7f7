// The table txn_variables: what txn_set() keeps for the transaction.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct TxnVariablesRow {
  std::string name;
  AnyValue value;

  static constexpr auto describe() {
    using R = TxnVariablesRow;
    // clang-format off
    return describe_table<R>("txn_variables", "",
        "The variables that txn_set() has set in the connection's current transaction, by name; no "
        "rows outside of one.", {
        {"name", &R::name, Role::label, "", "As given to txn_set()."},
        {"value", &R::value, Role::detail, "", "The value, of any type."},
    });
    // clang-format on
  }
  static std::vector<TxnVariablesRow> snapshot(Sources& sources, Arguments arguments);
};

}  // namespace sqlitemem::stats
