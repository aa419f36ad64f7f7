// SQLite's soft and hard heap limits, kept by the buffer pool, whose pages SQLite does not count.
#pragma once

#include <cstdint>

#include "allocators/pool/buffer_pool.h"
#include "ext/host/host_sqlite.h"

namespace sqlitemem::ext {

/// Whose limits are meant.
void keep_limits_of(const HostSqlite& sqlite) noexcept;

/// For the pool: whether SQLite's limits and the pressure on memory let it grow; samples that, if
/// it is due. SQLite's limits are read again every few milliseconds. Takes SQLite's allocation
/// mutex, so it must not be called while a lock of ours is held that an allocation might wait for.
GrowthRule pool_growth() noexcept;

}  // namespace sqlitemem::ext
