// The failure path of CHECK: formats on the stack, because the heap may be what is broken.
#include "allocators/base/check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace sqlitemem {

void fail_check(std::string_view rule, std::uint64_t left, std::uint64_t right, const char* file,
                int line_number) noexcept {
  std::array<char, 512> line{};
  const auto result =
      fmt::format_to_n(line.data(), line.size(), "sqlitemem: {}:{}: broken rule: {} ({} vs {})\n",
                       file, line_number, rule, left, right);
  const auto bytes = static_cast<std::size_t>(result.out - line.data());
  static_cast<void>(!::write(STDERR_FILENO, line.data(), bytes));
  std::abort();
}

}  // namespace sqlitemem
