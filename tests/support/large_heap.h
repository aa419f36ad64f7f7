// Large objects of one's own: a small region, a page source that can fail, a budget without a
// limit.
#pragma once

#include <cstddef>

#include "allocators/base/bytes.h"
#include "allocators/large/large_objects.h"
#include "tests/support/catch.h"
#include "tests/support/failing_pages.h"

namespace sqlitemem::tests {

struct LargeHeap {
  explicit LargeHeap(std::size_t region_bytes = 256 * mib) {
    REQUIRE(region.start(pages, region_bytes, SIZE_MAX, /*stride=*/4 * mib));
    metadata.start(pages, MetadataHeap::max_block_bytes);
    REQUIRE(objects.start(region.large, metadata, pages, budget));
  }
  ~LargeHeap() {
    objects.stop();
    CHECK(budget.held_bytes() == 0);
    CHECK(metadata.used_bytes() == 0);
    metadata.stop();
    region.stop();
  }
  LargeHeap(const LargeHeap&) = delete;
  LargeHeap& operator=(const LargeHeap&) = delete;

  [[nodiscard]] std::size_t area_bytes() const { return region.bytes() / 2; }

  FailingPages pages;
  Region region;
  MetadataHeap metadata;
  MemoryBudget budget;
  LargeObjects objects;
};

}  // namespace sqlitemem::tests
