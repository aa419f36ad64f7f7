// The tables' figures against independent counts, and what derives from their descriptions.
#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>
#include <set>

#include "allocators/stats/heap_figures.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/tables.h"
#include "tests/support/catch.h"
#include "tests/support/fake_sources.h"
#include "tests/support/known_heap.h"

using namespace sqlitemem;
using namespace sqlitemem::stats;
using sqlitemem::tests::a_connection;
using sqlitemem::tests::Blocks;
using sqlitemem::tests::FakeSources;
using sqlitemem::tests::row_where;
using sqlitemem::tests::rows_of;
using sqlitemem::tests::sources_with_heap;

namespace {

std::uint64_t sum_of(const std::vector<MemoryStatsRow>& rows) {
  std::uint64_t sum = 0;
  for (const MemoryStatsRow& row : rows) {
    if (row.category == "rss") sum += row.memory_bytes.value_or(0);
  }
  return sum;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("stats: every description is complete and in sentences", "[stats]",
                        AllTables) {
  const auto& description = table<TestType>;
  CAPTURE(description.name);
  CHECK(description.doc.ends_with('.'));
  std::set<std::string_view> names;
  for (const auto& column : description.columns) {
    CAPTURE(column.name);
    CHECK(column.doc.ends_with('.'));
    CHECK(names.insert(column.name).second);
    if (column.name.ends_with("_bytes") && column.role == Role::gauge)
      CHECK(column.unit == "bytes");
    if (column.name.ends_with("_ratio")) CHECK(type_of(column) == SqlType::real);
  }
  for (const Argument& argument : description.arguments) {
    CHECK(argument.doc.ends_with('.'));
    CHECK(names.insert(argument.name).second);
  }
  CHECK_THAT(tables_manual(), Catch::Contains("### " + std::string(description.name)));
}

TEST_CASE("stats: rss rows tile the resident set whatever the parts say", "[stats][property]") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u);
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int step = 0; step < 500; ++step) {
    const auto any = [&] { return random() % 5 == 0 ? 0 : std::uint64_t{random()} % 1'000'000; };
    ResidentParts parts;
    parts.resident_bytes = any();
    parts.heap_is_known = random() % 4 != 0;
    parts.slabs = any(), parts.runs = any(), parts.large = any(), parts.metadata = any();
    parts.slab_live = any(), parts.run_live = any(), parts.large_live = any();
    if (random() % 3 != 0) parts.files = any();
    if (random() % 3 != 0) parts.shared = any();
    if (random() % 3 != 0) parts.c_library = any();
    const auto rows = tile_resident_set(parts);
    REQUIRE(sum_of(rows) == parts.resident_bytes);
    double percentage = 0;
    for (const MemoryStatsRow& row : rows) {
      REQUIRE(row.memory_bytes.value_or(0) <= parts.resident_bytes);
      percentage += row.percentage.value_or(0);
      if (!parts.heap_is_known && row.source == "allocator") REQUIRE_FALSE(row.memory_bytes);
    }
    if (parts.resident_bytes > 0) REQUIRE(percentage == Approx(100));
  }
}

TEST_CASE("stats: a part that exceeds the resident set is cut, and its note says so", "[stats]") {
  ResidentParts parts;
  parts.resident_bytes = 100;
  parts.heap_is_known = true;
  parts.slabs = 80, parts.slab_live = 30;
  parts.files = 70;
  const auto rows = tile_resident_set(parts);
  const auto bytes = [&](std::string_view name) {
    return row_where(rows, [&](const auto& row) { return row.component == name; }).memory_bytes;
  };
  CHECK(bytes("slab_live") == 30u);
  CHECK(bytes("slab_free") == 50u);
  CHECK(bytes("mapped_files") == 20u);
  CHECK(bytes("unattributed") == 0u);
  CHECK_THAT(*row_where(rows, [](const auto& row) { return row.component == "mapped_files"; }).note,
             Catch::Contains("Cut from 70"));
}

TEST_CASE("stats: memory_stats closes on the real process", "[stats]") {
  FakeSources sources = sources_with_heap();
  Blocks blocks;
  std::memset(blocks.add(8 * mib), 1, 8 * mib);
  for (int count = 0; count < 1000; ++count) std::memset(blocks.add(64), 1, 64);
  const auto rows = rows_of<MemoryStatsRow>(sources);
  const auto bytes = [&](std::string_view name) {
    return row_where(rows, [&](const auto& row) { return row.component == name; })
        .memory_bytes.value();
  };
  CHECK(sum_of(rows) == bytes("resident_set"));
  CHECK(bytes("large_live") >= 8 * mib);
  CHECK(bytes("slab_live") >= 1000 * 64);
  CHECK(bytes("live") == process_heap().totals().live_bytes);
  CHECK(bytes("mapped_files") > 0);
  CHECK(rows_of<MemoryStatsRow>(sources, {std::string("large_live")}).size() == 1);
  CHECK(rows_of<MemoryStatsRow>(sources, {std::string("rss")}).size() == 16);
  CHECK_THROWS_AS(rows_of<MemoryStatsRow>(sources, {std::string("no such thing")}), Refusal);
}

TEST_CASE("stats: without a heap its figures are NULL, with the reason", "[stats]") {
  FakeSources sources;
  for (const MemoryStatsRow& row : rows_of<MemoryStatsRow>(sources)) {
    CAPTURE(row.component);
    if (row.source == "allocator") {
      CHECK_FALSE(row.memory_bytes.has_value());
      const bool is_arena = row.component.starts_with("arena_");
      CHECK(row.note == (is_arena ? "No transaction arenas here." : "No heap in this test."));
    }
  }
  CHECK(rows_of<SlabAllocatorStatsRow>(sources).empty());
  CHECK(rows_of<AllocationPatternsRow>(sources).empty());
  CHECK(rows_of<LargeObjectsRow>(sources).empty());
  REQUIRE(rows_of<LargeObjectStatsRow>(sources).size() == 1);
  CHECK_FALSE(rows_of<LargeObjectStatsRow>(sources)[0].live_bytes.has_value());
  REQUIRE(rows_of<HeapStatsRow>(sources).size() == 1);
  CHECK_FALSE(rows_of<HeapStatsRow>(sources)[0].failures.has_value());
  for (const FragmentationStatsRow& row : rows_of<FragmentationStatsRow>(sources)) {
    if (row.component != "c_library") CHECK_FALSE(row.status.has_value());
  }
}

TEST_CASE("stats: slab_allocator_stats counts what was allocated", "[stats]") {
  FakeSources sources = sources_with_heap();
  const auto find = [&](std::uint64_t bytes) {
    return row_where(rows_of<SlabAllocatorStatsRow>(sources),
                     [&](const auto& row) { return row.object_bytes == bytes; });
  };
  Blocks blocks;
  blocks.add_many(1000, 100);
  blocks.add_many(10, 6000);
  SlabAllocatorStatsRow row = find(112);
  CHECK(row.live_objects == 1000);
  CHECK(row.live_bytes == 112000);
  CHECK(row.allocations == 1000);
  CHECK(row.requested_bytes == 100000);
  CHECK(row.frees == 0);
  CHECK(row.live_objects + row.cached_objects + row.free_objects ==
        row.slabs * row.objects_per_slab.value());
  CHECK(row.utilization_ratio == Approx(112000.0 / static_cast<double>(row.reserved_bytes)));
  CHECK(row.purpose == "general");
  row = find(6144);
  CHECK(row.is_page_run);
  CHECK(row.live_objects == 10);
  CHECK_FALSE(row.objects_per_slab.has_value());
  CHECK(row.purpose == "page runs");
  blocks.release_all();
  row = find(112);
  CHECK(row.live_objects == 0);
  CHECK(row.frees == 1000);
}

TEST_CASE("stats: large_objects and large_object_stats agree with what was allocated", "[stats]") {
  FakeSources sources = sources_with_heap();
  Blocks blocks;
  blocks.add(mib + 1);
  blocks.add(3 * mib);
  const auto objects = rows_of<LargeObjectsRow>(sources);
  REQUIRE(objects.size() == 2);
  CHECK(objects[0].object_id < objects[1].object_id);
  CHECK(objects[0].mapped_bytes >= mib + page_bytes);
  CHECK(objects[0].size_bytes == mib + 1);
  CHECK(objects[1].size_bytes == 3 * mib);
  CHECK(objects[0].age_seconds < 60);
  LargeObjectStatsRow row = rows_of<LargeObjectStatsRow>(sources).at(0);
  CHECK(row.live_objects == 2u);
  CHECK(row.live_bytes == 4 * mib + page_bytes);
  CHECK(row.requested_bytes == 4 * mib + 1);
  CHECK(row.mapped_bytes.value() >= row.live_bytes.value());
  CHECK(row.strategy == "best_fit");
  CHECK(row.free_list_hit_ratio.has_value());
  CHECK_FALSE(row.coalescing_efficiency.has_value());
  blocks.release_all();
  row = rows_of<LargeObjectStatsRow>(sources).at(0);
  CHECK(row.live_objects == 0u);
  CHECK(row.frees == 2u);
}

TEST_CASE("stats: fragmentation verdicts are those of the manual", "[stats]") {
  CHECK(fragmentation_status(100, mib - 1) == "Small");
  CHECK(fragmentation_status(mib, mib) == "Good");
  CHECK(fragmentation_status(81 * mib, 100 * mib) == "Good");
  CHECK(fragmentation_status(79 * mib, 100 * mib) == "Fair");
  CHECK(fragmentation_status(66 * mib, 100 * mib) == "Fair");
  CHECK(fragmentation_status(64 * mib, 100 * mib) == "Poor");
  CHECK(fragmentation_status(0, 100 * mib) == "Poor");
  CHECK(fragmentation_status(101 * mib, 100 * mib) == "Good");
}

TEST_CASE("stats: large memory kept free on purpose was called Poor", "[stats]") {
  FakeSources sources = sources_with_heap();
  REQUIRE(set_option("large_object_retain", "400", OptionSource::api).result == SetResult::ok);
  REQUIRE(set_option("purge_delay", "1h", OptionSource::api).result == SetResult::ok);
  void* kept = heap_allocate(mib);
  void* freed = heap_allocate(3 * mib);
  heap_release(freed);
  const auto rows = rows_of<FragmentationStatsRow>(sources);
  for (const FragmentationStatsRow& row : rows) {
    if (!row.held_bytes || row.component == "c_library") continue;
    CAPTURE(row.component);
    CHECK(*row.wanted_bytes + *row.waste_bytes + *row.kept_free_bytes >= *row.held_bytes);
  }
  const auto& large =
      row_where(rows, [](const auto& row) { return row.component == "large_objects"; });
  CHECK(large.kept_free_bytes == large.reclaimable_bytes);
  CHECK(*large.kept_free_bytes >= 3 * mib);
  CHECK(large.status == "Good");
  const LargeObjectStatsRow stats = rows_of<LargeObjectStatsRow>(sources).at(0);
  std::uint64_t of_objects = 0;
  for (const LargeObjectsRow& row : rows_of<LargeObjectsRow>(sources)) {
    of_objects += row.mapped_bytes;
  }
  CHECK(of_objects == stats.live_bytes);
  CHECK(of_objects + *stats.kept_free_bytes == stats.mapped_bytes);
  heap_release(kept);
}

TEST_CASE("stats: fragmentation sees the holes that frees leave", "[stats]") {
  FakeSources sources = sources_with_heap();
  std::vector<void*> blocks;
  for (int count = 0; count < 40000; ++count) blocks.push_back(heap_allocate(200));
  const auto slabs = [&] {
    return row_where(rows_of<FragmentationStatsRow>(sources),
                     [](const auto& row) { return row.component == "slabs"; });
  };
  CHECK(slabs().status == "Good");
  for (std::size_t index = 0; index < blocks.size(); ++index) {
    if (index % 10 != 0) heap_release(blocks[index]);
  }
  CHECK(slabs().status == "Poor");
  CHECK(slabs().wanted_bytes.value() + slabs().waste_bytes.value() == slabs().held_bytes.value());
  for (std::size_t index = 0; index < blocks.size(); index += 10) heap_release(blocks[index]);
}

TEST_CASE("stats: the suggestion names the exact class and what it saves", "[stats]") {
  const RequestPattern page{.request_bytes = 4368, .allocations = 100, .class_bytes = 4608};
  CHECK(suggestion_for(page, 0.5) == "a learned class of 4368 bytes would save 5 %");
  CHECK_FALSE(suggestion_for(page, 0.001).has_value());
  const RequestPattern exact{.request_bytes = 4361, .allocations = 100, .class_bytes = 4368};
  CHECK_FALSE(suggestion_for(exact, 0.5).has_value());
  const RequestPattern run{.request_bytes = 8200, .allocations = 100, .class_bytes = 9216};
  CHECK_THAT(suggestion_for(run, 0.5).value(), Catch::Contains("9216 bytes"));
}

TEST_CASE("stats: allocation_patterns lists at most the rows that are wanted", "[stats]") {
  FakeSources sources = sources_with_heap();
  Blocks blocks;
  for (int round = 0; round < 200; ++round) {
    blocks.add_many(40, 200);
    blocks.add_many(20, 1000);
  }
  const auto all = rows_of<AllocationPatternsRow>(sources);
  REQUIRE(all.size() >= 2);
  CHECK(all[0].request_bytes == 200);
  CHECK(all[0].class_bytes == 208);
  CHECK(all[0].waste_bytes == 8);
  CHECK(all[0].allocations == Approx(8000).epsilon(0.25));
  double share = 0;
  for (const auto& row : all) share += row.share_ratio.value();
  CHECK(share == Approx(1));
  CHECK(rows_of<AllocationPatternsRow>(sources, {std::int64_t{1}}).size() == 1);
  CHECK(rows_of<AllocationPatternsRow>(sources, {std::int64_t{0}}).empty());
  CHECK_THROWS_AS(rows_of<AllocationPatternsRow>(sources, {std::int64_t{-1}}), Refusal);
}

TEST_CASE("stats: in memory_contexts parents hold at least what their children do", "[stats]") {
  FakeSources sources = sources_with_heap();
  sources.the_connections = {a_connection(1), a_connection(2)};
  Blocks blocks;
  blocks.add_many(1000, 64);
  blocks.add_many(100, 9000);
  blocks.add_many(3, 100000);
  blocks.add(2 * mib);
  const auto rows = rows_of<MemoryContextsRow>(sources);
  for (std::size_t index = 0; index < rows.size(); ++index) {
    CHECK(rows[index].context_id == index + 1);
    if (!rows[index].parent_id) CHECK(rows[index].level == 1);
    std::uint64_t children = 0;
    for (const auto& row : rows) {
      if (row.parent_id != rows[index].context_id) continue;
      CHECK(row.level == rows[index].level + 1);
      children += row.total_bytes.value_or(0);
    }
    CAPTURE(rows[index].name);
    CHECK(rows[index].total_bytes.value_or(0) >= children);
  }
  const auto& classes = row_where(
      rows, [](const auto& row) { return row.name == "size class" && row.ident == "64"; });
  CHECK(classes.used_bytes == 64000u);
  CHECK(row_where(rows, [](const auto& row) { return row.name == "connections"; }).total_bytes ==
        3220u);
}

TEST_CASE("stats: reset_clock tells the last reset in UTC", "[stats]") {
  CHECK_FALSE(statistics_reset_at().has_value());
  note_statistics_reset(1767225599);
  CHECK(statistics_reset_at() == "2025-12-31T23:59:59Z");
}
