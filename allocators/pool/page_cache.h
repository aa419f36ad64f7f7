// The pages of one connection's database: a lookup table over frames of the process's pool.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "allocators/pool/frame.h"
#include "allocators/pool/frame_store.h"
#include "allocators/pool/owner_biased_lock.h"
#include "allocators/pool/page_hash.h"
#include "allocators/pool/policy/policy_set.h"
#include "allocators/pool/pool_adviser.h"
#include "allocators/pool/recent_references.h"

namespace sqlitemem {

class BufferPool;

/// A page cache behind sqlite3_pcache. The owner (SQLite serialises the calls on one cache) enters
/// the cache's lock with two plain stores; others enter it to take unpinned pages away, holding the
/// pool's lock. Hits, and most misses of a cache that is full, touch nothing that other connections
/// use: each cache has an eviction policy of its own, and the pool tells it now and then how many
/// misses it may serve with frames of its own pages.
///
/// Memory: slots are never unmapped and are used again, so that the pool may look at any slot.
class alignas(64) PageCache {
 public:
  [[nodiscard]] Frame* fetch(std::uint32_t key, FetchMode mode) noexcept;
  /// `is_discarded`: the page's content is void.
  void unpin(Frame& frame, bool is_discarded) noexcept;
  /// The page gets another number; a page that has it already is dropped.
  void rekey(Frame& frame, std::uint32_t key) noexcept;
  /// Drops all pages numbered `first` and above, pinned ones too.
  void truncate(std::uint32_t first) noexcept;
  /// Drops all unpinned pages and returns their memory to the operating system.
  void shrink() noexcept;
  void set_weight(std::uint32_t pages) noexcept;
  [[nodiscard]] std::uint32_t page_count() const noexcept {
    return frames_.load(std::memory_order_relaxed);
  }
  /// Whether SQLite holds the page. For the owner.
  [[nodiscard]] bool has_pinned(std::uint32_t key) noexcept;
  /// When the first page was last taken into use, and by which thread: SQLite holds it for as long
  /// as a transaction on the database is open, so that is when and who. 0: never.
  struct FirstPage {
    std::uint64_t used_at_ns = 0;  ///< coarse_clock_ns()
    std::uint64_t thread_id = 0;
  };
  /// Any thread, while the cache is open.
  [[nodiscard]] FirstPage first_page() const noexcept {
    return {first_page_at_ns_.load(std::memory_order_relaxed),
            first_page_thread_.load(std::memory_order_relaxed)};
  }
  /// false: an in-memory database.
  [[nodiscard]] bool is_purgeable() const noexcept { return is_purgeable_; }

 private:
  friend class BufferPool;
  friend struct PoolTestAccess;
  static constexpr std::uint32_t first_buckets = 16;  // In the slot itself: most caches are small.
  static constexpr std::uint32_t many_buckets = 1 << 12, very_many_buckets = 1 << 14;
  static constexpr std::uint32_t max_batch = 32;
  /// In units of the pool's time: after that, another cache's pages may be much older than ours.
  static constexpr std::uint32_t longest_turns = 8;
  using Counter = std::atomic<std::uint64_t>;  // Written by the owner only.

  static void count(Counter& counter, std::uint64_t by = 1) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  void add_frames(std::int32_t by) noexcept {
    frames_.store(frames_.load(std::memory_order_relaxed) + static_cast<std::uint32_t>(by),
                  std::memory_order_relaxed);
  }
  /// Of pages, pinned or not, that were there or not.
  [[nodiscard]] std::uint64_t references() const noexcept {
    return hits_.load(std::memory_order_relaxed) + pinned_hits_.load(std::memory_order_relaxed) +
           misses_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t pinned_count() const noexcept {
    return pinned_.load(std::memory_order_relaxed);
  }
  void add_pinned(std::int32_t by) noexcept {
    pinned_.store(pinned_count() + static_cast<std::uint32_t>(by), std::memory_order_relaxed);
  }
  [[nodiscard]] Frame* find(std::uint32_t key) const noexcept {
    Frame* frame = buckets_[key & mask_];
    while (frame != nullptr && frame->page_number() != key) frame = frame->next;
    return frame;
  }
  /// Whether what its pages need is too much for the processor's own cache. A little of that costs
  /// a miss more than looking ahead does, but not a hit.
  [[nodiscard]] bool is_large() const noexcept { return mask_ >= many_buckets - 1; }
  [[nodiscard]] bool is_very_large() const noexcept { return mask_ >= very_many_buckets - 1; }
  /// What a fetch touches beside the frame itself, all at once instead of after it has come: behind
  /// it SQLite counts references and looks whether the page is initialised (up to 130 bytes from
  /// the frame on, in 3.40 and 3.53), and then it looks at the data.
  [[gnu::always_inline]] void prefetch(const Frame& frame) const noexcept {
    const auto* header = reinterpret_cast<const std::byte*>(&frame);
    __builtin_prefetch(header + 64, 1);
    __builtin_prefetch(header + 128, 1);
    __builtin_prefetch(locator_.data_of(&frame));
  }
  void prefetch_victim() const noexcept;
  [[nodiscard]] std::uint32_t spares() const noexcept {
    return spare_count_.load(std::memory_order_relaxed);
  }
  void push_spare(Frame& frame) noexcept {
    // A free frame has no page number: SQLite's begin at 1.
    frame.set_page_number(0);
    spare_[spares()] = &frame;
    spare_count_.store(spares() + 1, std::memory_order_relaxed);
  }
  [[nodiscard]] Frame& pop_spare() noexcept {
    spare_count_.store(spares() - 1, std::memory_order_relaxed);
    return *spare_[spares()];
  }
  // With the lock entered; these leave it. What a hit does not need is out of line and called last,
  // so that a hit saves no registers.
  [[nodiscard]] Frame* fetch_entered(std::uint32_t key, FetchMode mode) noexcept;
  [[nodiscard]] Frame* fetch_far(std::uint32_t key, FetchMode mode) noexcept;
  /// `frame`: what was found.
  [[nodiscard, gnu::always_inline]] Frame* answer(Frame* frame, std::uint32_t key,
                                                  FetchMode mode) noexcept;
  [[nodiscard]] Frame* fetch_absent(std::uint32_t key, FetchMode mode) noexcept;
  [[nodiscard]] Frame* reference_otherwise(Frame& frame) noexcept;
  void unpin_entered(Frame& frame, bool is_discarded) noexcept;
  void unpin_otherwise(Frame& frame, bool is_discarded) noexcept;
  // These enter it, too.
  [[nodiscard]] Frame* wait_and_fetch(std::uint32_t key, FetchMode mode) noexcept;
  void wait_and_unpin(Frame& frame, bool is_discarded) noexcept;

  /// For the policy.
  void read_time() noexcept;
  /// A frame of the page that goes next. nullptr: the pool has to be asked.
  [[nodiscard, gnu::always_inline]] Frame* recycle(FetchMode mode) noexcept;
  /// The best victim, taken out of table and policy. nullptr: every page is pinned.
  [[nodiscard, gnu::always_inline]] Frame* evict_one() noexcept;
  [[nodiscard]] Frame* take_victim() noexcept;  // The same, for the pool.
  [[nodiscard]] Frame* take_frame(FetchMode mode) noexcept;
  [[gnu::always_inline]] void make_page(Frame& frame, std::uint32_t key) noexcept;
  /// Who is to be told of references to this page.
  void watch(Frame& frame, std::uint32_t key) noexcept;
  /// The adviser's name for a page: another one after each time that the cache dropped its pages,
  /// because then they have to be read again whatever the budget.
  [[nodiscard]] std::uint64_t advice_hash(std::uint32_t key) const noexcept {
    return mix_bits(advice_seed_.load(std::memory_order_relaxed) + key);
  }
  void begin_generation() noexcept {
    advice_seed_.store(mix_bits(id_ << 32 | ++generation_), std::memory_order_relaxed);
  }
  void note_sampled(const Frame& frame) noexcept;
  void note_first_page() noexcept;
  /// Out of the pool's lock, as far as it can be: this is long work.
  void give_samples() noexcept;
  void link(Frame& frame, std::uint32_t key) noexcept {
    Frame*& bucket = buckets_[key & mask_];
    frame.next = bucket;
    bucket = &frame;
  }
  void unlink(Frame& frame) noexcept {
    Frame** place = &buckets_[frame.page_number() & mask_];
    while (*place != &frame) place = &(*place)->next;
    *place = frame.next;
  }
  [[nodiscard]] std::size_t table_bytes(std::uint32_t buckets) const noexcept;
  void grow_table() noexcept;
  /// Takes every page for which `is_meant` out of the table, as a list through `next`.
  template <class Predicate>
  [[nodiscard]] Frame* take_out(std::uint32_t first, Predicate is_meant) noexcept;
  [[nodiscard]] Frame* take_out_all() noexcept;
  void reset_table() noexcept;

  // What a hit needs is one cache line; a far one looks at the next, too.
  OwnerBiasedLock lock_;
  std::uint32_t mask_ = first_buckets - 1;
  bool is_purgeable_ = true;  // false: an in-memory database, whose pages are never evicted.
  bool is_mark_ = true;       // A reference is a mark.
  KindIndex kind_ = 0;
  Frame** buckets_ = nullptr;
  BufferPool* pool_ = nullptr;
  Counter hits_{0}, pinned_hits_{0};
  std::atomic<std::uint32_t> pinned_{0};
  std::atomic<std::uint32_t> frames_{0};
  std::uint32_t last_unpinned_ = 0;  // A hint: SQLite writes a page in order to free one.

  PageLocator locator_;

  // What a miss needs.
  Counter misses_{0};  // Pages that were made.
  Counter evictions_{0}, ghost_hits_{0};
  std::uint32_t turns_left_ = 0;  // Misses that it may serve itself …
  std::uint32_t turns_from_ = 0;  // … for some time after this.
  std::uint32_t max_key_ = 0;     // No page has a greater number.
  std::atomic<std::uint32_t> spare_count_{0};
  PolicySet policy_;

  Counter refusals_{0};              // createFlag 1 answered with nullptr: SQLite spills.
  std::uint32_t refusals_left_ = 0;  // Of createFlag 1, before another search for victims.
  std::uint32_t batch_ = 1;
  std::uint32_t slot_ = 0;  // Its number.
  std::uint32_t sampled_count_ = 0;
  std::uint32_t generation_ = 0;  // The pages were all dropped so many times.
  std::atomic<std::uint64_t> advice_seed_{0};
  std::atomic<std::uint64_t> first_page_at_ns_{0}, first_page_thread_{0};  // By the owner only.

  // Below: under the pool's lock.
  alignas(64) PageCache* next_ = nullptr;  // In the list of open, or of free slots.
  PageCache* previous_ = nullptr;
  std::uint64_t skip_round_ = 0;                  // Of no use in this round of evictions.
  std::atomic<std::uint32_t> floor_frames_{0};    // No other connection takes pages below this.
  std::uint32_t oldest_at_ = 0;                   // The pool's time when its next victim came, …
  std::uint32_t age_percent_ = 100;               // … and how much the time since then counts.
  std::atomic<std::uint32_t> weight_pages_{100};  // PRAGMA cache_size; 100 is SQLite's first value.
  std::uint64_t misses_seen_ = 0, evictions_seen_ = 0;
  std::uint64_t id_ = 0;  // Unique in the process.
  std::atomic<std::uint64_t> used_at_ns_{0};
  std::uint64_t references_seen_ = 0;  // When the pool looked for idle caches.
  std::uint32_t idle_looks_ = 0;       // So many times in a row there was no new one.
  std::uint32_t rounds_paid_ = 0;      // Of evictions in a row, with own pages: up to a few.
  std::uint32_t rounds_alone_ = 0;     // Of evictions, in which it takes no foreign pages.
  std::uint32_t pause_ = 0;            // How many those were at first.

  RecentReferences recent_;
  // References that the adviser will be told.
  std::array<std::uint64_t, PoolAdviser::most_at_once> sampled_{};
  std::array<Frame*, max_batch> spare_{};  // Free frames that this cache holds.
  std::array<Frame*, first_buckets> first_table_{};
};

}  // namespace sqlitemem

#include "allocators/pool/buffer_pool.h"

namespace sqlitemem {

inline Frame* PageCache::answer(Frame* frame, std::uint32_t key, FetchMode mode) noexcept {
  if (frame == nullptr) {
    if (mode != FetchMode::lookup) return fetch_absent(key, mode);
  } else if (frame->is_pinned()) {
    count(pinned_hits_);
  } else {
    frame->set_pinned(true);
    add_pinned(1);
    count(hits_);
    if (frame->is_watched()) [[unlikely]]
      return reference_otherwise(*frame);
    frame->record.mark.raise();
  }
  lock_.leave();
  return frame;
}

inline Frame* PageCache::fetch_entered(std::uint32_t key, FetchMode mode) noexcept {
  if (is_very_large()) [[unlikely]]
    return fetch_far(key, mode);
  return answer(find(key), key, mode);
}

inline Frame* PageCache::fetch(std::uint32_t key, FetchMode mode) noexcept {
  if (!lock_.begin_entering()) [[unlikely]]
    return wait_and_fetch(key, mode);
  return fetch_entered(key, mode);
}

inline void PageCache::unpin_entered(Frame& frame, bool is_discarded) noexcept {
  if (is_discarded || pool_->is_over_budget()) [[unlikely]]
    return unpin_otherwise(frame, is_discarded);
  frame.set_pinned(false);
  add_pinned(-1);
  last_unpinned_ = frame.page_number();
  lock_.leave();
}

inline void PageCache::unpin(Frame& frame, bool is_discarded) noexcept {
  if (!lock_.begin_entering()) [[unlikely]]
    return wait_and_unpin(frame, is_discarded);
  unpin_entered(frame, is_discarded);
}

}  // namespace sqlitemem
