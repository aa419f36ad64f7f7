// The page caches against a plain model: random legal calls, checked after each one.
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "tests/support/pool.h"

namespace sqlitemem::tests {
namespace {

/// What SQLite believes of one cache. Pages that are not pinned may vanish, never change.
struct ModelCache {
  struct Page {
    Frame* frame = nullptr;
    bool is_pinned = false;
    std::uint64_t content = 0;
  };
  PageCache* cache = nullptr;
  bool is_purgeable = true;
  std::size_t page = test_page;
  std::map<std::uint32_t, Page> pages;
};

/// Drives a pool with calls that SQLite might make, and compares.
class PoolModel {
 public:
  PoolModel(TestPool& subject, unsigned seed) : subject_(subject), random_(seed) {}
  ~PoolModel() {
    while (!caches_.empty()) destroy(caches_.size() - 1);
  }

  void step() {
    const std::size_t choice = below(100);
    if (caches_.empty() || (choice < 2 && caches_.size() < 6)) return create();
    ModelCache& cache = caches_[below(caches_.size())];
    if (choice < 3) return destroy(below(caches_.size()));
    if (choice < 55)
      return fetch(cache, key(), choice < 10 ? FetchMode::lookup : FetchMode::always);
    if (choice < 60) return fetch(cache, key(), FetchMode::if_easy);
    if (choice < 90) return unpin(cache);
    if (choice < 94) return rekey(cache);
    if (choice < 96) return truncate(cache);
    if (choice < 97) return shrink(cache);
    if (choice < 98) return cache.cache->set_weight(static_cast<std::uint32_t>(below(300)));
    if (choice < 99 && below(2) == 0) return static_cast<void>(subject_.pool.evict(below(40)));
    if (choice < 99)
      return static_cast<void>(subject_.pool.release_bytes(below(2) * extent_bytes + below(9999)));
    subject_.pool.set_budget((5 + below(150)) * test_frame_bytes, below(2) == 0);
  }

  std::vector<ModelCache>& caches() { return caches_; }
  std::size_t refused = 0;

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  std::uint32_t key() {
    const auto far = static_cast<std::uint32_t>(below(20) == 0 ? below(1000000) : below(200));
    return far + 1;
  }

  void create() {
    ModelCache cache;
    cache.is_purgeable = below(4) != 0;
    cache.page = std::size_t{512} << below(8);
    if (below(2) == 0) cache.page = test_page;
    cache.cache = subject_.pool.create(cache.page, test_extra, cache.is_purgeable);
    if (cache.cache != nullptr) caches_.push_back(cache);
  }
  void destroy(std::size_t index) {
    check_all(caches_[index]);
    subject_.pool.destroy(*caches_[index].cache);
    caches_.erase(caches_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  static void check(const ModelCache& cache, const Frame& frame, const ModelCache::Page& page) {
    std::uint64_t first = 0, last = 0;
    std::memcpy(&first, frame.data, sizeof first);
    std::memcpy(&last, static_cast<std::byte*>(frame.data) + cache.page - sizeof last, sizeof last);
    REQUIRE(first == page.content);
    REQUIRE(last == page.content);
    std::uint64_t mark = 0;
    std::memcpy(&mark, frame.extra, sizeof mark);
    REQUIRE(mark == page.content);
  }
  static void check_all(const ModelCache& cache) {
    for (const auto& [number, page] : cache.pages) {
      if (page.is_pinned) check(cache, *page.frame, page);
    }
  }
  void fill(const ModelCache& cache, ModelCache::Page& page) {
    page.content = ++next_content_;
    std::memcpy(page.frame->data, &page.content, sizeof page.content);
    std::memcpy(static_cast<std::byte*>(page.frame->data) + cache.page - sizeof page.content,
                &page.content, sizeof page.content);
    std::memcpy(page.frame->extra, &page.content, sizeof page.content);
    auto* extra_end = static_cast<std::byte*>(page.frame->extra) + test_extra;
    std::memset(extra_end - 8, 0x5A, 8);
  }

  void fetch(ModelCache& cache, std::uint32_t number, FetchMode mode) {
    Frame* frame = cache.cache->fetch(number, mode);
    const auto known = cache.pages.find(number);
    if (frame == nullptr) {
      if (known != cache.pages.end()) REQUIRE_FALSE(known->second.is_pinned);
      cache.pages.erase(number);
      ++refused;
      return;
    }
    REQUIRE(reinterpret_cast<std::uintptr_t>(frame->data) %
                std::min<std::size_t>(cache.page, 4096) ==
            0);
    REQUIRE(reinterpret_cast<std::uintptr_t>(frame->extra) % 8 == 0);
    std::uint64_t mark = 0;
    std::memcpy(&mark, frame->extra, sizeof mark);
    if (mark != 0) {  // It says that it has been here all the time.
      REQUIRE(known != cache.pages.end());
      REQUIRE(known->second.frame == frame);
      check(cache, *frame, known->second);
      known->second.is_pinned = true;
      return;
    }
    REQUIRE(mode != FetchMode::lookup);
    if (known != cache.pages.end()) REQUIRE_FALSE(known->second.is_pinned);
    ModelCache::Page& page = cache.pages[number];
    page = {.frame = frame, .is_pinned = true};
    fill(cache, page);
  }
  ModelCache::Page* any_pinned(ModelCache& cache, std::uint32_t& number) {
    std::vector<std::uint32_t> pinned;
    for (const auto& [each, page] : cache.pages) {
      if (page.is_pinned) pinned.push_back(each);
    }
    if (pinned.empty()) return nullptr;
    number = pinned[below(pinned.size())];
    return &cache.pages[number];
  }
  void unpin(ModelCache& cache) {
    std::uint32_t number = 0;
    ModelCache::Page* page = any_pinned(cache, number);
    if (page == nullptr) return;
    const bool is_discarded = !cache.is_purgeable || below(10) == 0;
    check(cache, *page->frame, *page);
    cache.cache->unpin(*page->frame, is_discarded);
    if (is_discarded)
      cache.pages.erase(number);
    else
      page->is_pinned = false;
  }
  void rekey(ModelCache& cache) {
    std::uint32_t number = 0;
    const ModelCache::Page* page = any_pinned(cache, number);
    const std::uint32_t wanted = key();
    if (page == nullptr || wanted == number) return;
    // SQLite drops a page of that number first; a pinned one it never overwrites.
    if (const auto other = cache.pages.find(wanted);
        other != cache.pages.end() && other->second.is_pinned)
      return;
    const ModelCache::Page moved = *page;
    cache.cache->rekey(*moved.frame, wanted);
    cache.pages.erase(number);
    cache.pages[wanted] = moved;
  }
  void truncate(ModelCache& cache) {
    const std::uint32_t first = key();
    cache.cache->truncate(first);
    cache.pages.erase(cache.pages.lower_bound(first), cache.pages.end());
  }
  void shrink(ModelCache& cache) {
    cache.cache->shrink();
    if (cache.is_purgeable)
      std::erase_if(cache.pages, [](const auto& entry) { return !entry.second.is_pinned; });
  }

  TestPool& subject_;
  std::mt19937 random_;
  std::vector<ModelCache> caches_;
  std::uint64_t next_content_ = 0;
};

}  // namespace

TEST_CASE("page caches keep what SQLite put there, under every policy", "[pool]") {
  const std::string_view policy =
      policy_names[GENERATE(range(std::size_t{0}, std::size_t{policy_count}))];
  const std::uint64_t frames = GENERATE(as<std::uint64_t>{}, 10, 60, 1000);
  const bool is_mapped = GENERATE(false, true);  // Extents come and go with their address space.
  TestPool subject({.extents = is_mapped ? 2U : 64U,
                    .mapped_extents = is_mapped ? 62U : 0U,
                    .budget_frames = frames,
                    .policy = policy});
  {
    PoolModel model(subject, static_cast<unsigned>(frames));
    for (int step = 0; step < 3000; ++step) {
      model.step();
      if (step % 16 == 0) require_sound(subject.pool);
    }
  }
  require_sound(subject.pool);
  CHECK(subject.pool.totals().used_bytes == 0);
  CHECK(subject.pool.totals().unevictable_bytes == 0);
  subject.pool.evict(0);
  CHECK(subject.budget.held_bytes() == 0);
}

TEST_CASE("a page request that fails at any moment is refused or served, never corrupted",
          "[pool]") {
  const bool is_mapped = GENERATE(false, true);
  for (std::int64_t successes = 0; successes < 40; ++successes) {
    TestPool subject({.extents = is_mapped ? 1U : 8U,
                      .mapped_extents = is_mapped ? 7U : 0U,
                      .budget_frames = 40});
    PoolModel model(subject, static_cast<unsigned>(successes));
    subject.pages.fail_after(successes);
    for (int step = 0; step < 300; ++step) model.step();
    require_sound(subject.pool);
    subject.pages.heal();
    for (int step = 0; step < 100; ++step) model.step();
    require_sound(subject.pool);
  }
}

TEST_CASE("a memory limit at any height is kept, and pages are found as long as one is clean",
          "[pool]") {
  const std::uint64_t limit = GENERATE(as<std::uint64_t>{}, 40, 100, 300, 1000) * kib;
  TestPool subject({.extents = 64, .budget_frames = 10000, .limit_bytes = limit});
  PageCache& first = subject.create();
  PageCache& second = subject.create();
  std::size_t served = 0;
  for (std::uint32_t number = 1; number <= 600; ++number) {
    PageCache& cache = number % 2 == 0 ? first : second;
    Frame* frame = cache.fetch(number, FetchMode::always);
    if (frame == nullptr) continue;
    ++served;
    cache.unpin(*frame, false);
    CHECK(subject.budget.held_bytes() <= limit);
  }
  // 40 KiB hold headers and a few pages; each page was clean as soon as it was read.
  CHECK(served == 600);
  require_sound(subject.pool);
  subject.pool.destroy(first);
  subject.pool.destroy(second);
}

}  // namespace sqlitemem::tests
