// CHECK: our own bugs stop the process, naming the rule and both values. Violation: a broken rule
// as data.
#pragma once

#include <cstdint>
#include <string_view>

namespace sqlitemem {

/// The first invariant that a structure's `find_violation()` found broken.
struct Violation {
  std::string_view rule;  ///< In words; a string literal.
  std::uint64_t expected = 0;
  std::uint64_t actual = 0;
  std::uintptr_t address = 0;  ///< The block or slab concerned; 0 if none.
};

/// Prints "file:line: broken rule: … (left vs right)" to standard error and aborts. Uses no heap.
[[noreturn]] void fail_check(std::string_view rule, std::uint64_t left, std::uint64_t right,
                             const char* file, int line_number) noexcept;

}  // namespace sqlitemem

/// Always on, O(1). For our own mistakes only, never for a caller's.
#define SQLITEMEM_CHECK(condition, left, right)                                       \
  do {                                                                                \
    if (!(condition)) [[unlikely]]                                                    \
      ::sqlitemem::fail_check(#condition, static_cast<std::uint64_t>(left),           \
                              static_cast<std::uint64_t>(right), __FILE__, __LINE__); \
  } while (false)

#ifdef SQLITEMEM_DEEP_CHECKS
/// On in the dev, asan and tsan builds: walks the whole structure after a mutating slow path.
#define SQLITEMEM_CHECK_DEEP(structure)                                                            \
  do {                                                                                             \
    if (const auto broken = (structure).find_violation())                                          \
      ::sqlitemem::fail_check(broken->rule, broken->expected, broken->actual, __FILE__, __LINE__); \
  } while (false)
#else
#define SQLITEMEM_CHECK_DEEP(structure) static_cast<void>(0)
#endif
