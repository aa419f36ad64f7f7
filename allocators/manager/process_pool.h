// The process's one buffer pool: its address space, its budget, fork.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "allocators/manager/memory_manager.h"
#include "allocators/pool/buffer_pool.h"
#include "allocators/pressure/memory_limits.h"

namespace sqlitemem {

/// Defined in process_pool.cpp; use process_pool().
[[gnu::visibility("hidden")]] extern constinit BufferPool the_process_pool;

/// Never destroyed: page caches may close in the last instruction of the process. Inline, because
/// every hit asks whether a page cache is the pool's.
inline BufferPool& process_pool() noexcept { return the_process_pool; }

using GrowthHandler = GrowthRule (*)() noexcept;

/// The ceiling of the budget (not memory_limit) has refused `bytes`, also after evictions. true: it
/// was raised, try again; false: the refusal stands. Called with no lock of allocators/ held but a
/// page cache's own.
using CeilingHandler = bool (*)(std::uint64_t bytes) noexcept;
void set_ceiling_handler(CeilingHandler handler) noexcept;

/// Starts process_pool() on the process's heap, which runs already. Idempotent; any thread.
/// `growth` and `refused` (see BufferPool::Settings) may be null. false: the address space is not
/// to be had, or option buffer_pool is off.
[[nodiscard]] bool start_process_pool(GrowthHandler growth,
                                      RefusalHandler refused = nullptr) noexcept;

/// The budget where option buffer_pool_size is 0: a quarter of memory_limit (0: none), else a
/// sixteenth of the memory there is (of the machine, or of the control group when it may have
/// less), 8 to 256 MiB. Bytes.
[[nodiscard]] std::uint64_t automatic_pool_budget(
    std::uint64_t memory_limit, std::uint64_t machine_bytes,
    std::optional<std::uint64_t> group_limit) noexcept;

/// Address space of heap and buffer pool, and how much of it holds something: limits like others.
/// None where the kernel limits the process, since both can then have more outside of it.
[[nodiscard]] std::array<OwnSpace, 2> process_spaces() noexcept;

/// Sets the pool's budget from the options.
void apply_pool_config() noexcept;

}  // namespace sqlitemem
