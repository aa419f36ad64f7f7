// Reads SQL as far as the plan cache needs it: tokens, the kind of a statement, its fingerprint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sqlitemem::ext::plans {

/// What preparing or running a statement can do to others that were prepared before.
enum class StatementKind : std::uint8_t {
  plain,      ///< SELECT, INSERT, UPDATE, DELETE, REPLACE, WITH, VALUES: may be kept.
  neutral,    ///< Nothing to compile, or of transactions: neither kept nor dangerous.
  exclusive,  ///< BEGIN IMMEDIATE, BEGIN EXCLUSIVE: the schema may be newer afterwards.
  hazard,     ///< All else: PRAGMA acts when it is prepared, DDL and ATTACH change what names mean.
};
StatementKind kind_of(std::string_view sql) noexcept;

/// True if a statement of this text, which is a hazard, may let the connection share a page cache:
/// ATTACH of a name with cache=shared in it, or of one that is not written out.
bool may_attach_shared(std::string_view sql) noexcept;
bool is_attach(std::string_view sql) noexcept;
/// The text has `word` in it, in any case.
bool mentions(std::string_view sql, std::string_view word) noexcept;

/// Where the word CALL is, if the first statement is `CALL name(`; SQLite has no such statement.
std::optional<std::size_t> find_call(std::string_view sql) noexcept;

/// The statement with every literal and parameter as ?, lists of them as (...), words in lower
/// case, one blank between tokens and no comments: statements that differ only in values have the
/// same one. Of a text with several statements, the first. At most `most_bytes`.
std::string fingerprint_of(std::string_view sql, std::size_t most_bytes = 1000);

/// True if the statement names a table that full-text or R-tree modules keep their data in, in the
/// way that these modules write it: 'main'.'notes_content'. Public API does not say who prepared a
/// statement.
bool is_of_a_virtual_table(std::string_view sql) noexcept;

enum class TokenKind : std::uint8_t { end, word, name, text, number, parameter, symbol };
struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;
};

/// Splits SQL as SQLite does; what SQLite would refuse comes out as some token.
class Tokens {
 public:
  explicit Tokens(std::string_view sql) : sql_(sql) {}
  Token next() noexcept;
  /// Just behind the last token.
  [[nodiscard]] std::size_t position() const noexcept { return at_; }

 private:
  Token take(TokenKind kind, std::size_t length) noexcept;
  std::size_t quoted_length(char closing) const noexcept;

  std::string_view sql_;
  std::size_t at_ = 0;
};

/// Behind blanks, comments and, if `are_semicolons_blank`, semicolons.
std::size_t skip_blanks(std::string_view sql, std::size_t at, bool are_semicolons_blank) noexcept;

}  // namespace sqlitemem::ext::plans
