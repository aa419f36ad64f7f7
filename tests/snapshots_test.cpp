// memory_snapshot, memory_snapshots and memory_diff against what was allocated in between.
#include "allocators/stats/snapshots.h"

#include "allocators/base/bytes.h"
#include "tests/support/catch.h"
#include "tests/support/known_heap.h"

using namespace sqlitemem;
using namespace sqlitemem::stats;
using sqlitemem::tests::a_connection;
using sqlitemem::tests::Blocks;
using sqlitemem::tests::FakeSources;
using sqlitemem::tests::row_where;
using sqlitemem::tests::rows_of;
using sqlitemem::tests::sources_with_heap;

TEST_CASE("snapshots: memory_diff shows exactly what grew", "[stats][snapshots]") {
  FakeSources sources = sources_with_heap();
  const auto first = snapshot_store().add(take_snapshot(sources, "before"));
  Blocks blocks;
  blocks.add_many(500, 320);  // A size of its own class: nothing to learn.
  blocks.add(5 * mib);
  sources.the_connections = {a_connection(1)};
  const auto second = snapshot_store().add(take_snapshot(sources, std::nullopt));
  CHECK(second == first + 1);
  const auto rows = rows_of<MemoryDiffRow>(
      sources, {static_cast<std::int64_t>(first), static_cast<std::int64_t>(second)});
  const auto find = [&](std::string_view component) {
    return row_where(rows, [&](const auto& row) { return row.component == component; });
  };
  CHECK(find("class 320").before_bytes == 0u);
  CHECK(find("class 320").growth_bytes == 160000);
  CHECK(find("class 320").growth_objects == 500);
  CHECK(find("large objects").growth_bytes == static_cast<std::int64_t>(5 * mib));
  CHECK(find("large objects").growth_objects == 1);
  CHECK(find("connections: page caches").growth_bytes == 1000);
  const auto back = rows_of<MemoryDiffRow>(
      sources, {static_cast<std::int64_t>(second), static_cast<std::int64_t>(first)});
  CHECK(row_where(back, [](const auto& row) {
          return row.component == "class 320";
        }).growth_bytes == -160000);
  const auto list = rows_of<MemorySnapshotsRow>(sources);
  REQUIRE(list.size() == 2);
  CHECK(list[0].label == "before");
  CHECK_FALSE(list[1].label.has_value());
  CHECK(list[1].live_bytes.value() - list[0].live_bytes.value() == 160000 + 5 * mib);
}

TEST_CASE("snapshots: a component that was not measurable then has no growth",
          "[stats][snapshots]") {
  FakeSources observing;
  FakeSources managed = sources_with_heap();
  Blocks blocks;
  blocks.add(1000);
  const auto rows = compare_snapshots(take_snapshot(observing, {}), take_snapshot(managed, {}));
  const auto& row = row_where(rows, [](const auto& r) { return r.component == "class 1024"; });
  CHECK_FALSE(row.before_bytes.has_value());
  CHECK(row.after_bytes == 1024u);
  CHECK_FALSE(row.growth_bytes.has_value());
  CHECK_FALSE(row.growth_objects.has_value());
}

TEST_CASE("snapshots: the store keeps the last snapshots, and names the ids it has",
          "[stats][snapshots]") {
  FakeSources sources;
  SnapshotStore& store = snapshot_store();
  CHECK_THROWS_WITH(store.find(1), Catch::Contains("none was taken yet"));
  for (std::size_t count = 0; count < SnapshotStore::max_snapshots + 6; ++count) {
    store.add(take_snapshot(sources, {}));
  }
  CHECK(store.all().size() == SnapshotStore::max_snapshots);
  CHECK(store.find(7).snapshot_id == 7);
  CHECK_THROWS_WITH(store.find(6), Catch::Contains("7 to 70"));
  CHECK_THROWS_WITH(store.find(-1), Catch::Contains("no snapshot -1"));
}
