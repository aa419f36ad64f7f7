// The results of SQL functions: a value, or an error "name: words".
#pragma once

#include <sqlite3ext.h>

#include "ext/sql/guarded.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {

/// Runs `body`, and sets the error if it throws. true: it did not.
template <class Body>
bool guarded_answer(sqlite3_context* context, const char* name, Body&& body) noexcept {
  bool is_worded = false;
  const auto report = [&](const char* words) {
    char* message = sqlite3_mprintf("%s: %s", name, words);
    sqlite3_result_error(context, message != nullptr ? message : words, -1);
    sqlite3_free(message);
    is_worded = true;
  };
  const int rc = guarded(report, [&] {
    body();
    return SQLITE_OK;
  });
  if (rc == SQLITE_NOMEM) {
    sqlite3_result_error_nomem(context);
  } else if (rc != SQLITE_OK) {
    if (!is_worded) sqlite3_result_error(context, "internal error", -1);
    sqlite3_result_error_code(context, rc);  // Keeps the message.
  }
  return rc == SQLITE_OK;
}

/// Sets the result to what `body` returns, or to an error.
template <class Body>
void answer(sqlite3_context* context, const char* name, Body&& body) noexcept {
  guarded_answer(context, name, [&] { set_result(context, body()); });
}

}  // namespace sqlitemem::ext
