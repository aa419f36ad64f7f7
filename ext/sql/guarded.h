// The C boundary: exceptions become result codes and messages, C++ values become SQL values.
#pragma once

#include <sqlite3ext.h>

#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "allocators/stats/describe.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {

/// A refusal with a result code other than SQLITE_ERROR.
struct CodedRefusal : stats::Refusal {
  CodedRefusal(int code, const std::string& message) : stats::Refusal(message), rc(code) {}
  int rc;
};

/// Runs `body`, which returns a result code. No exception leaves; `report` gets its text.
template <class Report, class Body>
int guarded(Report&& report, Body&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  } catch (const CodedRefusal& refusal) {
    report(refusal.what());
    return refusal.rc;
  } catch (const std::exception& error) {
    report(error.what());
    return SQLITE_ERROR;
  } catch (...) {
    return SQLITE_INTERNAL;
  }
}

/// For the callbacks of a virtual table: the message goes where SQLite looks for it.
template <class Body>
int guarded_for(sqlite3_vtab* vtab, std::string_view table_name, Body&& body) noexcept {
  const auto report = [&](const char* text) {
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg =
        sqlite3_mprintf("%.*s: %s", static_cast<int>(table_name.size()), table_name.data(), text);
  };
  return guarded(report, std::forward<Body>(body));
}

inline void set_result(sqlite3_context* context, std::nullopt_t) { sqlite3_result_null(context); }
inline void set_result(sqlite3_context* context, stats::Flag value) {
  sqlite3_result_int(context, value ? 1 : 0);
}
inline void set_result(sqlite3_context* context, std::int64_t value) {
  sqlite3_result_int64(context, value);
}
/// SQL's integers are signed: what does not fit is shown as the greatest.
inline void set_result(sqlite3_context* context, std::uint64_t value) {
  constexpr auto greatest = static_cast<std::uint64_t>(INT64_MAX);
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(value < greatest ? value : greatest));
}
inline void set_result(sqlite3_context* context, double value) {
  sqlite3_result_double(context, value);
}
inline void set_result(sqlite3_context* context, std::string_view value) {
  sqlite3_result_text64(context, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}
inline void set_result(sqlite3_context* context, const std::string& value) {
  set_result(context, std::string_view(value));
}
inline void set_result(sqlite3_context* context, const stats::AnyValue& any) {
  const auto set = [context]<class T>(const T& value) {
    if constexpr (std::is_same_v<T, std::monostate>) {
      sqlite3_result_null(context);
    } else if constexpr (std::is_same_v<T, stats::Blob>) {
      sqlite3_result_blob64(context, value.bytes.data(), value.bytes.size(), SQLITE_TRANSIENT);
    } else {
      set_result(context, value);
    }
  };
  std::visit(set, any.value);
}
inline void set_result(sqlite3_context* context, const stats::Cell& cell) {
  const auto set = [context]<class T>(const T& value) {
    if constexpr (std::is_same_v<T, std::monostate>) {
      sqlite3_result_null(context);
    } else if constexpr (std::is_same_v<T, const stats::AnyValue*>) {
      set_result(context, *value);
    } else {
      set_result(context, value);
    }
  };
  std::visit(set, cell);
}
template <class T>
void set_result(sqlite3_context* context, const std::optional<T>& value) {
  if (value) {
    set_result(context, *value);
  } else {
    sqlite3_result_null(context);
  }
}

/// The value as text; empty for NULL. Memory may run out: std::bad_alloc.
inline std::string text_of(sqlite3_value* value) {
  const unsigned char* text = sqlite3_value_text(value);
  if (text == nullptr) {
    if (sqlite3_value_type(value) != SQLITE_NULL) throw std::bad_alloc();
    return {};
  }
  return {reinterpret_cast<const char*>(text),
          static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

/// An integer, also if written as '5' or 5.0; nullopt for anything else.
inline std::optional<std::int64_t> integer_of(sqlite3_value* value) {
  if (sqlite3_value_type(value) == SQLITE_BLOB) return std::nullopt;
  const int type = sqlite3_value_numeric_type(value);
  if (type == SQLITE_INTEGER) return sqlite3_value_int64(value);
  if (type != SQLITE_FLOAT) return std::nullopt;
  const double real = sqlite3_value_double(value);
  const bool fits = real >= -9e15 && real <= 9e15;
  if (!fits || static_cast<double>(static_cast<std::int64_t>(real)) != real) return std::nullopt;
  return static_cast<std::int64_t>(real);
}

}  // namespace sqlitemem::ext
