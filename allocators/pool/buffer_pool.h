// The one buffer pool: a budget of frames for the page caches of all connections of the process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/pages/budget.h"
#include "allocators/pages/page_source.h"
#include "allocators/pages/region.h"
#include "allocators/pool/frame_store.h"
#include "allocators/pool/policy/policy_set.h"
#include "allocators/pool/pool_adviser.h"

namespace sqlitemem {

class PageCache;

/// Whether the pool may take more memory from the operating system.
enum class GrowthRule : std::uint8_t {
  grow,     ///< Within the budget.
  recycle,  ///< A soft limit is reached: pages that may go are used again before new ones are made.
  reserve,  ///< What is left is for caches of few pages: the larger ones get no new ones.
  refuse,   ///< A hard limit is reached: there are no new pages.
};

/// The whole pool in figures. Frames: of every kind; bytes: pages with their headers.
struct PoolTotals {
  std::uint64_t budget_bytes = 0;
  std::uint64_t used_bytes = 0;         ///< Evictable caches: pages held, spare frames included.
  std::uint64_t unevictable_bytes = 0;  ///< In-memory databases: outside the budget.
  std::uint64_t held_bytes = 0;         ///< Charged against memory_limit.
  std::uint64_t free_bytes = 0;         ///< Of held_bytes: pages of free frames, kept for re-use.
  std::uint64_t budget_frames = 0;      ///< What the budget holds at the present mean page size.
  std::uint64_t used_frames = 0, unevictable_frames = 0, spare_frames = 0, pinned_frames = 0;
  std::uint64_t free_frames = 0;
  std::uint64_t hits = 0, pinned_hits = 0, misses = 0, evictions = 0, ghost_hits = 0;
  std::uint64_t refusals = 0;           ///< SQLite was asked to spill instead.
  std::uint64_t foreign_evictions = 0;  ///< Pages that one connection took from another.
  std::uint64_t barriers = 0;           ///< Process-wide fences for that.
  std::uint64_t failures = 0;           ///< Pages that could not be had: SQLITE_NOMEM.
  std::uint64_t caches = 0;
  TierCounts tiers;
  std::string_view policy;
};

/// Resident bytes by what they hold; the OS is asked.
struct PoolResidentBytes {
  std::uint64_t pages = 0;   ///< Frames: data and headers, used or not.
  std::uint64_t tables = 0;  ///< The store's and the adviser's records, and the caches themselves.
};

/// One page cache, for a table.
struct CacheTotals {
  std::uint64_t id = 0;
  const PageCache* cache = nullptr;  ///< Only to compare with: it may be gone.
  bool is_purgeable = true;
  std::uint32_t page_bytes = 0, weight_pages = 0, frames = 0, pinned_frames = 0, floor_frames = 0;
  std::uint64_t frame_bytes = 0;
  std::uint64_t hits = 0, pinned_hits = 0, misses = 0, evictions = 0, refusals = 0;
  std::uint64_t used_at_ns = 0;  ///< coarse_clock_ns() of the last change of its pages.
};

/// One page that is held.
struct PageInfo {
  std::uint64_t cache_id = 0;
  std::uint32_t page_number = 0;
  Tier tier = Tier::none;
  bool is_pinned = false;
  std::optional<std::uint8_t> references;  ///< Remembered uses, where the policy counts them.
};

/// What callers hold, as SQLite counts memory in use.
struct PagesInUse {
  std::uint64_t bytes = 0, frames = 0;
  std::uint64_t peak_bytes = 0, peak_frames = 0;  ///< Since reset_peaks().
};

/// Pages for any number of page caches. Each cache has an eviction policy of its own, for its own
/// pages; the pool decides which cache pays for a page that one of them needs. Locks: `lock_` for
/// the store and the list of caches; a cache's own lock inside it, only ever tried. Nothing is
/// called while `lock_` is held but the page source. Threads: any, per cache one at a time.
///
/// The pool's time is the number of pages made so far, in units of a 256th of its capacity. Each
/// cache publishes since when the page that it would evict next has been in its queue: the cache
/// whose page is oldest pays, which is the order of one policy for all, approximately.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): what threads share is kept apart.
class BufferPool {
 public:
  struct Settings {
    Area* extents = nullptr;  ///< Multiple of extent_bytes, aligned to it.
    /// How many there may be; those beyond the area get mappings of their own. 0: the area's.
    std::size_t extent_limit = 0;
    Area* slots = nullptr;   ///< For PageCache objects.
    Area* tables = nullptr;  ///< For the store and the adviser; lazily resident.
    PageSource* pages = nullptr;
    MemoryBudget* budget = nullptr;
    /// Zeroed memory for lookup tables, and its release. Called without the pool's lock.
    void* (*allocate)(std::size_t bytes) noexcept = nullptr;
    void (*release)(void* block, std::size_t bytes) noexcept = nullptr;
    /// Frees other memory of the process, because a page could not be had. May be null.
    void (*reclaim)() noexcept = nullptr;
    /// Called without the pool's lock, before a cache gets pages. May be null.
    GrowthRule (*growth)() noexcept = nullptr;
    /// Called without the pool's lock, when a page of so many bytes could not be had. May be null.
    void (*refused)(std::size_t bytes) noexcept = nullptr;
  };

  constexpr BufferPool() noexcept = default;
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  /// What Settings::tables has to have room for.
  [[nodiscard]] static std::size_t bytes_of_tables(PolicyKind policy, std::size_t extents) noexcept;
  /// false: the tables could not be had. Once.
  [[nodiscard]] bool start(const Settings& settings, PolicyKind policy) noexcept;
  [[nodiscard]] bool is_started() const noexcept { return settings_.pages != nullptr; }

  /// nullptr: no memory, or sizes that SQLite never asks for.
  [[nodiscard]] PageCache* create(std::size_t page, std::size_t extra, bool is_purgeable) noexcept;
  void destroy(PageCache& cache) noexcept;
  /// Unique in the process. Of an open cache.
  [[nodiscard]] static std::uint64_t id_of(const PageCache& cache) noexcept;
  /// True for the address of a cache of this pool.
  [[nodiscard]] bool owns(const void* cache) const noexcept {
    return reinterpret_cast<std::uintptr_t>(cache) - slots_begin_ < slots_bytes_;
  }

  /// Bytes for evictable pages; `at_least_what_caches_want`: no less than their own sizes add
  /// up to. Too much is evicted now, as far as it is not pinned.
  void set_budget(std::uint64_t bytes, bool at_least_what_caches_want) noexcept;
  /// Evicts up to `frames` unpinned pages, coldest first, and returns their memory to the operating
  /// system; bytes that the pool holds less. Pages of connections that are busy stay.
  std::uint64_t evict(std::uint64_t frames) noexcept;
  /// Returns the memory of frames without a page to the operating system; bytes.
  std::uint64_t trim() noexcept;
  /// Evicts, too, for memory that another part of the process needs now.
  std::uint64_t release_bytes(std::uint64_t bytes) noexcept;
  /// Unpinned pages of evictable caches: what `evict()` counts.
  [[nodiscard]] std::uint64_t evictable_frames() noexcept;

  /// Bytes of pages handed to caches, evictable or not: what counts as in use for SQLite's limits.
  [[nodiscard]] const std::atomic<std::uint64_t>& live_bytes() const noexcept {
    return live_bytes_;
  }
  [[nodiscard]] PagesInUse pages_in_use() noexcept;
  void reset_peaks() noexcept;
  [[nodiscard]] PoolTotals totals() noexcept;
  [[nodiscard]] std::vector<CacheTotals> caches();
  [[nodiscard]] std::vector<PageInfo> pages();
  [[nodiscard]] PoolResidentBytes resident() noexcept;
  /// How full the extents of pages are, along their area.
  [[nodiscard]] FillMap fill_map(std::size_t most_cells);
  /// Whether references are sampled for advice(); they are at first.
  void set_advice(bool is_wanted) noexcept;
  [[nodiscard]] PoolAdvice advice() noexcept;
  void reset_statistics() noexcept;
  /// Requires that no owner is inside a cache, as in tests; else busy caches are passed over.
  [[nodiscard]] std::optional<Violation> find_violation() noexcept;

  // For fork: hold the lock across it.
  Lock& lock() noexcept { return lock_; }
  PoolAdviser& adviser() noexcept { return adviser_; }

  // For PageCache, with that cache's lock entered.
  [[nodiscard]] std::uint32_t time() const noexcept {
    return time_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t bytes_of_ghosts(std::uint32_t pages) const noexcept {
    return PolicySet::bytes_needed(policy_kind_, pages);
  }
  [[nodiscard]] bool is_over_budget() const noexcept {
    return is_over_budget_.load(std::memory_order_relaxed);
  }
  /// `unpinned`: the page that may go now.
  void come_back_to_budget(PageCache& cache, Frame& unpinned) noexcept;
  void discard(PageCache& cache, Frame& frame) noexcept;
  [[nodiscard]] bool refill(PageCache& cache, FetchMode mode) noexcept;
  /// A list, through `next`, of frames that are out of the cache's table.
  void drop(PageCache& cache, Frame* list, KeyMemory memory, bool trims) noexcept;
  void weight_changed() noexcept { plan_is_old_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }

 private:
  friend struct PoolTestAccess;
  static constexpr std::uint32_t max_victims = 64;
  /// Caches below this many pages may use the reserve: those that a statement makes for itself.
  static constexpr std::uint32_t few_pages = 64;
  /// Misses that a cache may serve with its own pages before it asks again who is to pay.
  static constexpr std::uint32_t most_turns = 128;
  /// Twice as many each time that its own pages were again the oldest, up to four times.
  static constexpr std::uint32_t most_doublings = 2;
  /// Caches that are compared for a donor, in turn. Of more, some are a good enough sample.
  static constexpr std::uint32_t compared_caches = 16;
  /// Of a connection's share of the budget, what no other may take away. More of it saves fewer
  /// misses of all eight uneven connections together; less costs the quietest of them too much.
  static constexpr std::uint64_t floor_percent = 75;
  enum class Floors : std::uint8_t { respect, ignore };

  [[nodiscard]] PageCache* new_slot() noexcept SQLITEMEM_REQUIRES(lock_);
  /// What the cache did since the last time: moves the pool's time.
  void account(PageCache& cache) noexcept SQLITEMEM_REQUIRES(lock_);
  /// Tells the others how old the cache's next victim is. With its lock entered.
  void publish_age(PageCache& cache) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] PageCache& cache_of(const Frame& frame) const noexcept {
    const std::size_t slot = frame.owner.load(std::memory_order_relaxed) - std::size_t{1};
    return *reinterpret_cast<PageCache*>(settings_.slots->begin() + slot * slot_unit);
  }
  void return_spares(PageCache& cache) noexcept SQLITEMEM_REQUIRES(lock_);
  void drop_one(PageCache& cache, Frame& frame, KeyMemory memory) noexcept
      SQLITEMEM_REQUIRES(lock_);
  void count_frames(const PageCache& cache, KindIndex kind, std::int64_t by) noexcept
      SQLITEMEM_REQUIRES(lock_);
  void give_back(PageCache& cache, Frame& frame) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] ReferenceCounts references_so_far() const noexcept SQLITEMEM_REQUIRES(lock_);
  void mark_sampled_frames(bool is_new) noexcept SQLITEMEM_REQUIRES(lock_);
  void begin_advice() noexcept SQLITEMEM_REQUIRES(lock_);
  void advice_is_due() noexcept SQLITEMEM_REQUIRES(lock_);
  void adviser_follows_budget() noexcept SQLITEMEM_REQUIRES(lock_);
  void plan() noexcept SQLITEMEM_REQUIRES(lock_);
  void plan_if_old() noexcept SQLITEMEM_REQUIRES(lock_);
  void update_over_budget() noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool is_at_limit() const noexcept SQLITEMEM_REQUIRES(lock_) {
    return used_bytes_ > budget_bytes_ || growth_ != GrowthRule::grow;
  }
  [[nodiscard]] bool take_spare(PageCache& cache, GrowthRule growth) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool take_spare(PageCache& cache) noexcept SQLITEMEM_REQUIRES(lock_);
  void take_spares_in_budget(PageCache& cache, std::uint32_t wanted) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool is_dirty_pressure(const PageCache& cache) const noexcept
      SQLITEMEM_REQUIRES(lock_);
  void ask_about_last_unpinned(PageCache& cache) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool refuses(PageCache& cache) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool refill_unevictable(PageCache& cache, std::uint32_t wanted) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool make_room(PageCache& cache, std::uint32_t wanted, Floors floors) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] GrowthRule growth_of(const PageCache& cache) const noexcept;
  [[nodiscard]] bool refill_once(PageCache& cache, FetchMode mode) noexcept
      SQLITEMEM_REQUIRES(lock_);
  /// Evicts one page of `own` (entered; may be null), or up to `wanted` or a few more of another
  /// cache. Victims that fit go to own's spares. Returns how many pages were evicted.
  std::uint32_t evict_some(PageCache* own, std::uint32_t wanted, Floors floors) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::uint64_t mapped_resident_bytes() noexcept;
  /// Until so much address space has gone back to the operating system, or no more can.
  std::uint64_t release_extents(std::uint64_t bytes) noexcept;
  [[nodiscard]] bool can_empty(std::uint32_t extent) const noexcept SQLITEMEM_REQUIRES(lock_);
  void empty_extent(std::uint32_t extent) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::uint64_t floor_of(const PageCache& cache, std::uint64_t weights) noexcept
      SQLITEMEM_REQUIRES(lock_);
  void look_for_idle_caches() noexcept SQLITEMEM_REQUIRES(lock_);
  void wake(PageCache& cache) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::uint32_t age_of(const PageCache& cache) const noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool has_to_give(const PageCache& cache, Floors floors) const noexcept
      SQLITEMEM_REQUIRES(lock_);
  /// The cache whose next victim is oldest, and how old those of the others are at most.
  struct Donor {
    PageCache* cache = nullptr;
    std::uint32_t age = 0, next_age = 0;
  };
  [[nodiscard]] Donor find_donor(const PageCache* own, std::uint32_t compared,
                                 Floors floors) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] static bool is_below_floor(const PageCache& cache, Floors floors) noexcept;
  [[nodiscard]] bool pays_itself(PageCache& own, const Donor& donor, Floors floors) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::uint32_t evict_own(PageCache& own) noexcept SQLITEMEM_REQUIRES(lock_);
  void grant_turns(PageCache& own, bool is_settled) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::uint32_t evict_foreign(PageCache* own, const Donor& donor, std::uint32_t most,
                                            Floors floors) noexcept SQLITEMEM_REQUIRES(lock_);
  void fit_policy(PageCache& cache, bool is_full) noexcept SQLITEMEM_REQUIRES(lock_);
  void reuse(PageCache* own, PageCache& cache, Frame& frame) noexcept SQLITEMEM_REQUIRES(lock_);
  /// Spares of idle caches, which no policy knows.
  void drain_idle_caches(PageCache* own) noexcept SQLITEMEM_REQUIRES(lock_);
  template <class Use>
  void for_each_idle(PageCache* own, Use use) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::optional<Violation> find_violation_in(PageCache& cache) noexcept
      SQLITEMEM_REQUIRES(lock_);

  static constexpr std::uintptr_t slot_unit = 64;

  // Read by every connection, hardly ever written: apart from what the lock guards.
  alignas(64) Settings settings_;
  std::uintptr_t slots_begin_ = 0, slots_bytes_ = 0;
  PolicyKind policy_kind_{};
  std::atomic<bool> is_over_budget_{false};
  std::atomic<bool> plan_is_old_{true};
  PoolAdviser adviser_;
  // Written by each cache that has made as many pages as it was told to account for.
  alignas(64) std::atomic<std::uint32_t> time_{0};
  alignas(64) Lock lock_;
  std::uint32_t purgeable_caches_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint32_t open_caches_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  FrameStore store_ SQLITEMEM_GUARDED_BY(lock_);
  std::atomic<std::uint64_t> live_bytes_{0};
  bool follows_caches_ SQLITEMEM_GUARDED_BY(lock_) = false;
  bool met_busy_cache_ SQLITEMEM_GUARDED_BY(lock_) = false;     // In the latest search for victims.
  bool passed_busy_cache_ SQLITEMEM_GUARDED_BY(lock_) = false;  // Since refill_once() began.
  GrowthRule growth_ SQLITEMEM_GUARDED_BY(lock_) = GrowthRule::grow;

  PageCache* open_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  PageCache* free_slots_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  PageCache* compared_next_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  std::uint64_t unit_pages_ SQLITEMEM_GUARDED_BY(lock_) = 1;   // Of time.
  std::uint64_t pages_since_ SQLITEMEM_GUARDED_BY(lock_) = 0;  // It moved last.
  std::uint64_t next_id_ SQLITEMEM_GUARDED_BY(lock_) = 1;
  std::uint64_t round_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t evictions_to_idle_look_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t base_budget_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  /// Pages that are made beyond the budget before victims are searched for again: a search that
  /// finds every page pinned costs O(frames).
  std::uint64_t pages_before_search_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t budget_bytes_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t capacity_frames_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t used_bytes_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t used_frames_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t unevictable_bytes_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t unevictable_frames_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t peak_bytes_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t peak_frames_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  static constexpr std::uint64_t never = ~std::uint64_t{0};
  bool is_advice_wanted_ SQLITEMEM_GUARDED_BY(lock_) = true;
  std::uint64_t pages_made_ SQLITEMEM_GUARDED_BY(lock_) = 0;     // For evictable caches.
  std::uint64_t advice_due_at_ SQLITEMEM_GUARDED_BY(lock_) = 0;  // Of pages_made_.
  ReferenceCounts past_references_ SQLITEMEM_GUARDED_BY(lock_);  // Of caches that are gone.
  PoolTotals past_ SQLITEMEM_GUARDED_BY(lock_);  // Counters of caches that are gone; evictions.
};

}  // namespace sqlitemem
