// One constexpr description per row type; SQL schema, values, metrics, manual and tests derive from
// it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace sqlitemem::stats {

/// A bool as wide as the other column types, so that rows have no padding in which a field could
/// hide from describes_every_field(). Shown as INTEGER 0 or 1.
struct alignas(8) Flag {
  bool value = false;
  constexpr Flag() = default;
  constexpr Flag(bool set) : value(set) {}  // NOLINT: meant to be implicit.
  constexpr operator bool() const { return value; }
};

/// A BLOB.
struct Blob {
  std::string bytes;
};
/// A value whose type differs from row to row; monostate is NULL.
struct AnyValue {
  std::variant<std::monostate, std::int64_t, double, std::string, Blob> value;
};

/// What a column is to the metrics. A label tells rows of one table apart; a state is one of a few
/// words, which the column names; a detail is only for SQL.
enum class Role : std::uint8_t { label, gauge, counter, state, detail };
constexpr bool is_metric(Role role) {
  return role == Role::gauge || role == Role::counter || role == Role::state;
}

/// The optional types are NULL when the value cannot be measured here.
template <class Row>
using Member = std::variant<std::uint64_t Row::*, std::optional<std::uint64_t> Row::*,
                            std::int64_t Row::*, std::optional<std::int64_t> Row::*, Flag Row::*,
                            std::optional<Flag> Row::*, double Row::*, std::optional<double> Row::*,
                            std::string Row::*, std::optional<std::string> Row::*, AnyValue Row::*>;

/// A column is named once, here. Its SQL type is the type of `member`, so the two cannot disagree.
template <class Row>
struct Column {
  std::string_view name;
  Member<Row> member;
  Role role;
  std::string_view
      unit;  ///< Base unit in full ("bytes", "seconds", "ratio"); empty if there is none.
  std::string_view doc;                           ///< A sentence.
  std::span<const std::string_view> states = {};  ///< Role::state: every word, in order.
};

enum class ArgumentType : std::uint8_t { integer, text };

/// An argument of the table-valued function: a hidden column behind the others.
struct Argument {
  std::string_view name;
  ArgumentType type;
  bool is_required;
  std::string_view doc;
};

/// An argument as given: monostate if it was left out or NULL.
using ArgumentValue = std::variant<std::monostate, std::int64_t, std::string>;
using Arguments = std::span<const ArgumentValue>;

template <class Row, std::size_t column_count, std::size_t argument_count>
struct Table {
  std::string_view name;
  std::string_view metric_prefix;  ///< "sqlitemem_<prefix>_<column>"; empty: not among the metrics.
  std::string_view doc;
  std::array<Column<Row>, column_count> columns;
  std::array<Argument, argument_count> arguments;
};

template <class Row, std::size_t column_count>
constexpr Table<Row, column_count, 0> describe_table(std::string_view name, std::string_view prefix,
                                                     std::string_view doc,
                                                     const Column<Row> (&columns)[column_count]) {
  return {name, prefix, doc, std::to_array(columns), {}};
}
template <class Row, std::size_t column_count, std::size_t argument_count>
constexpr Table<Row, column_count, argument_count> describe_table(
    std::string_view name, std::string_view prefix, std::string_view doc,
    const Column<Row> (&columns)[column_count], const Argument (&arguments)[argument_count]) {
  return {name, prefix, doc, std::to_array(columns), std::to_array(arguments)};
}

/// `Row` opts in with a static `describe()`; this is its one compile-time instance.
template <class Row>
inline constexpr auto table = Row::describe();

/// A request that cannot be honoured; what() says why, and what would be. Becomes an SQL error.
struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

enum class SqlType : std::uint8_t { integer, real, text, any };

template <class T>
consteval SqlType sql_type_of() {
  if constexpr (is_optional<T>) {
    return sql_type_of<typename T::value_type>();
  } else if constexpr (std::is_same_v<T, double>) {
    return SqlType::real;
  } else if constexpr (std::is_same_v<T, AnyValue>) {
    return SqlType::any;
  } else {
    return std::is_same_v<T, std::string> ? SqlType::text : SqlType::integer;
  }
}

/// By the place of a member's type in Member, which is the same for every Row.
template <class... T>
struct MemberTypes {
  static constexpr std::array sql_types{sql_type_of<T>()...};
  static constexpr std::array are_nullable{(is_optional<T> || std::is_same_v<T, AnyValue>)...};
  static constexpr std::array sizes{sizeof(T)...};
};
template <class Row, class... T>
MemberTypes<T...> member_types(const std::variant<T Row::*...>&);
template <class Row>
using MemberTypesOf = decltype(member_types(std::declval<Member<Row>>()));

template <class Row>
constexpr SqlType type_of(const Column<Row>& column) {
  return MemberTypesOf<Row>::sql_types[column.member.index()];
}
template <class Row>
constexpr bool is_nullable(const Column<Row>& column) {
  return MemberTypesOf<Row>::are_nullable[column.member.index()];
}
constexpr std::string_view type_name(SqlType type) {
  switch (type) {
    case SqlType::integer:
      return "INTEGER";
    case SqlType::real:
      return "REAL";
    case SqlType::text:
      return "TEXT";
    case SqlType::any:
      break;  // A column without a type leaves values as they are.
  }
  return "";
}

/// A value of any column, looked at: valid as long as its row. monostate is NULL.
using Cell = std::variant<std::monostate, std::uint64_t, std::int64_t, Flag, double,
                          std::string_view, const AnyValue*>;

/// The column's value in `row`. What is done with it need not be a template, of which there would
/// be one for each table. For the same reason a chain of comparisons, and not std::visit.
template <std::size_t index = 0, class Row>
Cell cell_of(const Row& row, const Column<Row>& column) {
  if constexpr (index + 1 < std::variant_size_v<Member<Row>>) {
    if (column.member.index() != index) return cell_of<index + 1>(row, column);
  }
  const auto as_cell = []<class T>(const T& value) -> Cell {
    if constexpr (std::is_same_v<T, AnyValue>) {
      return &value;
    } else if constexpr (std::is_same_v<T, std::string>) {
      return std::string_view(value);
    } else {
      return value;
    }
  };
  const auto& value = row.*(*std::get_if<index>(&column.member));
  if constexpr (is_optional<std::remove_cvref_t<decltype(value)>>) {
    return value ? as_cell(*value) : Cell{};
  } else {
    return as_cell(value);
  }
}

/// True if the columns together are as large as the row: a field left undescribed fails the build.
template <class Row>
consteval bool describes_every_field() {
  std::size_t bytes = 0;
  for (const Column<Row>& column : table<Row>.columns) {
    bytes += MemberTypesOf<Row>::sizes[column.member.index()];
  }
  return bytes == sizeof(Row);
}

/// The columns that are not NULL for lack of measurement are declared NOT NULL; arguments are
/// hidden.
template <class Row>
std::string create_table_sql() {
  static_assert(describes_every_field<Row>(), "a field of Row has no column in describe()");
  std::string sql = "CREATE TABLE x(";
  std::string_view comma;
  const auto append = [&](std::string_view name, std::string_view type, std::string_view rest) {
    // Quoted, because a name may be a keyword of SQL.
    sql.append(std::exchange(comma, ", ")).append("\"").append(name).append("\" ");
    sql.append(type).append(rest);
  };
  for (const Column<Row>& column : table<Row>.columns) {
    append(column.name, type_name(type_of(column)), is_nullable(column) ? "" : " NOT NULL");
  }
  for (const Argument& argument : table<Row>.arguments) {
    append(argument.name, argument.type == ArgumentType::integer ? "INTEGER" : "TEXT", " HIDDEN");
  }
  return sql + ")";
}

/// part / whole, or NULL where there is no whole.
inline std::optional<double> ratio(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}
/// 1 - part / whole, never below zero: counters that race may be briefly out of step.
inline std::optional<double> ratio_missing(std::uint64_t part, std::uint64_t whole) {
  const auto present = ratio(part, whole);
  if (!present) return std::nullopt;
  return *present > 1 ? 0.0 : 1 - *present;
}

}  // namespace sqlitemem::stats
