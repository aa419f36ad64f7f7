// Opened, read to the end and closed each time: nothing is cached that a fork or a program could
// take away.
#include "allocators/pressure/system_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "allocators/base/bytes.h"

namespace sqlitemem {
namespace {

constexpr std::string_view blanks = " \t\r\n";

/// Closes on every way out, also when there is no memory for the text.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) noexcept
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

/// The number's digits are taken away from `text`.
std::optional<std::uint64_t> take_number(std::string_view& text) noexcept {
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(" \t")));
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return value;
}

}  // namespace

std::optional<std::string> read_system_file(const std::string& path, int& error) {
  const OpenFile file(path);
  std::string text;
  std::array<char, 4096> part;
  ssize_t bytes = file.descriptor() < 0 ? -1 : 1;
  while (bytes > 0) {
    do {
      bytes = ::read(file.descriptor(), part.data(), part.size());
    } while (bytes < 0 && errno == EINTR);
    if (bytes > 0) text.append(part.data(), static_cast<std::size_t>(bytes));
  }
  error = bytes < 0 ? errno : 0;
  if (bytes < 0) return std::nullopt;
  return text;
}

std::optional<std::string> read_system_file(const std::string& path) {
  int error = 0;
  return read_system_file(path, error);
}

std::optional<std::uint64_t> leading_number(std::string_view text) noexcept {
  return take_number(text);
}

std::optional<std::uint64_t> only_number(std::string_view text) noexcept {
  const auto value = take_number(text);
  return text.find_first_not_of(blanks) == std::string_view::npos ? value : std::nullopt;
}

std::string_view take_line(std::string_view& text) noexcept {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

std::optional<std::uint64_t> kilobytes_of(std::string_view text, std::string_view key) noexcept {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (!line.starts_with(key) || !line.substr(key.size()).starts_with(':')) continue;
    const auto kilobytes = leading_number(line.substr(key.size() + 1));
    if (!kilobytes || *kilobytes > UINT64_MAX / kib) return std::nullopt;
    return *kilobytes * kib;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> value_of(std::string_view text, std::string_view key) noexcept {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.starts_with(key) && line.substr(key.size()).starts_with(' ')) {
      return only_number(line.substr(key.size()));
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> read_resident_bytes(const std::string& root) {
  const auto statm = read_system_file(root + "/proc/self/statm");
  if (!statm) return std::nullopt;
  // "size resident shared …", in pages.
  const std::size_t blank = std::min(statm->find(' '), statm->size());
  const auto pages = leading_number(std::string_view(*statm).substr(blank));
  if (!pages) return std::nullopt;
  return *pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void add_sentence(std::string& sentences, std::string_view sentence) {
  if (!sentences.empty()) sentences += ' ';
  sentences += sentence;
}

}  // namespace sqlitemem
