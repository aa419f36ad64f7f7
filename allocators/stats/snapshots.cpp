// Takes, keeps and compares snapshots.
#include "allocators/stats/snapshots.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "allocators/base/bytes.h"
#include "allocators/slab/size_classes.h"
#include "allocators/stats/heap_figures.h"
#include "allocators/stats/process_memory.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

void add_heap_parts(Snapshot& snapshot, const HeapFigures& figures) {
  snapshot.heap_was_measured = true;
  snapshot.live_bytes = figures.totals.live_bytes;
  snapshot.live_objects = figures.totals.live_objects;
  const auto add = [&](std::string component, std::uint64_t bytes,
                       std::optional<std::uint64_t> objects) {
    snapshot.parts.push_back({std::move(component), true, bytes, objects});
  };
  std::uint64_t cached_run_bytes = 0, cached_runs = 0;
  for (const SizeClassTotals& size_class : figures.classes) {
    const std::uint64_t bytes = size_class.live_objects * size_class.object_bytes;
    if (size_class.is_run) {
      cached_run_bytes += bytes;
      cached_runs += size_class.live_objects + size_class.cached_objects;
    }
    if (size_class.live_objects == 0) continue;
    add(fmt::format("class {}", size_class.object_bytes), bytes, size_class.live_objects);
  }
  if (const auto bytes = at_least_zero(figures.run_live_bytes, cached_run_bytes); bytes > 0) {
    add(fmt::format("page runs above {}", max_cached_bytes), bytes,
        at_least_zero(figures.runs.live_runs, cached_runs));
  }
  add("large objects", figures.large.live_bytes, figures.large.live_objects);
  add("bookkeeping", figures.totals.metadata_bytes, std::nullopt);
}

void add_connection_parts(Snapshot& snapshot, const std::vector<ConnectionMemoryRow>& connections) {
  std::uint64_t caches = 0, schemas = 0, statement_bytes = 0, statements = 0;
  for (const ConnectionMemoryRow& connection : connections) {
    caches += connection.cache_share_bytes.value_or(0);
    schemas += connection.schema_used_bytes.value_or(0);
    statement_bytes += connection.stmt_used_bytes.value_or(0);
    statements += connection.open_statements.value_or(0);
  }
  const std::uint64_t count = connections.size();
  snapshot.parts.push_back({"connections: page caches", false, caches, count});
  snapshot.parts.push_back({"connections: schemas", false, schemas, count});
  snapshot.parts.push_back({"connections: statements", false, statement_bytes, statements});
}

const SnapshotPart* find_part(const Snapshot& snapshot, std::string_view component) {
  const auto found = std::ranges::find(snapshot.parts, component, &SnapshotPart::component);
  return found == snapshot.parts.end() ? nullptr : &*found;
}

std::optional<std::int64_t> growth(std::optional<std::uint64_t> before,
                                   std::optional<std::uint64_t> after) {
  if (!before || !after) return std::nullopt;
  return static_cast<std::int64_t>(*after) - static_cast<std::int64_t>(*before);
}

MemoryDiffRow compare_part(std::string_view component, const Snapshot& before,
                           const Snapshot& after) {
  const SnapshotPart* old_part = find_part(before, component);
  const SnapshotPart* new_part = find_part(after, component);
  const SnapshotPart& any = new_part != nullptr ? *new_part : *old_part;
  const auto bytes_in = [&](const Snapshot& snapshot, const SnapshotPart* part) {
    if (part != nullptr) return std::optional<std::uint64_t>{part->bytes};
    const bool held_nothing = any.is_heap_part && snapshot.heap_was_measured;
    return held_nothing ? std::optional<std::uint64_t>{0} : std::nullopt;
  };
  const auto objects_in = [&](const Snapshot& snapshot, const SnapshotPart* part) {
    if (part != nullptr || !any.objects) return part != nullptr ? part->objects : std::nullopt;
    return bytes_in(snapshot, part);
  };
  MemoryDiffRow row;
  row.component = component;
  row.before_bytes = bytes_in(before, old_part);
  row.after_bytes = bytes_in(after, new_part);
  row.growth_bytes = growth(row.before_bytes, row.after_bytes);
  row.growth_objects = growth(objects_in(before, old_part), objects_in(after, new_part));
  return row;
}

}  // namespace

Snapshot take_snapshot(Sources& sources, std::optional<std::string> label) {
  sources.forget();
  Snapshot snapshot = snapshot_of(sources);
  snapshot.label = std::move(label);
  return snapshot;
}

Snapshot snapshot_of(Sources& sources) {
  Snapshot snapshot;
  snapshot.taken_at_unix_seconds = std::time(nullptr);
  snapshot.taken_at = iso8601(snapshot.taken_at_unix_seconds);
  Reading& reading = sources.reading();
  if (const HeapReading* heap = reading.heap()) add_heap_parts(snapshot, heap->figures);
  add_connection_parts(snapshot, reading.connections());
  const LibraryFigures& library = reading.sqlite_figures();
  if (library.memory_used) {
    snapshot.parts.push_back({"SQLite: memory used", false, *library.memory_used, library.blocks});
  }
  snapshot.resident_bytes = reading.resident().process.resident_bytes;
  if (snapshot.resident_bytes) {
    snapshot.parts.push_back(
        {"process: resident set", false, *snapshot.resident_bytes, std::nullopt});
  }
  return snapshot;
}

std::uint64_t SnapshotStore::add(Snapshot snapshot) {
  const LockGuard guard(lock_);
  snapshot.snapshot_id = last_id_ + 1;
  snapshots_.push_back(std::move(snapshot));
  if (snapshots_.size() > max_snapshots) snapshots_.pop_front();
  return ++last_id_;
}

std::vector<Snapshot> SnapshotStore::all() const {
  const LockGuard guard(lock_);
  return {snapshots_.begin(), snapshots_.end()};
}

Snapshot SnapshotStore::find(std::int64_t snapshot_id) const {
  const std::vector<Snapshot> known = all();
  for (const Snapshot& snapshot : known) {
    if (static_cast<std::int64_t>(snapshot.snapshot_id) == snapshot_id) return snapshot;
  }
  if (known.empty()) {
    throw Refusal(
        fmt::format("there is no snapshot {}: none was taken yet, SELECT "
                    "memory_snapshot('label') takes one",
                    snapshot_id));
  }
  throw Refusal(
      fmt::format("there is no snapshot {}: the ids kept are {} to {}, see "
                  "memory_snapshots",
                  snapshot_id, known.front().snapshot_id, known.back().snapshot_id));
}

SnapshotStore& snapshot_store() {
  static SnapshotStore& store = *new SnapshotStore;
  return store;
}

std::vector<MemoryDiffRow> compare_snapshots(const Snapshot& before, const Snapshot& after) {
  std::vector<std::string_view> components;
  for (const Snapshot* snapshot : {&after, &before}) {
    for (const SnapshotPart& part : snapshot->parts) {
      if (std::ranges::find(components, part.component) == components.end()) {
        components.push_back(part.component);
      }
    }
  }
  std::vector<MemoryDiffRow> rows;
  for (const std::string_view component : components) {
    MemoryDiffRow row = compare_part(component, before, after);
    if (row.before_bytes == 0u && row.after_bytes == 0u) continue;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<MemorySnapshotsRow> MemorySnapshotsRow::snapshot(Sources&, Arguments) {
  std::vector<MemorySnapshotsRow> rows;
  for (Snapshot& from : snapshot_store().all()) {
    MemorySnapshotsRow row;
    row.snapshot_id = from.snapshot_id;
    row.label = std::move(from.label);
    row.taken_at = std::move(from.taken_at);
    row.live_bytes = from.live_bytes;
    row.live_objects = from.live_objects;
    row.resident_bytes = from.resident_bytes;
    row.components = from.parts.size();
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<MemoryDiffRow> MemoryDiffRow::snapshot(Sources&, Arguments arguments) {
  const Snapshot before = snapshot_store().find(std::get<std::int64_t>(arguments[0]));
  const Snapshot after = snapshot_store().find(std::get<std::int64_t>(arguments[1]));
  return compare_snapshots(before, after);
}

}  // namespace sqlitemem::stats
