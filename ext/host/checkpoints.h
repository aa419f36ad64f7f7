// Passive checkpoints of the WAL files that this process has open.
#pragma once

#include <sqlite3ext.h>

#include <cstdint>

namespace sqlitemem::ext {

struct CheckpointSummary {
  std::uint64_t files = 0;  ///< WAL files of which a checkpoint went through, each counted once.
  std::uint64_t frames = 0, checkpointed_frames = 0;  ///< Of these files, afterwards.
  std::uint64_t busy = 0;  ///< Connections left alone: not at rest, or another thread inside.
};

/// SQLITE_CHECKPOINT_PASSIVE, which waits for nobody, on each file once, by a connection at rest
/// (see release_connection_memory()). A connection whose last call failed is not asked, so that
/// its message stays. Attached databases only from SQLite 3.39 on. `caller` may be nullptr.
CheckpointSummary checkpoint_idle_connections(sqlite3* caller);

}  // namespace sqlitemem::ext
