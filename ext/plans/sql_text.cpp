// A tokenizer of SQL, and what the plan cache asks of it.
#include "ext/plans/sql_text.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sqlitemem::ext::plans {
namespace {

constexpr char lower(char letter) noexcept {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}
constexpr bool is_blank(char letter) noexcept {
  return letter == ' ' || (letter >= '\t' && letter <= '\r' && letter != '\v');
}
constexpr bool is_digit(char letter) noexcept { return letter >= '0' && letter <= '9'; }
constexpr bool is_word_start(char letter) noexcept {
  const char small = lower(letter);
  return (small >= 'a' && small <= 'z') || letter == '_' || (letter & 0x80) != 0;
}
constexpr bool is_word(char letter) noexcept {
  return is_word_start(letter) || is_digit(letter) || letter == '$';
}

bool same(std::string_view word, std::string_view small) noexcept {
  return word.size() == small.size() &&
         std::equal(word.begin(), word.end(), small.begin(),
                    [](char left, char right) { return lower(left) == right; });
}

/// The word at `at`; empty if there is none.
std::string_view word_at(std::string_view sql, std::size_t at) noexcept {
  std::size_t end = at;
  while (end < sql.size() && is_word(sql[end])) ++end;
  return sql.substr(std::min(at, sql.size()), end - at);
}

bool is_plain(std::string_view word) noexcept {
  switch (word.size()) {
    case 4:
      return same(word, "with");
    case 6:
      return same(word, "select") || same(word, "insert") || same(word, "update") ||
             same(word, "delete") || same(word, "values");
    case 7:
      return same(word, "replace");
    default:
      return false;
  }
}

bool is_neutral(std::string_view word) noexcept {
  return same(word, "commit") || same(word, "end") || same(word, "rollback") ||
         same(word, "savepoint") || same(word, "release");
}

/// EXPLAIN of a PRAGMA acts as the PRAGMA does: it acts while it is compiled.
StatementKind kind_of_explain(Tokens tokens) noexcept {
  Token token = tokens.next();
  if (same(token.text, "query")) {
    tokens.next();  // PLAN
    token = tokens.next();
  }
  return is_plain(token.text) ? StatementKind::neutral : StatementKind::hazard;
}

}  // namespace

std::size_t skip_blanks(std::string_view sql, std::size_t at, bool are_semicolons_blank) noexcept {
  while (at < sql.size()) {
    if (is_blank(sql[at]) || (are_semicolons_blank && sql[at] == ';')) {
      ++at;
    } else if (sql[at] == '-' && at + 1 < sql.size() && sql[at + 1] == '-') {
      while (at < sql.size() && sql[at] != '\n') ++at;
    } else if (sql[at] == '/' && at + 1 < sql.size() && sql[at + 1] == '*') {
      const std::size_t end = sql.find("*/", at + 2);
      at = end == std::string_view::npos ? sql.size() : end + 2;
    } else {
      break;
    }
  }
  return at;
}

StatementKind kind_of(std::string_view sql) noexcept {
  const std::size_t begin = skip_blanks(sql, 0, true);
  if (begin >= sql.size()) return StatementKind::neutral;
  const std::string_view word = word_at(sql, begin);
  if (is_plain(word)) return StatementKind::plain;
  if (is_neutral(word)) return StatementKind::neutral;
  const Tokens behind(sql.substr(begin + word.size()));
  if (same(word, "begin")) {
    const std::string_view mode = Tokens(behind).next().text;
    return same(mode, "immediate") || same(mode, "exclusive") ? StatementKind::exclusive
                                                              : StatementKind::neutral;
  }
  return same(word, "explain") ? kind_of_explain(behind) : StatementKind::hazard;
}

bool mentions(std::string_view sql, std::string_view word) noexcept {
  return std::search(sql.begin(), sql.end(), word.begin(), word.end(), [](char left, char right) {
           return lower(left) == lower(right);
         }) != sql.end();
}

bool is_attach(std::string_view sql) noexcept {
  return same(word_at(sql, skip_blanks(sql, 0, true)), "attach");
}

bool may_attach_shared(std::string_view sql) noexcept {
  if (!is_attach(sql)) return false;
  Tokens tokens(sql.substr(skip_blanks(sql, 0, true)));
  tokens.next();
  Token file = tokens.next();
  if (same(file.text, "database")) file = tokens.next();
  const bool is_written_out = file.kind == TokenKind::text || file.kind == TokenKind::name;
  return !is_written_out || mentions(file.text, "cache=shared") ||
         file.text.find('%') != std::string_view::npos || !same(tokens.next().text, "as");
}

std::optional<std::size_t> find_call(std::string_view sql) noexcept {
  const std::size_t begin = skip_blanks(sql, 0, true);
  if (begin >= sql.size() || lower(sql[begin]) != 'c') return std::nullopt;
  if (!same(word_at(sql, begin), "call")) return std::nullopt;
  Tokens tokens(sql.substr(begin + 4));
  const Token name = tokens.next();
  if (name.kind != TokenKind::word && name.kind != TokenKind::name) return std::nullopt;
  if (tokens.next().text != "(") return std::nullopt;
  return begin;
}

std::size_t Tokens::quoted_length(char closing) const noexcept {
  std::size_t end = at_ + 1;
  while (end < sql_.size()) {
    if (sql_[end] == closing) {
      const bool is_doubled = closing != ']' && end + 1 < sql_.size() && sql_[end + 1] == closing;
      if (!is_doubled) return end + 1 - at_;
      ++end;
    }
    ++end;
  }
  return sql_.size() - at_;
}

Token Tokens::take(TokenKind kind, std::size_t length) noexcept {
  const Token token{kind, sql_.substr(at_, length)};
  at_ += length;
  return token;
}

Token Tokens::next() noexcept {
  at_ = skip_blanks(sql_, at_, false);
  if (at_ >= sql_.size()) return {};
  const char first = sql_[at_];
  const char second = at_ + 1 < sql_.size() ? sql_[at_ + 1] : '\0';
  if (first == '\'') return take(TokenKind::text, quoted_length('\''));
  if (lower(first) == 'x' && second == '\'') {
    ++at_;
    const std::size_t length = quoted_length('\'');
    --at_;
    return take(TokenKind::text, length + 1);
  }
  if (first == '"' || first == '`') return take(TokenKind::name, quoted_length(first));
  if (first == '[') return take(TokenKind::name, quoted_length(']'));
  if (is_word_start(first)) return take(TokenKind::word, word_at(sql_, at_).size());
  if (is_digit(first) || (first == '.' && is_digit(second))) {
    std::size_t end = at_ + 1;
    while (end < sql_.size() &&
           (is_word(sql_[end]) || sql_[end] == '.' ||
            ((sql_[end] == '+' || sql_[end] == '-') && lower(sql_[end - 1]) == 'e')))
      ++end;
    return take(TokenKind::number, end - at_);
  }
  if (first == '?' || first == ':' || first == '@' || first == '$' || first == '#')
    return take(TokenKind::parameter, 1 + word_at(sql_, at_ + 1).size());
  constexpr auto pairs =
      std::to_array<std::string_view>({"||", "<=", ">=", "<>", "!=", "==", "<<", ">>", "->"});
  const bool is_pair = std::find(pairs.begin(), pairs.end(), sql_.substr(at_, 2)) != pairs.end();
  return take(TokenKind::symbol, is_pair ? 2 : 1);
}

bool is_of_a_virtual_table(std::string_view sql) noexcept {
  constexpr auto endings =
      std::to_array<std::string_view>({"_content", "_segments", "_segdir", "_docsize", "_stat",
                                       "_data", "_idx", "_config", "_node", "_rowid", "_parent"});
  const auto is_quoted = [](const Token& token) {
    return token.kind == TokenKind::text || token.kind == TokenKind::name;
  };
  Tokens tokens(sql);
  Token before_last, last;
  for (Token token = tokens.next(); token.kind != TokenKind::end; token = tokens.next()) {
    if (is_quoted(token) && last.text == "." && is_quoted(before_last)) {
      const std::string_view name = token.text.substr(0, token.text.size() - 1);
      for (const std::string_view ending : endings)
        if (name.ends_with(ending)) return true;
    }
    before_last = std::exchange(last, token);
  }
  return false;
}

}  // namespace sqlitemem::ext::plans
