// One text for all statements that differ only in their values.
#include <vector>

#include "ext/plans/sql_text.h"

namespace sqlitemem::ext::plans {
namespace {

/// The fingerprint as it grows, token by token.
class Fingerprint {
 public:
  explicit Fingerprint(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  void add(const Token& token) {
    switch (token.kind) {
      case TokenKind::text:
      case TokenKind::number:
      case TokenKind::parameter:
        return append("?");
      case TokenKind::word:
        return append(in_lower_case(token.text));
      default:
        return append(token.text);
    }
  }
  [[nodiscard]] bool is_full() const { return text_.size() >= most_bytes_; }
  std::string finish() && {
    if (is_full()) {
      std::size_t end = most_bytes_;
      while (end > 0 && (text_[end - 1] & 0x80) != 0) --end;  // Not through a letter of UTF-8.
      text_.resize(end);
      text_ += "...";
    }
    return std::move(text_);
  }

 private:
  static std::string in_lower_case(std::string_view word) {
    std::string small(word);
    for (char& letter : small)
      if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return small;
  }

  [[nodiscard]] bool ends_with(std::string_view ending) const { return text_.ends_with(ending); }

  /// Blanks where a person would write them, so that the text is SQL that can be read.
  [[nodiscard]] bool needs_blank(std::string_view next) const {
    if (text_.empty() || ends_with("(") || ends_with(".")) return false;
    if (next == "," || next == ")" || next == "." || next == ";") return false;
    return next != "(";  // f(x) and IN(x) alike: which words are functions is not known here.
  }

  void append(std::string_view next) {
    // Values only, of any number: (?), (?, ?, ?); and rows of them.
    if (next == ")" && !open_.empty()) {
      const Opening opening = open_.back();
      open_.pop_back();
      if (opening.are_values && opening.values > 0) {
        text_.resize(opening.at);
        if (ends_with("(...),")) {
          text_.resize(text_.size() - 1);  // The row before stands for this one, too.
        } else {
          if (opening.has_blank) text_ += ' ';
          text_ += "(...)";
        }
        return;
      }
    }
    if (!open_.empty() && next != "," && next != ")") {
      ++open_.back().values;
      // -1 is a value like 1.
      if (next != "?" && next != "-" && next != "+" && next != "null")
        open_.back().are_values = false;
    }
    const bool has_blank = needs_blank(next);
    if (next == "(") open_.push_back({text_.size(), has_blank});
    if (has_blank) text_ += ' ';
    text_ += next;
  }

  struct Opening {
    std::size_t at;
    bool has_blank;
    bool are_values = true;
    int values = 0;
  };
  std::size_t most_bytes_;
  std::string text_;
  std::vector<Opening> open_;
};

}  // namespace

std::string fingerprint_of(std::string_view sql, std::size_t most_bytes) {
  Fingerprint fingerprint(most_bytes);
  Tokens tokens(sql.substr(skip_blanks(sql, 0, true)));
  for (Token token = tokens.next(); token.kind != TokenKind::end; token = tokens.next()) {
    if (token.text == ";" || fingerprint.is_full()) break;
    fingerprint.add(token);
  }
  return std::move(fingerprint).finish();
}

}  // namespace sqlitemem::ext::plans
