// The size-class table keeps its promise, and a slab agrees with a set of numbers.
#include "allocators/slab/slab.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "allocators/slab/size_classes.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem {
namespace {

using tests::Random;

/// Every class in use, by size: what the table is compared with.
std::set<std::size_t> sizes_of(const ClassTable& table) {
  std::set<std::size_t> sizes;
  for (std::size_t index = 0; index < class_slot_count; ++index) {
    if (table.object_bytes(index) != 0) sizes.insert(table.object_bytes(index));
  }
  return sizes;
}

/// The first request that does not get the smallest class that holds it; 0: all do.
std::size_t first_misfit(const ClassTable& table) {
  const std::set<std::size_t> sizes = sizes_of(table);
  for (std::size_t bytes = 1; bytes <= max_cached_bytes; ++bytes) {
    if (table.object_bytes(table.class_for(bytes)) != *sizes.lower_bound(bytes)) return bytes;
  }
  return 0;
}

std::unique_ptr<ClassTable> started_table() {
  auto table = std::make_unique<ClassTable>();
  table->start(/*checks_every_call=*/false);
  return table;
}

/// A slab with its bitmap, as a class heap would make it.
struct OneSlab {
  explicit OneSlab(std::size_t object_bytes, std::uint16_t colour = 0)
      : geometry(SlabGeometry::of(object_bytes)), bitmap(geometry.bitmap_words) {
    slab.free_bits = bitmap.data();
    slab.colour_bytes = static_cast<std::uint16_t>(colour * 64);
  }
  SlabGeometry geometry;
  std::vector<std::uint64_t> bitmap;
  Slab slab{};
};

std::uint16_t idle_pages_by_hand(const OneSlab& one) {
  std::uint16_t busy = 0;
  for (std::uint32_t index = 0; index < one.slab.carved; ++index) {
    if (one.slab.is_free(index)) continue;
    const std::size_t first = one.slab.offset_of(index, one.geometry);
    for (std::size_t at = first; at < first + one.geometry.object_bytes; ++at)
      busy = static_cast<std::uint16_t>(busy | 1U << (at / page_bytes));
  }
  return static_cast<std::uint16_t>(~busy);
}

}  // namespace

TEST_CASE("Size classes: every size gets the smallest class that holds it", "[classes]") {
  CHECK(first_misfit(*started_table()) == 0);
}

TEST_CASE("Size classes: rounding wastes less than an eighth of the block", "[classes]") {
  const auto table = started_table();
  for (std::size_t bytes = 1; bytes <= max_cached_bytes; ++bytes) {
    const std::size_t given = table->object_bytes(table->class_for(bytes));
    const std::size_t most = bytes <= 128                     ? class_granule_bytes
                             : bytes <= max_slab_object_bytes ? given / 8
                                                              : run_granule_bytes;
    if (given - bytes >= most) FAIL("a request of " << bytes << " gets " << given);
  }
  SUCCEED();
}

TEST_CASE("Size classes: the sizes that databases use are exact", "[classes]") {
  const auto table = started_table();
  for (const std::size_t bytes : {64, 128, 192, 256, 384, 512, 1024, 2048, 4096})
    CHECK(table->object_bytes(table->class_for(bytes)) == bytes);
}

TEST_CASE("Size classes: eight learned classes are exact and leave every lookup right",
          "[classes][property]") {
  const auto seed = GENERATE(1U, 2U, 3U, 4U);
  CAPTURE(seed);
  Random random(seed);
  const auto table = started_table();
  std::size_t learned = 0;
  while (learned < learned_class_count) {
    const std::size_t bytes = 16 * random.between(1, max_slab_object_bytes / 16 - 1);
    if (table->object_bytes(table->class_for(bytes)) == bytes) continue;
    CAPTURE(bytes);
    const ClassIndex index = table->learn(bytes, learned_class_count);
    REQUIRE(is_learned_class(index));
    CHECK(table->class_for(bytes) == index);
    CHECK(table->object_bytes(index) == bytes);
    CHECK(table->learned_count() == ++learned);
    REQUIRE(first_misfit(*table) == 0);
  }
  CHECK(table->learn(4112, learned_class_count) == no_class);
  CHECK(first_misfit(*table) == 0);
}

TEST_CASE("Size classes: no more are learned than the limit allows", "[classes]") {
  const auto table = started_table();
  CHECK(table->learn(4368, 0) == no_class);
  CHECK(table->learn(4368, 1) != no_class);
  CHECK(table->learn(1040, 1) == no_class);
  CHECK(table->object_bytes(table->class_for(1040)) == 1152);
}

TEST_CASE("SlabGeometry: objects, colours and slack fit into 64 KiB at every size", "[slab]") {
  for (std::size_t bytes = 16; bytes <= max_slab_object_bytes; bytes += 16) {
    const SlabGeometry g = SlabGeometry::of(bytes);
    CAPTURE(bytes);
    const std::size_t last_colour = (g.colours - 1) * std::size_t{64};
    if (last_colour + g.capacity * bytes > chunk_bytes) FAIL("the last colour runs over the end");
    if ((g.capacity + 1) * bytes <= chunk_bytes) FAIL("one more object would fit");
    if (bytes % page_bytes == 0 && g.colours != 1) FAIL("a colour would break page alignment");
    if (g.bitmap_bytes() > MetadataHeap::max_block_bytes) FAIL("the bitmap is too large");
  }
  SUCCEED();
}

TEST_CASE("Slab: index_of names an object for its first byte and for no other", "[slab]") {
  const auto bytes = GENERATE(16U, 48U, 112U, 192U, 576U, 1152U, 3968U, 4096U, 4112U, 4368U, 4608U);
  CAPTURE(bytes);
  const SlabGeometry g = SlabGeometry::of(bytes);
  for (std::uint32_t colour = 0; colour < g.colours; colour += std::max(1U, g.colours / 3)) {
    OneSlab one(bytes, static_cast<std::uint16_t>(colour));
    for (std::size_t offset = 0; offset < chunk_bytes; ++offset) {
      const auto index = one.slab.index_of(offset, g);
      const std::size_t from_start = offset - colour * 64;
      const bool starts_object =
          offset >= colour * 64 && from_start % bytes == 0 && from_start / bytes < g.capacity;
      if (index.has_value() != starts_object || (index && *index != from_start / bytes))
        FAIL("offset " << offset << ", colour " << colour);
    }
  }
  SUCCEED();
}

TEST_CASE("Slab: any order of take and give agrees with a set of numbers", "[slab][property]") {
  const auto bytes = GENERATE(16U, 80U, 192U, 1024U, 1152U, 3968U, 4096U, 4368U, 4608U);
  const auto seed = GENERATE(1U, 2U);
  CAPTURE(bytes, seed);
  Random random(seed);
  const SlabGeometry g = SlabGeometry::of(bytes);
  OneSlab one(bytes, static_cast<std::uint16_t>(random.below(g.colours)));
  std::vector<std::uint32_t> used;
  for (int step = 0; step < 3000; ++step) {
    // Long waves of filling and emptying, so that the slab is also full and empty.
    const bool fills = random.below(10) < (step / 500 % 2 == 0 ? 8U : 2U);
    if (fills && one.slab.available(g) != 0) {
      const std::uint32_t index = one.slab.take(g);
      REQUIRE(index < g.capacity);
      REQUIRE(std::find(used.begin(), used.end(), index) == used.end());
      used.push_back(index);
    } else if (!fills && !used.empty()) {
      std::swap(used[random.below(used.size())], used.back());
      REQUIRE(one.slab.give(used.back()));
      REQUIRE_FALSE(one.slab.give(used.back()));
      used.pop_back();
    }
    REQUIRE(one.slab.used(g) == used.size());
    REQUIRE(one.slab.available(g) == g.capacity - used.size());
    REQUIRE_FALSE(one.slab.find_violation(g));
    if (step % 50 == 0) REQUIRE(one.slab.idle_pages(g) == idle_pages_by_hand(one));
  }
}

TEST_CASE("Slab: an object that was never handed out cannot be given back", "[slab]") {
  OneSlab one(64);
  REQUIRE(one.slab.take(one.geometry) == 0);
  CHECK_FALSE(one.slab.give(1));
  CHECK_FALSE(one.slab.give(one.geometry.capacity - 1));
  CHECK_FALSE(one.slab.find_violation(one.geometry));
}

TEST_CASE("Slab: a flipped bit or counter is found and named", "[slab][corruption]") {
  OneSlab one(64);
  for (int i = 0; i < 10; ++i) one.slab.take(one.geometry);
  REQUIRE(one.slab.give(3));
  REQUIRE_FALSE(one.slab.find_violation(one.geometry));
  const auto rule = [&] {
    const auto broken = one.slab.find_violation(one.geometry);
    return broken ? std::string(broken->rule) : std::string();
  };
  SECTION("a free object is marked in use") {
    one.bitmap[0] ^= std::uint64_t{1} << 3;
    CHECK(rule() == "slab: free_count == bits set");
  }
  SECTION("an object in use is marked free") {
    one.bitmap[0] ^= 1;
    CHECK(rule() == "slab: free_count == bits set");
  }
  SECTION("an object beyond the carved ones is marked free") {
    one.bitmap[0] ^= std::uint64_t{1} << 20;
    CHECK(rule() == "slab: an object never carved is not marked free");
  }
  SECTION("a bit is set in a word that holds nothing yet") {
    one.bitmap[5] ^= 1;
    CHECK(rule() == "slab: an object never carved is not marked free");
  }
  SECTION("the free counter") {
    ++one.slab.free_count;
    CHECK(rule() == "slab: free_count == bits set");
  }
  SECTION("the carved counter") {
    one.slab.carved = static_cast<std::uint16_t>(one.geometry.capacity + 1);
    CHECK(rule() == "slab: carved <= capacity");
  }
}

}  // namespace sqlitemem
