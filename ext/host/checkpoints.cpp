// Finds a connection at rest for each WAL file, and checkpoints through it.
#include "ext/host/checkpoints.h"

#include <set>
#include <string>

#include "ext/host/connections.h"
#include "ext/host/schemas.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

bool has_failed(sqlite3* db) {
  const int code = sqlite3_errcode(db);
  return code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE;
}

/// Each file once: `done` has those that went through.
struct Checkpoints {
  void checkpoint(sqlite3* db, const char* schema) {
    const char* file = sqlite3_db_filename(db, schema);
    if (file == nullptr || *file == '\0' || done.contains(file)) return;
    int frames = -1, checkpointed = -1;
    const int rc =
        sqlite3_wal_checkpoint_v2(db, schema, SQLITE_CHECKPOINT_PASSIVE, &frames, &checkpointed);
    if (rc != SQLITE_OK || frames < 0) return;  // Not in WAL mode, read only, or locked.
    done.insert(file);
    ++summary.files;
    summary.frames += static_cast<std::uint64_t>(frames);
    summary.checkpointed_frames += static_cast<std::uint64_t>(checkpointed);
  }

  void visit(sqlite3* db) {
    if (has_failed(db)) return;
    for_each_schema(db, [&](int index, const char* schema) {
      if (index != temp_schema) checkpoint(db, schema);
    });
  }

  CheckpointSummary summary;
  std::set<std::string> done;
};

}  // namespace

CheckpointSummary checkpoint_idle_connections(sqlite3* caller) {
  Checkpoints checkpoints;
  checkpoints.summary.busy =
      visit_connections_at_rest(caller, [&](sqlite3* db) { checkpoints.visit(db); });
  return checkpoints.summary;
}

}  // namespace sqlitemem::ext
