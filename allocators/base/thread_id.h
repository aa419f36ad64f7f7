// The operating system's number of the calling thread, and whether a thread still exists.
#pragma once

#include <cstdint>

namespace sqlitemem {

/// As gettid(); asked for once per thread. After fork() the child's thread has a new one.
std::uint64_t current_thread_id() noexcept;

/// Whether a thread of this process has that number. Numbers are used again, so a new thread may be
/// taken for an old one.
bool thread_exists(std::uint64_t thread_id) noexcept;

}  // namespace sqlitemem
