// A connection's arena through transactions: savepoints, profiles, history, trimming, threads.
#include "allocators/arena/transaction_arenas.h"

#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/counted_chunks.h"

using namespace sqlitemem;
using sqlitemem::tests::CountedChunks;

namespace {

ChunkArea anywhere(const void*) noexcept { return ChunkArea::outside; }

/// A connection on its own.
struct ArenaConnection {
  ArenaDirectory directory;
  CountedChunks chunks;
  TransactionArenaManager memory{directory, chunks, 7};

  void run(std::size_t bytes, bool is_commit = true) {
    memory.begin({});
    for (std::size_t used = 0; used < bytes; used += 1000) REQUIRE(memory.allocate(1000));
    is_commit ? memory.commit() : memory.roll_back();
  }
  ArenaReading read() { return directory.read(anywhere); }
};

}  // namespace

TEST_CASE("Transaction arena: nothing is to be had outside of a transaction", "[arena]") {
  ArenaConnection c;
  CHECK(c.memory.allocate(8) == nullptr);
  CHECK(c.memory.last_refusal() == ArenaRefusal::not_open);
  CHECK(c.read().arenas.empty());
  c.memory.begin({});
  CHECK(c.memory.allocate(8) != nullptr);
  CHECK(c.memory.allocate(0) != nullptr);
  CHECK(c.memory.used_bytes() == 16);
  c.memory.commit();
  CHECK(c.memory.used_bytes() == 0);
  CHECK(c.memory.allocate(8) == nullptr);
  CHECK(c.read().arenas.empty());
  CHECK_FALSE(c.directory.find_violation());
}

TEST_CASE("Transaction arena: a mark stands for the savepoints around it, too", "[arena]") {
  ArenaConnection c;
  c.memory.begin({});
  REQUIRE(c.memory.savepoint(3));  // 0 to 2 were open before the transaction came here.
  CHECK(c.memory.levels() == 4);
  REQUIRE(c.memory.allocate(100));
  c.memory.release(2);
  CHECK(c.memory.levels() == 2);
  CHECK(c.memory.used_bytes() == 104);
  c.memory.roll_back_to(1);
  CHECK(c.memory.used_bytes() == 0);
  CHECK(c.memory.levels() == 2);
  REQUIRE(c.memory.allocate(100));
  c.memory.roll_back_to(1);
  CHECK(c.memory.used_bytes() == 0);
  // Said twice, and of levels that are not there: nothing.
  c.memory.release(5);
  c.memory.roll_back_to(5);
  c.memory.release(0);
  c.memory.release(0);
  CHECK(c.memory.levels() == 0);
  REQUIRE(c.memory.allocate(100));
  c.memory.set_root(&c);
  REQUIRE(c.memory.savepoint(0));
  c.memory.roll_back_to_start();
  CHECK(c.memory.used_bytes() == 0);
  CHECK(c.memory.levels() == 0);
  CHECK(c.memory.root() == nullptr);
  CHECK(c.memory.is_open());
}

TEST_CASE("Transaction arena: random savepoints against a model", "[arena][property]") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u, 5u);
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t bound) { return random() % bound; };
  ArenaConnection c;
  struct State {
    std::uint64_t used = 0;
    std::uintptr_t root = 0;
  };
  State now;
  std::vector<State> marks;
  bool is_open = false;
  for (int step = 0; step < 5000; ++step) {
    CAPTURE(step);
    const std::size_t action = below(20);
    if (!is_open) {
      c.memory.begin({});
      is_open = true;
    } else if (action < 10) {
      const std::size_t bytes = 1 + below(500);
      REQUIRE(c.memory.allocate(bytes) != nullptr);
      now.used += round_up(bytes, 8);
    } else if (action < 12) {
      now.root = random();
      c.memory.set_root(reinterpret_cast<void*>(now.root));
    } else if (action < 16) {
      const std::size_t level = marks.size() + below(2);
      REQUIRE(c.memory.savepoint(level));
      marks.resize(level + 1, now);
    } else if (action < 18 && !marks.empty()) {
      const std::size_t level = below(marks.size());
      c.memory.roll_back_to(level);
      marks.resize(level + 1);
      now = marks.back();
    } else if (action < 19 && !marks.empty()) {
      const std::size_t level = below(marks.size());
      c.memory.release(level);
      marks.resize(level);
    } else if (below(10) == 0) {
      below(2) == 0 ? c.memory.commit() : c.memory.roll_back();
      is_open = false;
      now = {};
      marks.clear();
    }
    REQUIRE(c.memory.used_bytes() == now.used);
    REQUIRE(c.memory.root() == reinterpret_cast<void*>(now.root));
    REQUIRE(c.memory.levels() == marks.size());
    const auto broken = c.memory.find_violation();
    if (broken) FAIL(broken->rule);
  }
}

TEST_CASE("Transaction arena: what may be changed in place is newer than every savepoint",
          "[arena]") {
  ArenaConnection c;
  c.memory.begin({});
  const std::uint64_t first = c.memory.epoch();
  CHECK(c.memory.is_newer_than_marks(first));
  REQUIRE(c.memory.savepoint(0));
  CHECK_FALSE(c.memory.is_newer_than_marks(first));
  const std::uint64_t second = c.memory.epoch();
  CHECK(c.memory.is_newer_than_marks(second));
  REQUIRE(c.memory.savepoint(1));
  CHECK_FALSE(c.memory.is_newer_than_marks(second));
  c.memory.release(1);
  CHECK(c.memory.is_newer_than_marks(second));
  CHECK_FALSE(c.memory.is_newer_than_marks(first));
  c.memory.release(0);
  CHECK(c.memory.is_newer_than_marks(first));
}

TEST_CASE("Transaction arena: at its limit it moves to the next profile, or is refused",
          "[arena]") {
  ArenaConnection c;
  c.memory.begin({});
  REQUIRE(c.memory.profile() == ArenaProfile::tiny);
  for (int i = 0; i < 64; ++i) REQUIRE(c.memory.allocate(kib));
  CHECK(c.memory.profile() == ArenaProfile::tiny);
  REQUIRE(c.memory.allocate(8));
  CHECK(c.memory.profile() == ArenaProfile::small);
  REQUIRE(c.memory.allocate(3 * mib));  // Past the next one.
  CHECK(c.memory.profile() == ArenaProfile::medium);
  CHECK(c.memory.allocate(257 * mib) == nullptr);
  CHECK(c.memory.last_refusal() == ArenaRefusal::over_limit);
  CHECK(c.read().arenas.front().limit_hits == 3);
  c.memory.roll_back();

  c.memory.begin({.profile = ArenaProfile::tiny, .may_grow = false});
  for (int i = 0; i < 64; ++i) REQUIRE(c.memory.allocate(kib));
  CHECK(c.memory.allocate(1) == nullptr);
  CHECK(c.memory.last_refusal() == ArenaRefusal::over_limit);
  CHECK(c.memory.profile() == ArenaProfile::tiny);
  CHECK(c.memory.used_bytes() == 64 * kib);
  CHECK_FALSE(c.directory.find_violation());
}

TEST_CASE("Transaction arena: the profile follows what recent transactions used", "[arena]") {
  ArenaConnection c;
  const auto next_profile = [&] {
    c.memory.begin({});
    const ArenaProfile profile = c.memory.profile();
    c.memory.commit();
    return profile;
  };
  c.run(300'000);
  CHECK(c.memory.expected_bytes() == 300'000);
  CHECK(next_profile() == ArenaProfile::small);
  CHECK(c.memory.expected_bytes() == 225'000);  // That one was empty: a quarter down.
  c.run(1'000'000);
  CHECK(next_profile() == ArenaProfile::medium);
  for (int i = 0; i < 20; ++i) c.run(1000);
  CHECK(next_profile() == ArenaProfile::tiny);
  c.memory.expect(20 * mib);
  CHECK(next_profile() == ArenaProfile::large);
  CHECK(next_profile() == ArenaProfile::tiny);  // A hint is for one transaction.
  c.memory.begin({});
  c.memory.expect(5 * mib);
  CHECK(c.memory.profile() == ArenaProfile::large);
  c.memory.expect(10);
  CHECK(c.memory.profile() == ArenaProfile::large);
}

TEST_CASE("Transaction arena: an end keeps what the next one needs, and idleness gives back",
          "[arena]") {
  ArenaConnection c;
  c.run(1'000'000);
  const std::size_t after_big = c.chunks.live_bytes();
  CHECK(after_big >= 1'000'000);
  for (int i = 0; i < 40; ++i) c.run(1000);
  CHECK(c.chunks.live_bytes() == after_big);  // Lazily.
  const std::uint64_t later = std::uint64_t{1} << 62;
  CHECK(c.directory.trim(0, later, false) == 0);  // Not idle for long enough.
  const std::uint64_t released = c.directory.trim(later, 0, false);
  CHECK(released == after_big - c.chunks.live_bytes());
  CHECK(c.chunks.live_bytes() <= 8 * kib);
  CHECK(c.chunks.live_bytes() >= 1000);
  c.memory.begin({});
  REQUIRE(c.memory.allocate(1000));
  CHECK(c.directory.trim(later, 0, true) == 0);  // In use.
  c.memory.commit();
  c.directory.trim(later, 0, true);
  CHECK(c.chunks.live_bytes() == 0);
  CHECK(c.read().reserved_bytes == 0);
  CHECK_FALSE(c.directory.find_violation());
}

TEST_CASE("Transaction arena: another connection's beginning gives idle memory back", "[arena]") {
  ArenaConnection c;
  c.run(1'000'000);
  for (int i = 0; i < 40; ++i) c.run(1000);
  const std::size_t before = c.chunks.live_bytes();
  TransactionArenaManager other(c.directory, c.chunks, 8);
  other.begin({.profile = std::nullopt, .may_grow = true, .purge_delay_ns = 0});
  CHECK(c.chunks.live_bytes() < before);
}

TEST_CASE("Transaction arena: the reading adds up", "[arena][stats]") {
  ArenaConnection c;
  c.run(10'000);
  c.run(10'000, false);
  c.memory.begin({});
  REQUIRE(c.memory.allocate(100));
  REQUIRE(c.memory.savepoint(0));
  REQUIRE(c.memory.allocate(200));
  REQUIRE(c.memory.allocate(200));
  REQUIRE(c.memory.savepoint(1));
  REQUIRE(c.memory.allocate(300));
  c.memory.roll_back_to(1);
  REQUIRE(c.memory.allocate(48));
  const ArenaReading reading = c.read();
  REQUIRE(reading.arenas.size() == 3);
  const auto& [transaction, outer, inner] =
      std::tie(reading.arenas[0], reading.arenas[1], reading.arenas[2]);
  CHECK(transaction.connection_id == 7);
  CHECK(transaction.arena_id == 3);
  CHECK(transaction.level == 0);
  CHECK(transaction.used_bytes == 104);
  CHECK(transaction.allocations == 1);
  CHECK(transaction.peak_bytes == 104 + 400 + 304);
  CHECK(transaction.commits == 1);
  CHECK(transaction.rollbacks == 1);
  CHECK(transaction.reserved_bytes == c.chunks.live_bytes());
  CHECK(outer.level == 1);
  CHECK(outer.used_bytes == 400);
  CHECK(outer.allocations == 2);
  CHECK(outer.rollbacks == 0);
  CHECK_FALSE(outer.reserved_bytes.has_value());
  CHECK(inner.level == 2);
  CHECK(inner.used_bytes == 48);
  CHECK(inner.allocations == 2);
  CHECK(inner.rollbacks == 1);
  CHECK(reading.used_bytes == 552);
  CHECK(reading.reserved_bytes == c.chunks.live_bytes());
  CHECK(reading.area_bytes[static_cast<std::size_t>(ChunkArea::outside)] == reading.reserved_bytes);
  const ProfileFigures& tiny = reading.profiles[0];
  CHECK(tiny.open_arenas == 1);
  CHECK(tiny.commits == 1);
  CHECK(tiny.rollbacks == 1);
  CHECK(tiny.allocations == 10 + 10 + 5);
  CHECK(tiny.peak_bytes == 10'000);
  CHECK(tiny.used_bytes == 552);
  c.memory.commit();
  c.directory.reset_statistics();
  CHECK(c.read().profiles[0].commits == 0);
}

TEST_CASE("Transaction arena: readers, a trimmer and busy connections do not disturb each other",
          "[arena][threads]") {
  ArenaDirectory directory;
  CountedChunks chunks;
  std::atomic<bool> is_over{false};
  std::thread reader([&] {
    while (!is_over) {
      const ArenaReading reading = directory.read(anywhere);
      std::uint64_t used = 0;
      for (const ArenaFigures& arena : reading.arenas) used += arena.used_bytes;
      if (used != reading.used_bytes) std::abort();
      if (directory.find_violation()) std::abort();
    }
  });
  std::thread trimmer([&] {
    while (!is_over) directory.trim(UINT64_MAX, 0, true);
  });
  std::vector<std::thread> owners;
  for (unsigned owner = 0; owner < 3; ++owner) {
    owners.emplace_back([&, owner] {
      std::mt19937 random(owner);
      TransactionArenaManager memory(directory, chunks, owner);
      for (int transaction = 0; transaction < 150; ++transaction) {
        memory.begin({});
        for (std::size_t step = 0; step < 100; ++step) {
          auto* block = static_cast<char*>(memory.allocate(1 + random() % 2000));
          *block = 1;
          if (random() % 8 == 0 && !memory.savepoint(step % 10)) std::abort();
          if (random() % 16 == 0) memory.roll_back_to(random() % 10);
          if (random() % 16 == 0) memory.release(random() % 10);
        }
        transaction % 2 == 0 ? memory.commit() : memory.roll_back();
      }
    });
  }
  for (std::thread& owner : owners) owner.join();
  is_over = true;
  reader.join();
  trimmer.join();
  CHECK(chunks.live_blocks() == 0);
  const ArenaReading reading = directory.read(anywhere);
  CHECK(reading.reserved_bytes == 0);
  std::uint64_t ended = 0;
  for (const ProfileFigures& profile : reading.profiles) {
    ended += profile.commits + profile.rollbacks;
  }
  CHECK(ended == 450);
}
