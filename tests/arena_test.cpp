// The arena: bump allocation, marks and resets against a model, limits, and memory that runs out.
#include "allocators/arena/arena.h"

#include <cstring>
#include <random>

#include "tests/support/catch.h"
#include "tests/support/counted_chunks.h"

using namespace sqlitemem;
using sqlitemem::tests::CountedChunks;

namespace {

constexpr std::size_t wide_limit = 64 * mib;

void* take(Arena& arena, std::size_t bytes) {
  if (void* block = arena.allocate(bytes)) return block;
  if (arena.grow(bytes) != Arena::Growth::ok) return nullptr;
  return arena.allocate(bytes);
}

/// What the arena must still hold, in the order of allocation.
struct ArenaModel {
  struct Block {
    unsigned char* address;
    std::size_t bytes;
    unsigned char content;
  };
  struct Mark {
    Arena::Position position;
    std::size_t blocks;
    std::uint64_t used;
  };
  std::vector<Block> blocks;
  std::vector<Mark> marks;

  [[nodiscard]] bool is_intact() const {
    for (const Block& block : blocks) {
      for (std::size_t at = 0; at < block.bytes; ++at) {
        if (block.address[at] != block.content) return false;
      }
    }
    return true;
  }
};

}  // namespace

TEST_CASE("Arena: objects are aligned, apart, and writable in full", "[arena]") {
  CountedChunks chunks;
  Arena arena(chunks);
  arena.set_sizes(4 * kib, wide_limit);
  CHECK(arena.allocate(8) == nullptr);
  auto* first = static_cast<char*>(take(arena, 3));
  auto* second = static_cast<char*>(take(arena, 8));
  REQUIRE(first != nullptr);
  CHECK(second == first + 8);
  CHECK(reinterpret_cast<std::uintptr_t>(first) % Arena::alignment == 0);
  CHECK(arena.used_bytes() == 16);
  CHECK(arena.allocations() == 2);
  CHECK(chunks.live_blocks() == 1);
  CHECK(chunks.requests().front() == 4 * kib);
  CHECK_FALSE(arena.find_violation());
}

TEST_CASE("Arena: sizes that cannot be are refused without an overflow", "[arena]") {
  CountedChunks chunks;
  Arena arena(chunks);
  arena.set_sizes(4 * kib, wide_limit);
  REQUIRE(take(arena, 8) != nullptr);
  CHECK(arena.allocate(0) == nullptr);
  CHECK(arena.allocate(SIZE_MAX) == nullptr);
  CHECK(arena.allocate(SIZE_MAX - 8) == nullptr);
  CHECK(arena.grow(SIZE_MAX) == Arena::Growth::over_limit);
  CHECK(arena.grow(SIZE_MAX - 8) == Arena::Growth::over_limit);
  CHECK(arena.used_bytes() == 8);
}

TEST_CASE("Arena: the limit is exact, in mid-chunk as at its end", "[arena]") {
  const std::size_t limit = GENERATE(1000u, 4096u, 4080u, 10000u);
  CAPTURE(limit);
  CountedChunks chunks;
  Arena arena(chunks);
  arena.set_sizes(4 * kib, limit);
  std::size_t used = 0;
  while (take(arena, 8) != nullptr) used += 8;
  // The tail of a chunk may be lost to an object that needed the next one; 8 bytes always fit.
  CHECK(used == limit / 8 * 8);
  CHECK(arena.grow(8) == Arena::Growth::over_limit);
  CHECK_FALSE(arena.find_violation());
  arena.set_sizes(4 * kib, limit + 8);
  CHECK(take(arena, 8) != nullptr);
  CHECK_FALSE(arena.find_violation());
}

TEST_CASE("Arena: a reset frees everything in one step and keeps the chunks", "[arena]") {
  CountedChunks chunks;
  Arena arena(chunks);
  arena.set_sizes(4 * kib, wide_limit);
  for (int i = 0; i < 10'000; ++i) REQUIRE(take(arena, 100) != nullptr);
  const auto reserved = arena.reserved_bytes();
  const auto requests = chunks.requests().size();
  arena.reset();
  CHECK(arena.used_bytes() == 0);
  CHECK(arena.allocations() == 0);
  CHECK(arena.reserved_bytes() == reserved);
  for (int i = 0; i < 10'000; ++i) REQUIRE(take(arena, 100) != nullptr);
  CHECK(chunks.requests().size() == requests);
  CHECK_FALSE(arena.find_violation());
}

TEST_CASE("Arena: the surplus beyond what is kept goes back to the source", "[arena]") {
  CountedChunks chunks;
  Arena arena(chunks);
  arena.set_sizes(4 * kib, wide_limit);
  for (int i = 0; i < 10'000; ++i) REQUIRE(take(arena, 100) != nullptr);
  arena.reset();
  arena.give_back(arena.detach_surplus(100 * kib));
  CHECK(arena.reserved_bytes() >= 100 * kib);
  CHECK(arena.reserved_bytes() < 104 * kib);
  CHECK(chunks.live_bytes() == arena.reserved_bytes());
  CHECK_FALSE(arena.find_violation());
  arena.give_back(arena.detach_surplus(0));
  CHECK(arena.reserved_bytes() == 0);
  CHECK(chunks.live_blocks() == 0);
  CHECK(take(arena, 100) != nullptr);
}

TEST_CASE("Arena: little is reserved beyond what is used", "[arena]") {
  struct Case {
    std::size_t payload_bytes, initial_bytes;
    double most_overhead;
  };
  const auto chosen = GENERATE(Case{10'000, 4 * kib, 0.20}, Case{500'000, 32 * kib, 0.05},
                               Case{500'000, 256 * kib, 0.05}, Case{5'000'000, 2 * mib, 0.03},
                               Case{5'000'000, 4 * kib, 0.03});
  const auto seed = GENERATE(1u, 2u, 3u, 4u);
  CAPTURE(chosen.payload_bytes, chosen.initial_bytes, seed);
  CountedChunks chunks;
  Arena arena(chunks);
  arena.set_sizes(chosen.initial_bytes, wide_limit);
  std::mt19937 random(seed);
  std::uniform_int_distribution<std::size_t> sizes(1, 25);  // Of 8 bytes: 104 on average.
  std::size_t asked = 0;
  while (asked < chosen.payload_bytes) {
    const std::size_t bytes = sizes(random) * 8;
    REQUIRE(take(arena, bytes) != nullptr);
    asked += bytes;
  }
  const double overhead = static_cast<double>(chunks.live_bytes()) / static_cast<double>(asked) - 1;
  CHECK(overhead <= chosen.most_overhead);
}

TEST_CASE("Arena: any order of allocations, marks, rewinds and resets keeps what it must",
          "[arena][property]") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u, 5u, 6u);
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t bound) { return random() % bound; };
  CountedChunks chunks;
  Arena arena(chunks);
  arena.set_sizes(4 * kib, 2 * mib);
  ArenaModel model;
  for (int step = 0; step < 4000; ++step) {
    CAPTURE(step);
    const std::size_t action = below(100);
    if (action < 80) {
      const std::size_t bytes = below(50) == 0 ? 1 + below(20'000) : 1 + below(300);
      auto* block = static_cast<unsigned char*>(take(arena, bytes));
      if (block == nullptr) {
        REQUIRE(arena.used_bytes() + round_up(bytes, 8) > 2 * mib);
        continue;
      }
      const auto content = static_cast<unsigned char>(random());
      std::memset(block, content, bytes);
      model.blocks.push_back({block, bytes, content});
    } else if (action < 90) {
      model.marks.push_back({arena.position(), model.blocks.size(), arena.used_bytes()});
    } else if (action < 97 && !model.marks.empty()) {
      model.marks.resize(1 + below(model.marks.size()));
      arena.rewind(model.marks.back().position);
      model.blocks.resize(model.marks.back().blocks);
      REQUIRE(arena.used_bytes() == model.marks.back().used);
    } else if (action == 99 && below(10) == 0) {
      arena.reset();
      model = {};
      arena.give_back(arena.detach_surplus(below(2) * below(1 * mib)));
    }
    if (step % 20 == 0) {
      REQUIRE(model.is_intact());
      const auto broken = arena.find_violation();
      if (broken) FAIL(broken->rule);
      REQUIRE(chunks.live_bytes() == arena.reserved_bytes());
    }
  }
  REQUIRE(model.is_intact());
}

TEST_CASE("Arena: when the n-th chunk is refused, all before it stays good", "[arena]") {
  for (std::int64_t n = 0; n < 40; ++n) {
    CAPTURE(n);
    CountedChunks chunks;
    chunks.fail_after(n);
    {
      Arena arena(chunks);
      arena.set_sizes(4 * kib, wide_limit);
      std::size_t blocks = 0;
      while (take(arena, 100) != nullptr) ++blocks;
      CHECK(arena.grow(100) == Arena::Growth::no_memory);
      CHECK(arena.allocations() == blocks);
      CHECK(chunks.live_blocks() == static_cast<std::size_t>(n));
      REQUIRE_FALSE(arena.find_violation());
      chunks.heal();
      CHECK(take(arena, 100) != nullptr);
    }
    CHECK(chunks.live_blocks() == 0);
  }
}

TEST_CASE("Arena: a chunk that is refused is asked for again as small as will do", "[arena]") {
  CountedChunks chunks;
  chunks.refuse_above(2000);
  Arena arena(chunks);
  arena.set_sizes(256 * kib, wide_limit);
  CHECK(take(arena, 100) != nullptr);
  CHECK(chunks.live_blocks() == 1);
  CHECK(arena.grow(4000) == Arena::Growth::no_memory);
}

TEST_CASE("Arena: a write to memory that was rolled back is found, where a pattern is kept",
          "[arena]") {
  if (!arena_poison::has_pattern) return;
  CountedChunks chunks;
  Arena arena(chunks);
  arena.set_sizes(4 * kib, wide_limit);
  take(arena, 64);
  const Arena::Position mark = arena.position();
  auto* block = static_cast<char*>(take(arena, 64));
  arena.rewind(mark);
  CHECK_FALSE(arena.find_stale_write());
  block[5] = 1;
  const auto broken = arena.find_stale_write();
  REQUIRE(broken);
  CHECK(broken->address == reinterpret_cast<std::uintptr_t>(block + 5));
  block[5] = static_cast<char>(arena_poison::pattern);
}
