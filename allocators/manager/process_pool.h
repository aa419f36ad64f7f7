// The process's one buffer pool: its address space, its budget, fork.
#pragma once

#include <cstdint>

#include "allocators/pool/buffer_pool.h"

namespace sqlitemem {

/// Never destroyed: page caches may close in the last instruction of the process.
BufferPool& process_pool() noexcept;

using GrowthHandler = GrowthRule (*)() noexcept;

/// Starts process_pool() on the process's heap, which runs already. Idempotent; any thread.
/// `growth` may be null. false: the address space is not to be had, or option buffer_pool is off.
[[nodiscard]] bool start_process_pool(GrowthHandler growth) noexcept;

/// Option buffer_pool_size, or what is right for this machine when it is 0: a quarter of
/// memory_limit, else a sixteenth of the memory there is, 8 to 256 MiB. Sets the pool's budget.
void apply_pool_config() noexcept;

}  // namespace sqlitemem
