// The page source, the metadata heap and the region: alignment, zeroes, exhaustion, honest
// residency.
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "allocators/base/bytes.h"
#include "allocators/pages/budget.h"
#include "allocators/pages/metadata_heap.h"
#include "allocators/pages/page_source.h"
#include "allocators/pages/region.h"
#include "tests/support/catch.h"
#include "tests/support/failing_pages.h"

namespace sqlitemem {
namespace {

using tests::FailingPages;

std::uintptr_t number(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

TEST_CASE("Pages: a reservation is aligned as asked and holds no memory", "[pages]") {
  const std::size_t alignment = GENERATE(std::size_t{4096}, 64 * kib, 2 * mib, 64 * mib);
  void* const address = os_pages().reserve(3 * mib, alignment);
  REQUIRE(address != nullptr);
  CHECK(number(address) % alignment == 0);
  CHECK(os_pages().resident_bytes(address, 3 * mib) == 0);
  os_pages().release(address, 3 * mib);
}

TEST_CASE("Pages: what cannot be had is refused, and errno stays", "[pages]") {
  errno = 77;
  CHECK(os_pages().reserve(0, page_bytes) == nullptr);
  CHECK(os_pages().reserve(SIZE_MAX - page_bytes + 1, 2 * mib) == nullptr);
  CHECK(os_pages().reserve(std::size_t{1} << 50, page_bytes) == nullptr);
  void* const unmapped = os_pages().reserve(page_bytes, page_bytes);
  REQUIRE(unmapped != nullptr);
  os_pages().release(unmapped, page_bytes);
  CHECK_FALSE(os_pages().commit(unmapped, page_bytes));
  CHECK_FALSE(os_pages().decommit(unmapped, page_bytes));
  CHECK(os_pages().resident_bytes(unmapped, page_bytes) == 0);
  CHECK(errno == 77);
}

TEST_CASE("Pages: decommitted pages read as zero and are not resident", "[pages]") {
  // More than one batch of mincore(): 16 MiB each.
  const std::size_t bytes = 40 * mib;
  auto* const memory = static_cast<char*>(os_pages().reserve(bytes, page_bytes));
  REQUIRE(os_pages().commit(memory, bytes));
  memory[0] = 1;
  std::memset(memory + 20 * mib, 1, mib);
  CHECK(os_pages().resident_bytes(memory, bytes) == mib + page_bytes);
  REQUIRE(os_pages().decommit(memory + 20 * mib, mib));
  CHECK(os_pages().resident_bytes(memory, bytes) == page_bytes);
  CHECK(memory[20 * mib] == 0);
  os_pages().release(memory, bytes);
}

TEST_CASE("Pages: moving takes the contents along and leaves zeroes, or changes nothing",
          "[pages]") {
  const std::size_t bytes = mib;
  auto* const memory = static_cast<char*>(os_pages().reserve(4 * bytes, page_bytes));
  REQUIRE(os_pages().commit(memory, 4 * bytes));
  std::memset(memory, 'a', bytes);
  std::memset(memory + bytes, 'b', bytes);
  const bool moved = os_pages().move(memory, memory + 2 * bytes, bytes);
  CHECK(memory[0] == (moved ? 0 : 'a'));
  CHECK(memory[2 * bytes] == (moved ? 'a' : 0));
  // From across two mappings: whatever the kernel says, both ends stay usable.
  memory[bytes - 1] = 'c';
  const bool moved_two = os_pages().move(memory + bytes, memory + 3 * bytes, bytes);
  CHECK(memory[3 * bytes] == (moved_two ? 'b' : 0));
  const bool moved_across = os_pages().move(memory + bytes + bytes / 2, memory, bytes);
  CHECK(memory[bytes] == (moved_two ? 0 : 'b'));
  CHECK(memory[bytes / 2] == (moved_across && moved ? 'a' : 0));
  memory[0] = memory[bytes - 1] = memory[2 * bytes] = 'd';  // A hole would end the test here.
  os_pages().release(memory, 4 * bytes);
}

TEST_CASE("MetadataHeap: blocks are zeroed, aligned, apart, and re-used", "[pages][property]") {
  const auto seed = GENERATE(1u, 2u, 3u);
  CAPTURE(seed);
  MetadataHeap heap;
  heap.start(os_pages());
  std::mt19937 random(seed);
  std::map<std::byte*, std::size_t> live;
  std::uint64_t used_bytes = 0;
  for (int step = 0; step < 3000; ++step) {
    if (random() % 3 != 0 || live.empty()) {
      const std::size_t bytes = 1 + random() % (std::size_t{1} << (random() % 17));
      const std::size_t asked = std::min(bytes, MetadataHeap::max_block_bytes);
      auto* const block = static_cast<std::byte*>(heap.allocate(asked));
      REQUIRE(block != nullptr);
      REQUIRE(number(block) % 64 == 0);
      REQUIRE(std::all_of(block, block + asked, [](std::byte b) { return b == std::byte{0}; }));
      std::memset(block, 0xAB, asked);
      const auto next = live.lower_bound(block);
      REQUIRE((next == live.end() || block + asked <= next->first));
      REQUIRE((next == live.begin() || std::prev(next)->first + std::prev(next)->second <= block));
      live[block] = asked;
      std::size_t class_bytes = 64;
      while (class_bytes < asked) class_bytes *= 2;
      used_bytes += class_bytes;
    } else {
      const auto victim = std::next(live.begin(), static_cast<int>(random() % live.size()));
      std::size_t class_bytes = 64;
      while (class_bytes < victim->second) class_bytes *= 2;
      used_bytes -= class_bytes;
      heap.release(victim->first, victim->second);
      live.erase(victim);
    }
    REQUIRE(heap.used_bytes() == used_bytes);
  }
  CHECK(heap.mapped_bytes() >= heap.resident_bytes());
  CHECK(heap.resident_bytes() > 0);
  heap.stop();
  CHECK(heap.mapped_bytes() == 0);
}

TEST_CASE("MetadataHeap: a refusal of pages is a null pointer, and passes", "[pages][exhaustion]") {
  FailingPages pages;
  MetadataHeap heap;
  heap.start(pages, MetadataHeap::max_block_bytes);
  for (const int successes : {0, 1}) {  // The reservation fails; the commit fails.
    pages.fail_after(successes);
    CHECK(heap.allocate(64) == nullptr);
    CHECK(heap.used_bytes() == 0);
    CHECK(heap.mapped_bytes() == 0);
  }
  pages.heal();
  CHECK(heap.allocate(MetadataHeap::max_block_bytes) != nullptr);
  CHECK(pages.refusals == 2);
  heap.stop();
}

TEST_CASE("MetadataHeap: threads share it", "[pages][threads]") {
  MetadataHeap heap;
  heap.start(os_pages());
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 3; ++seed) {
    threads.emplace_back([&heap, seed] {
      std::mt19937 random(seed);
      for (int step = 0; step < 2000; ++step) {
        const std::size_t bytes = 1 + random() % 2000;
        void* const block = heap.allocate(bytes);
        std::memset(block, static_cast<int>(seed), bytes);
        heap.release(block, bytes);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(heap.used_bytes() == 0);
  heap.stop();
}

TEST_CASE("Area: commits by strides, and by what is needed when strides are refused", "[pages]") {
  FailingPages pages;
  const std::size_t bytes = 16 * mib;
  auto* const memory = static_cast<std::byte*>(pages.reserve(bytes, page_bytes));
  Area area;
  area.start(pages, memory, bytes, 4 * mib);
  CHECK(area.extend(page_bytes) == memory);
  CHECK(area.committed() == memory + 4 * mib);
  CHECK(area.extend(mib) == memory + page_bytes);
  CHECK(pages.commits == 1);
  pages.fail_after(0);
  CHECK(area.extend(8 * mib) == nullptr);
  CHECK(area.frontier() == memory + page_bytes + mib);
  pages.heal();
  CHECK(area.extend(area.bytes_left() + page_bytes) == nullptr);
  CHECK(area.extend(area.bytes_left()) == memory + page_bytes + mib);
  CHECK(area.bytes_left() == 0);
  CHECK(area.extend(page_bytes) == nullptr);
  memory[bytes - 1] = std::byte{1};
  CHECK(area.contains(memory + bytes - 1));
  CHECK_FALSE(area.contains(memory + bytes));
  CHECK_FALSE(area.contains(nullptr));
  pages.release(memory, bytes);
}

/// Refuses to commit more than `most_bytes` at once, as a strict overcommit policy does.
class FrugalPages final : public PageSource {
 public:
  std::size_t most_bytes = 0;
  void* reserve(std::size_t bytes, std::size_t alignment) noexcept override {
    return bytes <= most_bytes ? os_pages().reserve(bytes, alignment) : nullptr;
  }
  void release(void* address, std::size_t bytes) noexcept override {
    os_pages().release(address, bytes);
  }
  bool commit(void* address, std::size_t bytes) noexcept override {
    return bytes <= most_bytes && os_pages().commit(address, bytes);
  }
  bool decommit(void*, std::size_t) noexcept override { return false; }
  bool move(void*, void*, std::size_t) noexcept override { return false; }
  void unmap(void* address, std::size_t bytes) noexcept override {
    os_pages().unmap(address, bytes);
  }
  bool advise_huge(void*, std::size_t) noexcept override { return false; }
  std::size_t resident_bytes(const void* address, std::size_t bytes) noexcept override {
    return os_pages().resident_bytes(address, bytes);
  }
};

TEST_CASE("Area: a refused stride falls back to exactly what is needed", "[pages]") {
  FrugalPages pages;
  auto* const memory = static_cast<std::byte*>(os_pages().reserve(16 * mib, page_bytes));
  pages.most_bytes = mib;
  Area area;
  area.start(pages, memory, 16 * mib, 4 * mib);
  CHECK(area.extend(mib) == memory);
  CHECK(area.committed() == memory + mib);
  CHECK(area.extend(2 * mib) == nullptr);
  os_pages().release(memory, 16 * mib);
}

TEST_CASE("Region: smaller sizes are tried when address space is short", "[pages]") {
  FrugalPages pages;
  Region region;
  pages.most_bytes = 64 * mib;
  REQUIRE(region.start(pages, gib, SIZE_MAX));
  CHECK(region.bytes() == 64 * mib);
  CHECK(region.contains(region.base()));
  CHECK_FALSE(region.contains(region.base() + region.bytes()));
  CHECK_FALSE(region.contains(nullptr));
  CHECK_FALSE(region.contains(&region));
  CHECK(region.slabs.end() == region.runs.begin());
  CHECK(region.runs.end() == region.large.begin());
  CHECK(region.large.end() == region.base() + region.bytes());
  region.stop();
  REQUIRE(region.start(pages, gib, 200 * mib));  // An eighth of what is left, in whole chunks.
  CHECK(region.bytes() == 24 * mib);
  region.stop();
  REQUIRE(region.start(pages, gib, 100 * mib));
  CHECK(region.bytes() == Region::min_bytes);
  region.stop();
  CHECK_FALSE(region.start(pages, gib, 2 * Region::min_bytes - 1));
  pages.most_bytes = Region::min_bytes - 1;
  CHECK_FALSE(region.start(pages, gib, SIZE_MAX));
  CHECK(region.base() == nullptr);
}

TEST_CASE("Region: the address space left follows RLIMIT_AS", "[pages][no_tsan]") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_AS, &before) == 0);
  if (before.rlim_cur == RLIM_INFINITY) CHECK(address_space_left() == SIZE_MAX);
  rlimit limited = before;
  limited.rlim_cur = std::size_t{1} << 46;  // Above what a sanitizer maps.
  if (::setrlimit(RLIMIT_AS, &limited) != 0) return;
  const std::size_t left = address_space_left();
  void* const more = os_pages().reserve(gib, page_bytes);
  const std::size_t less = address_space_left();
  ::setrlimit(RLIMIT_AS, &before);
  if (more == nullptr) return;  // A sanitizer's shadow is larger than the limit.
  CHECK(left < limited.rlim_cur);
  CHECK(left - less >= gib);
  CHECK(left - less < gib + 64 * mib);
  os_pages().release(more, gib);
}

TEST_CASE("MemoryBudget: refuses beyond the limit, remembers the peak", "[pages]") {
  MemoryBudget budget;
  budget.set_limit(100);
  CHECK(budget.charge(60));
  CHECK_FALSE(budget.charge(41));
  CHECK(budget.refusals() == 1);
  CHECK(budget.charge(40));
  budget.charge_held(10);
  CHECK(budget.held_bytes() == 110);
  CHECK_FALSE(budget.charge(1));
  budget.refund(50);
  CHECK(budget.peak_bytes() == 110);
  budget.reset_peak();
  CHECK(budget.peak_bytes() == 60);
}

}  // namespace
}  // namespace sqlitemem
