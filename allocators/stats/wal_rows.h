// The table wal_stats: SQLite's version chain, the write-ahead logs of the open databases.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

/// SQLite's, before each page in the log.
inline constexpr std::uint64_t wal_frame_header_bytes = 24;

struct WalStatsRow {
  std::uint64_t connection_id = 0;
  std::string schema, database_file;
  std::uint64_t page_bytes = 0, wal_bytes = 0, frames = 0, checkpointed_frames = 0;
  std::optional<std::uint64_t> reader_frame, oldest_reader_frame, oldest_reader_connection_id;
  std::optional<Flag> is_oldest_elsewhere;
  std::optional<std::uint64_t> pinned_frames;

  static constexpr auto describe() {
    using R = WalStatsRow;
    // clang-format off
    return describe_table<R>("wal_stats", "wal",
        "One row per connection and schema in WAL mode: the versions of pages that are in the log, "
        "and who still reads old ones. Read from the WAL index that SQLite shares between "
        "processes, without a lock and without opening a file, so nobody is waited for or "
        "disturbed. No row: another journal mode, or the connections of this process have not "
        "touched the database yet.", {
        {"connection_id", &R::connection_id, Role::label, "", "As in connection_memory."},
        {"schema", &R::schema, Role::label, "",
         "main or an attached name. Attached ones only from SQLite 3.39 on, and not of a "
         "connection that another thread is using."},
        {"database_file", &R::database_file, Role::detail, "", "Without -wal."},
        {"page_bytes", &R::page_bytes, Role::detail, "", "Of a page; a frame has 24 more."},
        {"wal_bytes", &R::wal_bytes, Role::gauge, "bytes",
         "The -wal file. It keeps its size when the log starts again from its beginning."},
        {"frames", &R::frames, Role::gauge, "", "Versions of pages in the log now."},
        {"checkpointed_frames", &R::checkpointed_frames, Role::gauge, "",
         "Of these, copied into the database. When all are and nobody reads them, the next writer "
         "starts the log again."},
        {"reader_frame", &R::reader_frame, Role::detail, "",
         "The last frame that this connection's open transaction lets a checkpoint copy. NULL: "
         "none is open, or it cannot be told from others."},
        {"oldest_reader_frame", &R::oldest_reader_frame, Role::detail, "",
         "The least of these of all readers, of all processes; NULL: nobody is reading, or "
         "/proc/locks is not there to say."},
        {"oldest_reader_connection_id", &R::oldest_reader_connection_id, Role::detail, "",
         "Whose it is: the longest open transaction of this process with that frame, of those that "
         "are not in use just now. NULL: nobody's here, or not known."},
        {"is_oldest_elsewhere", &R::is_oldest_elsewhere, Role::detail, "",
         "1: another process holds that frame, too, or alone. NULL: nobody, or not known."},
        {"pinned_frames", &R::pinned_frames, Role::gauge, "",
         "frames - oldest_reader_frame: what no checkpoint can copy now; NULL: not known."},
    });
    // clang-format on
  }
  static std::vector<WalStatsRow> snapshot(Sources& sources, Arguments arguments);
};

}  // namespace sqlitemem::stats
