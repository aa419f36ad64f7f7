// A buffer pool of a test's own, over page memory that can be made to fail.
#pragma once

#include <cstdlib>
#include <new>
#include <string>

#include "allocators/pool/buffer_pool.h"
#include "allocators/pool/page_cache.h"
#include "tests/support/catch.h"
#include "tests/support/failing_pages.h"

namespace sqlitemem {

/// What tests may do that others may not.
struct PoolTestAccess {
  /// For the end of a test: nobody else is in the pool.
  static void close_all(BufferPool& pool) SQLITEMEM_NO_THREAD_SAFETY {
    while (pool.open_ != nullptr) pool.destroy(*pool.open_);
  }
};

}  // namespace sqlitemem

namespace sqlitemem::tests {

inline constexpr std::size_t test_page = 4096, test_extra = 216;

/// What a connection's page costs with the sizes above.
inline constexpr std::uint64_t test_frame_bytes = test_page + frame_header_bytes(test_extra);

inline PolicyKind policy_named(std::string_view name) {
  for (std::size_t i = 0; i < policy_names.size(); ++i) {
    if (policy_names[i] == name) return static_cast<PolicyKind>(i);
  }
  throw std::runtime_error("no such policy");
}

class TestPool {
 public:
  struct Options {
    std::size_t extents = 64;
    std::size_t mapped_extents = 0;  ///< Beyond these.
    std::uint64_t budget_frames = 100;
    std::string_view policy = policy_names.front();
    std::uint64_t limit_bytes = MemoryBudget::unlimited;
    GrowthRule (*growth)() noexcept = nullptr;
  };
  TestPool() : TestPool(Options{}) {}
  explicit TestPool(const Options& options) {
    start_area(extents_, options.extents * extent_bytes);
    start_area(slots_, 64 * kib);
    start_area(tables_, 16 * mib);
    budget.set_limit(options.limit_bytes);
    started =
        pool.start({.extents = &extents_,
                    .extent_limit = options.extents + options.mapped_extents,
                    .slots = &slots_,
                    .tables = &tables_,
                    .pages = &pages,
                    .budget = &budget,
                    .allocate = [](std::size_t bytes) noexcept { return std::calloc(1, bytes); },
                    .release = [](void* block, std::size_t) noexcept { std::free(block); },
                    .growth = options.growth},
                   policy_named(options.policy));
    REQUIRE(started);
    pool.set_budget(options.budget_frames * test_frame_bytes, false);
  }
  ~TestPool() {
    if (started) PoolTestAccess::close_all(pool);
    for (const Area* area : {&extents_, &slots_, &tables_}) {
      pages.release(area->begin(), static_cast<std::size_t>(area->end() - area->begin()));
    }
  }
  TestPool(const TestPool&) = delete;
  TestPool& operator=(const TestPool&) = delete;

  PageCache& create(bool is_purgeable = true, std::size_t page = test_page,
                    std::size_t extra = test_extra) {
    PageCache* cache = pool.create(page, extra, is_purgeable);
    REQUIRE(cache != nullptr);
    return *cache;
  }

  FailingPages pages;
  MemoryBudget budget;
  BufferPool pool;
  bool started = false;

 private:
  void start_area(Area& area, std::size_t bytes) {
    void* begin = pages.reserve(bytes, extent_bytes);
    REQUIRE(begin != nullptr);
    area.start(pages, static_cast<std::byte*>(begin), bytes, page_bytes);
  }
  Area extents_, slots_, tables_;
};

inline void require_sound(BufferPool& pool) {
  const auto broken = pool.find_violation();
  INFO((broken ? std::string(broken->rule) + ": expected " + std::to_string(broken->expected) +
                     ", actual " + std::to_string(broken->actual)
               : ""));
  REQUIRE_FALSE(broken);
}

/// Reads a page and lets go of it.
inline void use_page(PageCache& cache, std::uint32_t number) {
  Frame* frame = cache.fetch(number, FetchMode::always);
  REQUIRE(frame != nullptr);
  cache.unpin(*frame, false);
}
inline void read_pages(PageCache& cache, std::uint32_t first, std::uint32_t pages) {
  for (std::uint32_t number = first; number < first + pages; ++number) use_page(cache, number);
}

}  // namespace sqlitemem::tests
