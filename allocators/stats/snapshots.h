// memory_snapshot(label), memory_snapshots and memory_diff: what grew between two moments.
#pragma once

#include <deque>
#include <string_view>

#include "allocators/base/lock.h"
#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

/// Bytes and objects of one component at one moment.
struct SnapshotPart {
  std::string component;
  bool is_heap_part = false;  ///< Absent because it held nothing, if the heap was measured at all.
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> objects;
};

struct Snapshot {
  std::uint64_t snapshot_id = 0;
  std::optional<std::string> label;
  std::string taken_at;
  std::int64_t taken_at_unix_seconds = 0;
  bool heap_was_measured = false;
  std::optional<std::uint64_t> live_bytes, live_objects, resident_bytes;
  std::vector<SnapshotPart> parts;
};

/// Reads everything that memory_diff can compare, anew. `snapshot_id` is left 0.
Snapshot take_snapshot(Sources& sources, std::optional<std::string> label);
/// The same from what was read already.
Snapshot snapshot_of(Sources& sources);

/// The last snapshots of the process, 64 at most: the oldest goes first. Thread-safe.
class SnapshotStore {
 public:
  static constexpr std::size_t max_snapshots = 64;

  /// Returns the id: 1, 2, …, never used twice.
  std::uint64_t add(Snapshot snapshot);
  [[nodiscard]] std::vector<Snapshot> all() const;
  /// Refusal if there is none of that id, saying which there are. `table` names the asker.
  [[nodiscard]] Snapshot find(std::int64_t snapshot_id) const;

 private:
  mutable Lock lock_;
  std::uint64_t last_id_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::deque<Snapshot> snapshots_ SQLITEMEM_GUARDED_BY(lock_);
};
/// Never destroyed: a connection may be asked until the process ends.
SnapshotStore& snapshot_store();

struct MemorySnapshotsRow {
  std::uint64_t snapshot_id = 0;
  std::optional<std::string> label;
  std::string taken_at;
  std::optional<std::uint64_t> live_bytes, live_objects, resident_bytes;
  std::uint64_t components = 0;

  static constexpr auto describe() {
    using R = MemorySnapshotsRow;
    // clang-format off
    return describe_table<R>("memory_snapshots", "",
        "The snapshots taken by memory_snapshot(label) in this process; the last 64 are kept.", {
        {"snapshot_id", &R::snapshot_id, Role::label, "", "1, 2, …; never used twice."},
        {"label", &R::label, Role::detail, "", "As given; NULL if none was."},
        {"taken_at", &R::taken_at, Role::detail, "", "ISO 8601, UTC."},
        {"live_bytes", &R::live_bytes, Role::gauge, "bytes",
         "Live in the heap; NULL in observing mode."},
        {"live_objects", &R::live_objects, Role::gauge, "",
         "Live in the heap; NULL in observing mode."},
        {"resident_bytes", &R::resident_bytes, Role::gauge, "bytes", "Of the process."},
        {"components", &R::components, Role::detail, "",
         "How many figures memory_diff can compare."},
    });
    // clang-format on
  }
  static std::vector<MemorySnapshotsRow> snapshot(Sources& sources, Arguments arguments);
};

struct MemoryDiffRow {
  std::string component;
  std::optional<std::uint64_t> before_bytes, after_bytes;
  std::optional<std::int64_t> growth_bytes, growth_objects;

  static constexpr auto describe() {
    using R = MemoryDiffRow;
    // clang-format off
    return describe_table<R>("memory_diff", "",
        "What changed from snapshot a to snapshot b, component by component; those that held "
        "nothing in both are left out.", {
        {"component", &R::component, Role::label, "",
         "A size class, larger runs, large objects, bookkeeping, a part of the connections, or "
         "the process."},
        {"before_bytes", &R::before_bytes, Role::gauge, "bytes",
         "In snapshot a; NULL if it was not measurable then."},
        {"after_bytes", &R::after_bytes, Role::gauge, "bytes",
         "In snapshot b; NULL if it was not measurable then."},
        {"growth_bytes", &R::growth_bytes, Role::gauge, "bytes", "after_bytes - before_bytes."},
        {"growth_objects", &R::growth_objects, Role::gauge, "",
         "Objects, connections or statements more; NULL where nothing is counted."},
    }, {
        {"a", ArgumentType::integer, true, "The earlier snapshot_id."},
        {"b", ArgumentType::integer, true, "The later snapshot_id."},
    });
    // clang-format on
  }
  static std::vector<MemoryDiffRow> snapshot(Sources& sources, Arguments arguments);
};

/// The rows of memory_diff. Pure.
std::vector<MemoryDiffRow> compare_snapshots(const Snapshot& before, const Snapshot& after);

}  // namespace sqlitemem::stats
