// SQLITEMEM_<NAME> from the environment, read once per process, before anything is decided.
#pragma once

#include <string>
#include <string_view>

namespace sqlitemem::ext {

/// Idempotent, any thread. Allocates nothing when no such variable is set.
void read_environment_once() noexcept;

/// What was wrong with variables that are set, one line each; "" if nothing was. After
/// read_environment_once().
std::string environment_problems();

/// What was wrong with this one variable; "" if nothing was.
std::string environment_problem(std::string_view variable);

}  // namespace sqlitemem::ext
