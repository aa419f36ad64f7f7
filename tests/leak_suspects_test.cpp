// What is suspected of being a leak, and what is not.
#include <algorithm>

#include "allocators/base/bytes.h"
#include "allocators/stats/doctor/examination.h"
#include "allocators/stats/leak_rows.h"
#include "allocators/stats/reset_clock.h"
#include "tests/support/catch.h"
#include "tests/support/examinations.h"
#include "tests/support/known_heap.h"

using namespace sqlitemem;
using namespace sqlitemem::stats;
using sqlitemem::tests::a_healthy_process;
using sqlitemem::tests::all_cases;
using sqlitemem::tests::Blocks;
using sqlitemem::tests::Case;
using sqlitemem::tests::FakeSources;
using sqlitemem::tests::row_where;
using sqlitemem::tests::rows_of;
using sqlitemem::tests::sources_with_heap;

namespace {

const LeakSuspectsRow* find(const std::vector<LeakSuspectsRow>& rows, std::string_view kind) {
  const auto found = std::ranges::find(rows, kind, &LeakSuspectsRow::kind);
  return found == rows.end() ? nullptr : &*found;
}

Snapshot a_snapshot(std::int64_t second, std::uint64_t bytes) {
  Snapshot snapshot;
  snapshot.snapshot_id = 1;
  snapshot.taken_at_unix_seconds = second;
  snapshot.heap_was_measured = true;
  if (bytes > 0) snapshot.parts.push_back({"class 320", true, bytes, bytes / 320});
  return snapshot;
}
/// A class at one moment after another, a minute apart; the last is now.
std::vector<LeakSuspectsRow> suspects_of(const std::vector<std::uint64_t>& course) {
  Examination seen = a_healthy_process();
  std::int64_t second = 0;
  for (const std::uint64_t bytes : course)
    seen.snapshots.push_back(a_snapshot(second += 60, bytes));
  seen.present = std::move(seen.snapshots.back());
  seen.snapshots.pop_back();
  return find_leak_suspects(seen);
}

LargeObjectInfo an_object(std::uint64_t age_seconds, std::uint64_t bytes) {
  LargeObjectInfo object;
  object.mapped_bytes = object.size_bytes = bytes;
  object.allocated_at_ns = (10'000 - age_seconds) * 1'000'000'000;
  return object;
}
std::vector<LeakSuspectsRow> suspects_of_objects(const std::vector<LargeObjectInfo>& objects) {
  Examination seen = a_healthy_process();
  seen.heap->taken_at_ns = std::uint64_t{10'000} * 1'000'000'000;
  seen.heap->large_objects = objects;
  return find_leak_suspects(seen);
}
/// One every hundred seconds.
std::vector<LargeObjectInfo> objects(std::size_t count, std::uint64_t bytes) {
  std::vector<LargeObjectInfo> all;
  for (std::size_t number = 1; number <= count; ++number)
    all.push_back(an_object(number * 100, bytes));
  return all;
}

}  // namespace

TEST_CASE("Leaks: a healthy process has no suspects", "[leaks]") {
  CHECK(find_leak_suspects(a_healthy_process()).empty());
  CHECK(find_leak_suspects(Examination{}).empty());
}

TEST_CASE("Leaks: a size class that only grows from snapshot to snapshot is one", "[leaks]") {
  const auto rows = suspects_of({0, 400'000, 800'000, 1'200'000});
  const LeakSuspectsRow* row = find(rows, "size_class");
  REQUIRE(row != nullptr);
  CHECK(row->subject == "class 320");
  CHECK(row->live_bytes == 1'200'000u);
  CHECK(row->live_count == 3750u);
  CHECK(row->oldest_seconds == 180.0);
  CHECK(row->growth_bytes_per_hour == Approx(24e6));
  CHECK_THAT(row->evidence, Catch::Contains("3 of 3 readings"));
}

TEST_CASE("Leaks: a class that fell back, stands, or grew little is none", "[leaks]") {
  CHECK(suspects_of({0, 900'000, 800'000, 1'200'000}).empty());
  CHECK(suspects_of({0, 1'000'000, 1'000'000, 1'000'000, 1'200'000}).empty());
  CHECK(suspects_of({0, 80'000, 160'000, 250'000}).empty());
  CHECK(suspects_of({9'000'000, 9'200'000, 9'400'000, 9'600'000}).empty());
  CHECK(suspects_of({0, 1'000'000}).empty());  // Two moments are no course.
}

TEST_CASE("Leaks: growth is found in the process's own heap and snapshots", "[leaks][stats]") {
  FakeSources sources = sources_with_heap();
  Blocks blocks;
  for (const char* label : {"one", "two", "three"}) {
    blocks.add_many(2000, 320);
    snapshot_store().add(take_snapshot(sources, label));
  }
  blocks.add_many(2000, 320);
  sources.forget();
  Examination seen = examine(sources);
  CHECK(find_leak_suspects(seen).empty());  // It took less than a minute.
  for (Snapshot& snapshot : seen.snapshots) snapshot.taken_at_unix_seconds -= 120;
  const auto rows = find_leak_suspects(seen);
  const LeakSuspectsRow* row = find(rows, "size_class");
  REQUIRE(row != nullptr);
  CHECK(row->subject == "class 320");
  CHECK(row->live_count >= 8000u);
  CHECK(row->growth_bytes_per_hour >= 6000.0 * 320 * 3600 / 122);
  blocks.release_all();
  sources.forget();
  seen.present = snapshot_of(sources);
  CHECK(find_leak_suspects(seen).empty());
}

TEST_CASE("Leaks: objects of one size that came one by one and stayed are suspect", "[leaks]") {
  const auto rows = suspects_of_objects(objects(8, mib));
  const LeakSuspectsRow* row = find(rows, "large_object");
  REQUIRE(row != nullptr);
  CHECK(row->subject == "objects of 1.0 MB");
  CHECK(row->live_count == 8u);
  CHECK(row->live_bytes == 8 * mib);
  CHECK(row->oldest_seconds == 800.0);
  CHECK(row->growth_bytes_per_hour == Approx(8.0 * mib * 3600 / 800));
}

TEST_CASE("Leaks: few, small, young or simultaneous objects are not", "[leaks]") {
  CHECK(suspects_of_objects(objects(7, mib)).empty());
  CHECK(suspects_of_objects(objects(8, 300 * kib)).empty());
  CHECK(suspects_of_objects(std::vector<LargeObjectInfo>(20, an_object(5000, mib))).empty());
  std::vector<LargeObjectInfo> young;
  for (std::uint64_t age = 1; age < 20; ++age) young.push_back(an_object(age, mib));
  CHECK(suspects_of_objects(young).empty());
  std::vector<LargeObjectInfo> mixed;
  for (std::uint64_t number = 1; number < 20; ++number)
    mixed.push_back(an_object(number * 100, number * mib));
  CHECK(suspects_of_objects(mixed).empty());
}

TEST_CASE(
    "Leaks: transactions count when they are old and stand still, or their connection is "
    "closed",
    "[leaks]") {
  const auto suspects = [](double age, double idle, bool is_zombie) {
    Examination seen = a_healthy_process();
    OpenTransactionsRow& open = seen.transactions.emplace_back();
    open.connection_id = 4;
    open.age_seconds = age;
    open.idle_seconds = idle;
    open.is_zombie = Flag(is_zombie);
    open.last_sql = "SELECT 1";
    return find_leak_suspects(seen).size();
  };
  CHECK(suspects(300, 60, false) == 1);
  CHECK(suspects(299, 60, false) == 0);
  CHECK(suspects(4000, 59, false) == 0);
  CHECK(suspects(0, 0, true) == 1);
}

TEST_CASE("Leaks: connections are asleep only if nothing of them moves", "[leaks]") {
  const auto suspects = [](const std::function<void(ConnectionMemoryRow&)>& change) {
    Examination seen = a_healthy_process();
    for (std::uint64_t id = 1; id <= 20; ++id) {
      ConnectionMemoryRow& row = seen.connections.emplace_back();
      row.connection_id = id;
      row.database_file = "/data/a.db";
      row.opened_at = iso8601(seen.now_unix_seconds - 1000);
      row.total_bytes = 1000;
      if (id <= 6) change(row);
    }
    return find_leak_suspects(seen).size();
  };
  CHECK(suspects([](ConnectionMemoryRow&) {}) == 1);
  CHECK(suspects([](ConnectionMemoryRow& row) { row.txn_state = "read"; }) == 0);
  CHECK(suspects([](ConnectionMemoryRow& row) { row.txn_state = "none"; }) == 1);
  CHECK(suspects([](ConnectionMemoryRow& row) { row.busy_statements = 1; }) == 0);
  CHECK(suspects([](ConnectionMemoryRow& row) { row.is_stale = true; }) == 0);
  CHECK(suspects([](ConnectionMemoryRow& row) { row.database_file = "/data/b.db"; }) == 0);
  CHECK(suspects([](ConnectionMemoryRow& row) { row.opened_at = "yesterday"; }) == 0);
}

TEST_CASE("Leaks: a connection whose pages move in the pool is not asleep", "[leaks]") {
  Examination seen = a_healthy_process();
  seen.pool->taken_at_ns = std::uint64_t{1000} * 1'000'000'000;
  for (std::uint64_t id = 1; id <= 16; ++id) {
    ConnectionMemoryRow& row = seen.connections.emplace_back();
    row.connection_id = id;
    row.database_file = "/data/a.db";
    row.opened_at = iso8601(seen.now_unix_seconds - 1000);
    CacheTotals& cache = seen.pool->caches.emplace_back();
    cache.id = id;
    cache.used_at_ns = seen.pool->taken_at_ns - std::uint64_t{301} * 1'000'000'000;
    seen.pool->owners.push_back(
        {.cache_id = id, .connection_id = id, .schema_name = "main", .database_file = {}});
  }
  CHECK(find_leak_suspects(seen).size() == 1);
  for (CacheTotals& cache : seen.pool->caches) cache.used_at_ns = seen.pool->taken_at_ns;
  CHECK(find_leak_suspects(seen).empty());
}

TEST_CASE("Leaks: continuous growth is a suspect with its speed", "[leaks]") {
  Examination seen = a_healthy_process();
  seen.growth = Growth{};
  seen.growth->is_continuous = true;
  seen.growth->bytes_per_hour = 5e6;
  seen.growth->last_bytes = 9 * mib;
  PressureSample& sample = seen.pressure.emplace().history.emplace_back();
  sample.allocations = 1000;
  sample.freed = 100;
  const auto rows = find_leak_suspects(seen);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].kind == "heap");
  CHECK(rows[0].live_count == 900u);
  CHECK(rows[0].live_bytes == 9 * mib);
  CHECK(rows[0].growth_bytes_per_hour == 5e6);
  seen.growth->is_continuous = false;
  CHECK(find_leak_suspects(seen).empty());
}
