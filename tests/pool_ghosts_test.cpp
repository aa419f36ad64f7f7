// The two memories of evicted pages against plain models of them, and their checks.
#include <string>
#include <vector>

#include "allocators/pool/policy/ghost_ring.h"
#include "allocators/pool/policy/ghost_table.h"
#include "tests/pool_ghost_models.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {

struct GhostTestAccess {
  template <class Ghosts>
  static ReadableCount& count(Ghosts& ghosts) {
    return ghosts.count_;
  }
  static std::uint32_t& place(GhostTable& table, std::uint32_t bucket, std::uint32_t at) {
    return table.buckets_[bucket].places[at];
  }
};

}  // namespace sqlitemem

namespace sqlitemem::tests {
namespace {

constexpr std::uint32_t max_limit = 400;

template <class Ghosts>
class OwnGhosts {
 public:
  OwnGhosts() : lines_((Ghosts::bytes_needed(max_limit) + 63) / 64) {
    ghosts_.start(lines_.data(), max_limit);
  }
  Ghosts& operator*() { return ghosts_; }
  Ghosts* operator->() { return &ghosts_; }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> lines_;
  Ghosts ghosts_;
};

template <class Ghosts>
std::string broken_rule(const Ghosts& ghosts) {
  const auto broken = ghosts.find_violation();
  return broken ? std::string(broken->rule) : "";
}

/// Different for each page, and good in all bits.
std::uint32_t fingerprint_of(std::uint64_t page) {
  return GhostTable::fingerprint((page + 1) * 0x9E3779B97F4A7C15);
}

}  // namespace

TEST_CASE("Ghost table: any order of operations agrees with the plain model",
          "[pool][policy][property]") {
  const auto seed = GENERATE(range(1U, 9U));
  CAPTURE(seed);
  Random random(seed);
  OwnGhosts<GhostTable> table;
  ModelGhostTable model;
  std::size_t found = 0, resized = 0;
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t page = random.below(600);
    const std::uint64_t key = std::uint64_t{fingerprint_of(page)} << 32;
    const std::size_t what = random.below(200);
    if (what == 0) {
      // Small ones as often as large ones.
      const auto limit = static_cast<std::uint32_t>(random.below(1 + random.below(max_limit + 1)));
      table->set_limit(limit);
      model.set_limit(limit);
      ++resized;
    } else if (what == 1 && random.below(5) == 0) {
      table->clear();
      model.clear();
    } else if (what < 80) {
      const bool is_there = table->take(GhostTable::fingerprint(key));
      REQUIRE(is_there == model.take(key));
      found += is_there ? 1 : 0;
    } else {
      table->push(GhostTable::fingerprint(key));
      model.push(key);
    }
    REQUIRE(table->count() == model.count());
    REQUIRE(table->count() <= table->limit());
    if (what < 2) REQUIRE(broken_rule(*table).empty());
  }
  REQUIRE(found > 500);
  REQUIRE(resized > 50);
}

TEST_CASE("Ghost table: as many evictions are remembered as it has places, give or take a quarter",
          "[pool][policy]") {
  OwnGhosts<GhostTable> table;
  table->set_limit(max_limit);
  std::uint32_t young = 0, old = 0;
  for (std::uint64_t page = 0; page < 4000; ++page) table->push(fingerprint_of(page));
  REQUIRE(table->count() == max_limit);
  for (std::uint64_t ago = 1; ago <= max_limit / 2; ++ago) {
    young += table->take(fingerprint_of(4000 - ago)) ? 1 : 0;
    old += table->take(fingerprint_of(4000 - 3 * max_limit / 2 - ago)) ? 1 : 0;
  }
  REQUIRE(young > max_limit / 2 * 95 / 100);
  REQUIRE(old < max_limit / 2 * 10 / 100);
}

TEST_CASE("Ghost table: the check finds what is broken", "[pool][policy][corruption]") {
  OwnGhosts<GhostTable> table;
  table->set_limit(64);
  for (std::uint64_t page = 0; page < 100; ++page) table->push(fingerprint_of(page));
  REQUIRE(broken_rule(*table).empty());
  SECTION("a wrong count") {
    GhostTestAccess::count(*table).add(1);
    REQUIRE(broken_rule(*table) == "ghosts are as many as counted");
  }
  SECTION("a ghost in another's bucket") {
    GhostTestAccess::place(*table, 3, 0) = 1;
    REQUIRE(broken_rule(*table) == "a ghost is in its own bucket");
  }
  SECTION("a ghost behind the last place") {
    table->set_limit(10);
    GhostTestAccess::place(*table, 0, 12) = 1;
    REQUIRE(broken_rule(*table) == "places that are left out are empty");
  }
}

TEST_CASE("Ghost ring: the check finds a wrong count", "[pool][policy][corruption]") {
  OwnGhosts<GhostRing> ring;
  ring->set_limit(8);
  ring->push(7);
  REQUIRE(broken_rule(*ring).empty());
  GhostTestAccess::count(*ring).add(1);
  REQUIRE(broken_rule(*ring) == "ghosts are as many as counted");
}

}  // namespace sqlitemem::tests
