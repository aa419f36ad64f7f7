// What the statistics' sources ask: the variables of the asking connection's transaction.
#pragma once

#include <sqlite3ext.h>

#include <vector>

#include "allocators/stats/variable_rows.h"

namespace sqlitemem::ext {

/// In no particular order; none outside of a transaction. For whoever is inside the connection.
std::vector<stats::TxnVariablesRow> read_transaction_variables(sqlite3* db);

}  // namespace sqlitemem::ext
