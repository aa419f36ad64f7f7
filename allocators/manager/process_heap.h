// The process's one heap, with the calling thread's cache supplied from thread-local storage.
#pragma once

#include <cstddef>

#include "allocators/manager/memory_manager.h"

namespace sqlitemem {

/// Never destroyed: blocks may be freed until the last instruction of the process.
MemoryManager& process_heap() noexcept;

/// Starts process_heap() if it is not running, registers thread-exit and fork handlers. Idempotent,
/// any thread.
[[nodiscard]] MemoryManager::StartResult start_process_heap() noexcept;

/// The hot path: `process_heap().allocate()` with this thread's cache. 0 bytes gives nullptr.
/// 8-byte aligned at least, 16 in practice; page-aligned when `bytes` is a multiple of page_bytes.
[[nodiscard]] void* heap_allocate(std::size_t bytes) noexcept;
/// nullptr is ignored. A pointer that this heap does not own is reported as corruption.
void heap_release(void* block) noexcept;
/// nullptr block: allocates; 0 bytes: releases and returns nullptr. nullptr result: no memory,
/// `block` unchanged.
[[nodiscard]] void* heap_resize(void* block, std::size_t bytes) noexcept;
/// What heap_allocate(bytes) will give; remembers the request for heap_allocate_rounded().
[[nodiscard]] std::size_t heap_round_up(std::size_t bytes) noexcept;
/// For callers that round up themselves (SQLite with memory statistics on): if `bytes` is what this
/// thread's last heap_round_up() gave, allocates for the size asked there, so that request
/// statistics see the true sizes.
[[nodiscard]] void* heap_allocate_rounded(std::size_t bytes) noexcept;
[[nodiscard]] std::size_t heap_usable_bytes(const void* block) noexcept;
[[nodiscard]] inline bool heap_owns(const void* block) noexcept {
  return process_heap().owns(block);
}
CollectResult heap_collect() noexcept;
/// MemoryManager::find_violation(), including this thread's magazines.
[[nodiscard]] std::optional<Violation> heap_find_violation() noexcept;

}  // namespace sqlitemem
