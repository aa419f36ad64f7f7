// Words for messages: what somebody typed, quoted, and the names that may have been meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sqlitemem {

/// ASCII only, whatever the locale.
constexpr char lower_case(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

/// In single quotes; control characters as \xNN, so that a message is one line without a NUL, and
/// cut where it gets long.
std::string quoted(std::string_view text);

/// "; the nearest: 'a', 'b'": of `names`, at most three that differ from `typed` in few letters, or
/// contain it. Empty if none is near: then a suggestion would only mislead.
std::string nearest_words(std::string_view typed, std::span<const std::string_view> names);

/// "512 B", "1.5 kB", "64.0 MB": for people to read, of 1024 like the options. Negative: "-1.5 kB".
std::string bytes_in_words(double bytes);
/// "12 s", "7 min", "3.5 h", "2.1 days".
std::string seconds_in_words(double seconds);

}  // namespace sqlitemem
