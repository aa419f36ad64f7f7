// SQLite's allocator interface over the process's heap; what is not ours goes back to the previous
// allocator.
#pragma once

#include <sqlite3.h>

#include <cstdint>

namespace sqlitemem::ext {

/// For sqlite3_config(SQLITE_CONFIG_MALLOC). Constant. With SQLite's own accounting on, SQLite
/// rounds a request up before it makes it; the right table lets request statistics see the true
/// sizes.
const sqlite3_mem_methods& heap_methods(bool is_memstatus_off) noexcept;
/// All of it is ours / some of it is: a program may have put functions of its own in front.
bool is_our_table(const sqlite3_mem_methods& methods) noexcept;
bool has_our_functions(const sqlite3_mem_methods& methods) noexcept;

/// The allocator that SQLite had before, from SQLITE_CONFIG_GETMALLOC. Set before SQLite calls ours
/// for the first time, and never again. Blocks outside our region are its: older ones, and those it
/// lent us when ours was full.
void set_previous_methods(const sqlite3_mem_methods& methods) noexcept;
const sqlite3_mem_methods& previous_methods() noexcept;

/// Where reports of corruption are sent: that SQLite's sqlite3_log. May be null.
void set_corruption_log(void (*log)(int, const char*, ...)) noexcept;

/// Reads the environment and starts the heap with our handlers. Idempotent; any thread. false: no
/// address space.
[[nodiscard]] bool start_heap() noexcept;

/// SQLite called xInit, and xShutdown not since: its requests come to us.
bool heap_hook_in_force() noexcept;
/// SQLite called xInit at least once, so blocks of ours may be about.
bool heap_hook_was_in_force() noexcept;

/// xInit found no address space for a heap: every request goes on to the previous allocator.
bool heap_hook_is_forwarding() noexcept;

/// Called by xInit when everything is known, with SQLite's main mutex held: must not call SQLite.
/// One observer, or null.
void set_init_observer(void (*observer)() noexcept) noexcept;

/// Blocks of the previous allocator that SQLite holds: older than a live take-over, or lent when
/// our region was full. Slow path only.
struct LentBlocks {
  std::int64_t bytes = 0, objects = 0;
};
LentBlocks lent_blocks() noexcept;
/// What SQLite holds when it is about to get our heap. Called once, before it does.
void set_older_blocks(LentBlocks older) noexcept;

}  // namespace sqlitemem::ext
