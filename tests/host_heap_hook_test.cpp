// The allocator interface that SQLite sees: sizes at the edges, and blocks that come from somewhere
// else.
#include <fmt/format.h>

#include <array>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "allocators/manager/process_heap.h"
#include "ext/host/heap_hook.h"
#include "tests/support/catch.h"

namespace sqlitemem::ext {
namespace {

/// An allocator that knows its blocks, as SQLite's own does. Each size is kept in front of the
/// block.
struct Previous {
  static inline std::set<void*> live;
  static inline int starts = 0, ends = 0;

  static void* allocate(int bytes) {
    auto* header = static_cast<char*>(std::malloc(static_cast<std::size_t>(bytes) + 16));
    std::memcpy(header, &bytes, sizeof bytes);
    live.insert(header + 16);
    return header + 16;
  }
  static int size(void* block) {
    int bytes = 0;
    std::memcpy(&bytes, static_cast<char*>(block) - 16, sizeof bytes);
    return bytes;
  }
  static void release(void* block) {
    REQUIRE(live.erase(block) == 1);
    std::free(static_cast<char*>(block) - 16);
  }
  static sqlite3_mem_methods methods() {
    return {.xMalloc = allocate,
            .xFree = release,
            .xRealloc = [](void*, int) -> void* { return nullptr; },
            .xSize = size,
            .xRoundup = [](int bytes) { return bytes; },
            .xInit = [](void*) { return ++starts, SQLITE_OK; },
            .xShutdown = [](void*) { ++ends; },
            .pAppData = nullptr};
  }
};

const sqlite3_mem_methods& started_hook() {
  set_previous_methods(Previous::methods());
  const sqlite3_mem_methods& hook = heap_methods(false);
  REQUIRE(hook.xInit(hook.pAppData) == SQLITE_OK);
  return hook;
}

/// In the place of sqlite3_log(), whose formats are those of printf as far as we use them.
template <std::string& text>
void remember_log(int, const char* format, ...) {
  std::array<char, 300> line{};
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line.data(), line.size(), format, arguments);
  va_end(arguments);
  text = line.data();
}

}  // namespace

TEST_CASE("Heap hook: what it hands out is as large as it says, and 8-byte aligned", "[hook]") {
  const sqlite3_mem_methods& hook = started_hook();
  for (const int bytes : {1, 7, 8, 100, 424, 1024, 4368, 5000, 70000, 300000, 3000000}) {
    CAPTURE(bytes);
    const int rounded = hook.xRoundup(bytes);
    auto* block = static_cast<char*>(hook.xMalloc(rounded));
    REQUIRE(block != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % 8 == 0);
    CHECK(rounded >= bytes);
    CHECK(hook.xSize(block) == rounded);
    CHECK(heap_owns(block));
    std::memset(block, 0x5a, static_cast<std::size_t>(rounded));
    hook.xFree(block);
  }
}

TEST_CASE("Heap hook: sizes that are no request give no block", "[hook]") {
  const sqlite3_mem_methods& hook = started_hook();
  for (const int bytes : {0, -1, INT_MIN}) {
    CHECK(hook.xMalloc(bytes) == nullptr);
    CHECK(hook.xRoundup(bytes) == bytes);
  }
  hook.xFree(nullptr);
  CHECK(hook.xSize(nullptr) == 0);
  CHECK(hook.xRealloc(hook.xMalloc(10), 0) == nullptr);
}

TEST_CASE("Heap hook: the largest requests stay within an int", "[hook]") {
  const sqlite3_mem_methods& hook = started_hook();
  constexpr int sqlite_maximum = 2147483391;
  for (const int bytes : {INT_MAX, INT_MAX - 1, sqlite_maximum}) {
    CHECK(hook.xRoundup(bytes) > 0);
    CHECK(hook.xRoundup(bytes) >= bytes - 7);
  }
  void* block = hook.xMalloc(sqlite_maximum);  // Address space only: nothing is touched.
  if (block != nullptr) CHECK(hook.xSize(block) >= sqlite_maximum);
  hook.xFree(block);
}

TEST_CASE("Heap hook: older blocks go back to the allocator that they came from", "[hook]") {
  const sqlite3_mem_methods& hook = started_hook();
  void* old = Previous::allocate(100);
  REQUIRE_FALSE(heap_owns(old));
  CHECK(hook.xSize(old) == 100);
  hook.xFree(old);
  CHECK(Previous::live.empty());
}

TEST_CASE("Heap hook: an older block that grows moves here with its content", "[hook]") {
  const sqlite3_mem_methods& hook = started_hook();
  auto* old = static_cast<char*>(Previous::allocate(100));
  std::memset(old, 'x', 100);
  auto* grown = static_cast<char*>(hook.xRealloc(old, 5000));
  REQUIRE(grown != nullptr);
  CHECK(heap_owns(grown));
  CHECK(std::string(grown, 100) == std::string(100, 'x'));
  CHECK(Previous::live.empty());
  auto* shrunk = static_cast<char*>(hook.xRealloc(grown, 50));
  REQUIRE(shrunk != nullptr);
  CHECK(std::string(shrunk, 50) == std::string(50, 'x'));
  hook.xFree(shrunk);
}

TEST_CASE("Heap hook: over the limit an older block keeps its place and content", "[hook]") {
  const sqlite3_mem_methods& hook = started_hook();
  auto* old = static_cast<char*>(Previous::allocate(100));
  std::memset(old, 'x', 100);
  process_heap().set_live_limit(1);
  CHECK(hook.xRealloc(old, 3000000) == nullptr);
  process_heap().set_live_limit(0);
  CHECK(Previous::live.contains(old));
  CHECK(std::string(old, 100) == std::string(100, 'x'));
  hook.xFree(old);
}

TEST_CASE("Heap hook: when the region is full the previous allocator lends, and is repaid",
          "[hook]") {
  ::setenv("SQLITEMEM_REGION_SIZE", "16MB", 1);
  const sqlite3_mem_methods& hook = started_hook();
  std::vector<void*> blocks;
  while (Previous::live.size() < 3) {
    REQUIRE(blocks.size() < 1000);
    blocks.push_back(hook.xMalloc(1000000));
    REQUIRE(blocks.back() != nullptr);
  }
  CHECK(lent_blocks().objects == 3);
  CHECK(lent_blocks().bytes >= 3 * 1000000);
  for (void* block : blocks) hook.xFree(block);
  CHECK(Previous::live.empty());
  CHECK(lent_blocks().objects == 0);
  CHECK(lent_blocks().bytes == 0);
}

TEST_CASE("Heap hook: a full region does not lift the memory limit", "[hook]") {
  ::setenv("SQLITEMEM_REGION_SIZE", "16MB", 1);
  const sqlite3_mem_methods& hook = started_hook();
  REQUIRE(set_option("memory_limit", "20MB", OptionSource::api).result == SetResult::ok);
  std::vector<void*> blocks;
  std::size_t bytes = 0;
  while (void* block = hook.xMalloc(1000000)) {
    blocks.push_back(block);
    bytes += 1000000;
    REQUIRE(bytes < 100000000);
  }
  CHECK(lent_blocks().objects > 0);
  CHECK(bytes > 15000000);
  CHECK(bytes <= 20 * mib);
  for (void* block : blocks) hook.xFree(block);
  CHECK(Previous::live.empty());
}

TEST_CASE(
    "Heap hook: a double free is logged with address, size and rule, and the program may go on",
    "[hook]") {
  static std::string logged;
  const sqlite3_mem_methods& hook = started_hook();
  set_corruption_log(remember_log<logged>);
  REQUIRE(set_option("on_corruption", "report", OptionSource::api).result == SetResult::ok);
  void* block = hook.xMalloc(100);
  hook.xFree(block);
  hook.xFree(block);
  INFO(logged);
  CHECK_THAT(logged, Catch::Matchers::Contains("freed twice"));
  CHECK_THAT(logged, Catch::Matchers::Contains(fmt::format("{:#x}", std::uintptr_t(block))));
  CHECK_THAT(logged, Catch::Matchers::Contains("size class 112 bytes"));
  CHECK(process_heap().totals().corruptions == 1);
  CHECK_FALSE(heap_find_violation().has_value());
}

TEST_CASE("Heap hook: a freed large block was logged as of size class 0", "[hook]") {
  static std::string logged;
  const sqlite3_mem_methods& hook = started_hook();
  set_corruption_log(remember_log<logged>);
  REQUIRE(set_option("on_corruption", "report", OptionSource::api).result == SetResult::ok);
  void* block = hook.xMalloc(1 << 20);
  hook.xFree(block);
  hook.xFree(block);
  INFO(logged);
  CHECK_THAT(logged, Catch::Matchers::Contains("freed twice"));
  CHECK_THAT(logged, Catch::Matchers::Contains("size class unknown"));
}

TEST_CASE("Heap hook: starting and stopping reaches the previous allocator, too", "[hook]") {
  const int starts = Previous::starts, ends = Previous::ends;
  const sqlite3_mem_methods& hook = started_hook();
  CHECK(Previous::starts == starts + 1);
  CHECK(heap_hook_in_force());
  void* block = hook.xMalloc(100);
  hook.xShutdown(hook.pAppData);
  CHECK(Previous::ends == ends + 1);
  CHECK_FALSE(heap_hook_in_force());
  hook.xFree(block);  // What outlives a shutdown can still be freed.
  CHECK_FALSE(heap_find_violation().has_value());
}

}  // namespace sqlitemem::ext
