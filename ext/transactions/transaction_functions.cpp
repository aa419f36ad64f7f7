// txn_set and txn_get, and what the table txn_variables shows.
#include <vector>

#include "ext/sql/answer.h"
#include "ext/sql/functions.h"
#include "ext/transactions/connection_arena.h"
#include "ext/transactions/transaction_variables.h"
#include "ext/transactions/variables.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

std::string name_of(sqlite3_value* value) {
  if (sqlite3_value_type(value) == SQLITE_TEXT) {
    std::string name = text_of(value);
    if (!name.empty() && name[0] != hidden_name_mark) return name;
  }
  throw stats::Refusal("name must be text, and not empty");
}

VariableValue value_of(sqlite3_value* from) {
  VariableValue value;
  value.type = sqlite3_value_type(from);
  switch (value.type) {
    case SQLITE_INTEGER:
      value.integer = sqlite3_value_int64(from);
      break;
    case SQLITE_FLOAT:
      value.real = sqlite3_value_double(from);
      break;
    case SQLITE_TEXT:
      value.data = sqlite3_value_text(from);
      break;
    case SQLITE_BLOB:
      value.data = sqlite3_value_blob(from);
      break;
    default:
      return value;
  }
  if (value.type == SQLITE_INTEGER || value.type == SQLITE_FLOAT) return value;
  value.data_bytes = static_cast<std::size_t>(sqlite3_value_bytes(from));
  // SQLite has no address for an empty blob.
  if (value.data == nullptr && (value.type == SQLITE_TEXT || value.data_bytes > 0)) {
    throw std::bad_alloc();
  }
  return value;
}

void set_result(sqlite3_context* context, const VariableValue& value) {
  switch (value.type) {
    case SQLITE_INTEGER:
      return sqlite3_result_int64(context, value.integer);
    case SQLITE_FLOAT:
      return sqlite3_result_double(context, value.real);
    case SQLITE_TEXT:
      return sqlite3_result_text64(context, static_cast<const char*>(value.data), value.data_bytes,
                                   SQLITE_TRANSIENT, SQLITE_UTF8);
    case SQLITE_BLOB:
      return sqlite3_result_blob64(context, value.data, value.data_bytes, SQLITE_TRANSIENT);
    default:
      return sqlite3_result_null(context);
  }
}

stats::AnyValue copy_of(const VariableValue& value) {
  const auto bytes = [&] {
    return std::string(static_cast<const char*>(value.data), value.data_bytes);
  };
  switch (value.type) {
    case SQLITE_INTEGER:
      return {value.integer};
    case SQLITE_FLOAT:
      return {value.real};
    case SQLITE_TEXT:
      return {bytes()};
    case SQLITE_BLOB:
      return {stats::Blob{bytes()}};
    default:
      return {};
  }
}

ConnectionArena& arena_of(sqlite3_context* context) {
  ConnectionArena* const arena = find_connection_arena(sqlite3_context_db_handle(context));
  if (arena == nullptr) throw stats::Refusal("the connection is not registered");
  return *arena;
}

[[noreturn]] void refuse(int rc, const std::string& reason) {
  if (rc == SQLITE_NOMEM) throw std::bad_alloc();
  throw CodedRefusal(rc, reason);
}

}  // namespace

namespace function_bodies {

void txn_set(sqlite3_context* context, int, sqlite3_value** arguments) {
  const bool is_set = guarded_answer(context, "txn_set", [&] {
    const std::string name = name_of(arguments[0]);
    ConnectionArena& arena = arena_of(context);
    std::string reason;
    if (const int rc = arena.open(reason); rc != SQLITE_OK) refuse(rc, reason);
    if (!Variables(arena.memory()).set(name, value_of(arguments[1]))) {
      const int rc = arena.refusal(reason);
      refuse(rc, reason);
    }
  });
  if (is_set) sqlite3_result_value(context, arguments[1]);
}

void txn_get(sqlite3_context* context, int, sqlite3_value** arguments) {
  guarded_answer(context, "txn_get", [&] {
    const std::string name = name_of(arguments[0]);
    ConnectionArena& arena = arena_of(context);
    if (!arena.memory().is_open()) return;  // Nothing is set: NULL.
    if (const VariableValue* value = Variables(arena.memory()).get(name)) {
      set_result(context, *value);
    }
  });
}

}  // namespace function_bodies

std::vector<stats::TxnVariablesRow> read_transaction_variables(sqlite3* db) {
  std::vector<stats::TxnVariablesRow> rows;
  ConnectionArena* const arena = find_connection_arena(db);
  if (arena == nullptr || !arena->memory().is_open()) return rows;
  Variables(arena->memory()).for_each([&](const VariableNode& node) {
    if (node.name[0] == hidden_name_mark) return;
    rows.push_back({.name = std::string(node.name_text()), .value = copy_of(node.value)});
  });
  return rows;
}

}  // namespace sqlitemem::ext
