// Watches the memory of the process: samples it as time goes by, and has the response carried out.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <optional>

#include "allocators/pool/buffer_pool.h"
#include "allocators/pressure/pressure_reading.h"

namespace sqlitemem::ext {

/// Called when the heap starts, and in observing mode. Nothing is read before the first
/// sample_interval has passed, so that a short process pays nothing. Idempotent, any thread.
void start_pressure_watch() noexcept;

/// Takes a sample if one is due, and carries out what does not need SQLite: evictions and returning
/// free memory. Any thread, also inside of SQLite's allocations and page cache, with no lock of
/// allocators/ held but a page cache's own. Never waits for a lock.
void pressure_tick() noexcept;
/// The same, due or not. For the monitor's thread.
void sample_pressure_now() noexcept;

/// The latest reading, with a new sample if one is due; that one causes no response, because it is
/// asked for by who only looks. nullopt: no memory for it.
std::optional<PressureReading> read_pressure() noexcept;

/// Whether the pool may make pages, as far as pressure and emergency_reserve decide. A few loads.
GrowthRule growth_under_pressure() noexcept;

/// Response mode full, in an emergency: no new connections.
bool refuses_connections() noexcept;

/// Milliseconds until the next sample is due: sample_interval, and down to 100 as the limit nears.
std::uint64_t sampling_pause_ms() noexcept;

}  // namespace sqlitemem::ext
