// SQLite's allocator interface over the process's heap; what is not ours goes back to the previous allocator.
#pragma once

#include <sqlite3.h>

#include <cstdint>

namespace sqlitemem::ext {

/// For sqlite3_config(SQLITE_CONFIG_MALLOC). Constant.
const sqlite3_mem_methods& heap_methods() noexcept;

/// The allocator that SQLite had before, from SQLITE_CONFIG_GETMALLOC. Set before SQLite calls ours for the first
/// time, and never again. Blocks outside our region are its: older ones, and those it lent us when ours was full.
void set_previous_methods(const sqlite3_mem_methods& methods) noexcept;
const sqlite3_mem_methods& previous_methods() noexcept;

/// Where reports of corruption are sent: that SQLite's sqlite3_log. May be null.
void set_corruption_log(void (*log)(int, const char*, ...)) noexcept;

/// Reads the environment and starts the heap with our handlers. Idempotent; any thread. false: no address space.
[[nodiscard]] bool start_heap() noexcept;

/// SQLite called xInit, and xShutdown not since: its requests come to us.
bool heap_hook_in_force() noexcept;
/// SQLite called xInit at least once, so blocks of ours may be about.
bool heap_hook_was_in_force() noexcept;

/// Called by xInit, with SQLite's main mutex held: must not call SQLite. One observer, or null.
void set_init_observer(void (*observer)() noexcept) noexcept;

/// Blocks of the previous allocator that were lent when our region was full, and not freed. Slow path only.
struct LentBlocks {
  std::int64_t bytes = 0, objects = 0;
};
LentBlocks lent_blocks() noexcept;

}  // namespace sqlitemem::ext
