// The process's pool: its default budget, and its pages under the limits of the heap.
#include "allocators/manager/process_pool.h"

#include <algorithm>
#include <string>
#include <vector>

#include "allocators/config.h"
#include "allocators/manager/process_heap.h"
#include "allocators/pool/page_cache.h"
#include "tests/support/catch.h"

namespace sqlitemem::tests {
namespace {

BufferPool& started_pool() {
  const auto started = start_process_heap();
  REQUIRE((started == MemoryManager::StartResult::ok ||
           started == MemoryManager::StartResult::already_started));
  REQUIRE(start_process_pool(nullptr));
  return process_pool();
}

/// Reads `count` pages that nobody has, and lets them go.
void read_pages(PageCache& cache, std::uint32_t count) {
  for (std::uint32_t number = 1; number <= count; ++number) {
    Frame* frame = cache.fetch(number, FetchMode::always);
    REQUIRE(frame != nullptr);
    cache.unpin(*frame, false);
  }
}

}  // namespace

TEST_CASE("process pool: the default budget follows the limit, the machine and the control group",
          "[pool]") {
  CHECK(automatic_pool_budget(400 * mib, 64 * gib, 1 * gib) == 100 * mib);
  CHECK(automatic_pool_budget(0, 64 * gib, std::nullopt) == 256 * mib);
  CHECK(automatic_pool_budget(0, 64 * gib, 1 * gib) == 64 * mib);
  CHECK(automatic_pool_budget(0, 2 * gib, 16 * gib) == 128 * mib);
  CHECK(automatic_pool_budget(0, 64 * mib, std::nullopt) == 8 * mib);
}

TEST_CASE("process pool: a block of the heap is served at the limit while a page is clean",
          "[pool]") {
  BufferPool& pool = started_pool();
  PageCache* cache = pool.create(4096, 216, true);
  REQUIRE(cache != nullptr);
  REQUIRE(set_option("memory_limit", "24MB", OptionSource::api).result == SetResult::ok);
  REQUIRE(set_option("buffer_pool_size", "1GB", OptionSource::api).result == SetResult::ok);
  read_pages(*cache, 10000);  // More than fits: the pool fills all that the limit leaves.
  CHECK(process_heap().totals().held_bytes <= 24 * mib);
  std::vector<void*> blocks;
  for (int i = 0; i < 16; ++i) {
    void* block = heap_allocate(1 * mib);
    REQUIRE(block != nullptr);
    blocks.push_back(block);
    CHECK(process_heap().totals().held_bytes <= 24 * mib);
  }
  read_pages(*cache, 500);
  for (void* block : blocks) heap_release(block);
  CHECK_FALSE(pool.find_violation());
  pool.destroy(*cache);
}

TEST_CASE("process pool: a changed budget acts at once", "[pool]") {
  BufferPool& pool = started_pool();
  PageCache* cache = pool.create(4096, 216, true);
  REQUIRE(cache != nullptr);
  REQUIRE(set_option("memory_limit", "0", OptionSource::api).result == SetResult::ok);
  REQUIRE(set_option("buffer_pool_size", "16MB", OptionSource::api).result == SetResult::ok);
  read_pages(*cache, 3000);
  CHECK(pool.totals().used_bytes > 12 * mib);
  REQUIRE(set_option("buffer_pool_size", "2MB", OptionSource::api).result == SetResult::ok);
  CHECK(pool.totals().used_bytes <= 2 * mib);
  CHECK(pool.totals().held_bytes <= 3 * mib);
  pool.destroy(*cache);
}

TEST_CASE("process pool: a small block was refused while clean pages were above a heap limit",
          "[pool]") {
  BufferPool& pool = started_pool();
  PageCache* cache = pool.create(4096, 216, true);
  REQUIRE(cache != nullptr);
  REQUIRE(set_option("memory_limit", "0", OptionSource::api).result == SetResult::ok);
  REQUIRE(set_option("buffer_pool_size", "64MB", OptionSource::api).result == SetResult::ok);
  read_pages(*cache, 3000);
  process_heap().set_live_limit(process_heap().live_bytes() + 8 * mib);
  std::vector<void*> blocks;
  for (int i = 0; i < 100; ++i) blocks.push_back(heap_allocate(512 + 64 * (i % 20)));
  CHECK(std::ranges::count(blocks, nullptr) == 0);
  CHECK(cache->page_count() > 1000);
  process_heap().set_live_limit(0);
  for (void* block : blocks) heap_release(block);
  pool.destroy(*cache);
}

}  // namespace sqlitemem::tests
