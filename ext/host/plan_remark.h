// What memory_mode() says of the transparent plan cache.
#pragma once

#include <string>

namespace sqlitemem::ext {

inline constexpr const char* heap_limit_reason =
    "The plan cache (option plan_cache) is off, because a heap limit of SQLite is in force.";

/// A sentence that stays where it is; any thread.
void set_plan_remark(const char* sentence) noexcept;
/// Empty if there is nothing to say: the option is off.
std::string plan_remark();

}  // namespace sqlitemem::ext
