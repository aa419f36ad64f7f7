// The process's list of transaction arenas, kept across fork.
#pragma once

#include "allocators/arena/arena_directory.h"

namespace sqlitemem {

/// Never destroyed: a connection may close in the last instruction of the process.
ArenaDirectory& process_arenas() noexcept;

/// Registers the fork handlers. Idempotent, any thread; before the first arena. false: no memory.
[[nodiscard]] bool start_process_arenas() noexcept;

/// Whether idle arenas are trimmed when a request for memory would fail. Only where giving a chunk
/// back waits for no lock that the request may hold: not while SQLite counts its memory itself.
void set_arenas_give_way(bool may) noexcept;
/// Gives back what idle connections keep, if it may. Bytes. For whoever is short of memory.
std::uint64_t make_arenas_give_way() noexcept;

/// Where a chunk of a process's arena lies: in which part of process_heap(), or outside of it.
ChunkArea area_of_chunk(const void* chunk) noexcept;

/// The rules that the options give now.
struct ArenaRules;
ArenaRules configured_arena_rules() noexcept;

}  // namespace sqlitemem
