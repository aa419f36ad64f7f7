// A hash table of connections whose nodes stay, for readers without a lock, and a list for visits.
#include "ext/plans/plan_registry.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <new>
#include <vector>

#include "allocators/base/lock.h"
#include "ext/plans/admission.h"
#include "ext/plans/guard.h"

namespace sqlitemem::ext::plans {
namespace {

// A connection is looked up with every statement that is prepared or finalized, so without a lock.
// A node never leaves its chain: without a connection it waits for the next one of that chain.
// Whoever looks for a connection uses it, so it is neither being added nor removed meanwhile.
struct Node {
  std::atomic<const sqlite3*> db{nullptr};
  std::atomic<PlanCache*> cache{nullptr};
  std::atomic<Node*> next{nullptr};
};

constexpr std::size_t bucket_count = 1024;
constinit std::array<std::atomic<Node*>, bucket_count> buckets{};

// Held while caches are visited, so that none goes away. A visitor only tries the connections'
// mutexes, so whoever waits for this lock with a mutex in hand waits for no one that needs it.
constinit Lock list_lock;
struct List {
  std::vector<PlanCache*> caches;
  std::size_t hand = 0;  // Where the next search for old plans begins.
};

void hold_list_for_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY { list_lock.lock(); }
void release_list_after_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY { list_lock.unlock(); }

// Leaked on purpose: connections may close after static destructors have run.
List& list() SQLITEMEM_REQUIRES(list_lock) {
  static List* const instance = [] {
    ::pthread_atfork(hold_list_for_fork, release_list_after_fork, release_list_after_fork);
    return new List;
  }();
  return *instance;
}

std::atomic<Node*>& bucket_of(const sqlite3* db) noexcept {
  const auto hash = (reinterpret_cast<std::uintptr_t>(db) >> 4) * 0x9E3779B97F4A7C15U >> 40;
  return buckets[hash % bucket_count];
}

Node* find_node(const sqlite3* db, std::atomic<Node*>& bucket) noexcept {
  Node* node = bucket.load(std::memory_order_acquire);
  while (node != nullptr && node->db.load(std::memory_order_acquire) != db)
    node = node->next.load(std::memory_order_acquire);
  return node;
}

void publish(PlanCache& cache) SQLITEMEM_REQUIRES(list_lock) {
  list().caches.reserve(list().caches.size() + 1);
  std::atomic<Node*>& bucket = bucket_of(cache.db());
  Node* node = find_node(nullptr, bucket);
  if (node == nullptr) {
    node = new Node;
    node->next.store(bucket.load(std::memory_order_relaxed), std::memory_order_relaxed);
    bucket.store(node, std::memory_order_release);
  }
  node->cache.store(&cache, std::memory_order_relaxed);
  node->db.store(cache.db(), std::memory_order_release);
  list().caches.push_back(&cache);
}

void withdraw(PlanCache& cache) noexcept SQLITEMEM_REQUIRES(list_lock) {
  Node* node = find_node(cache.db(), bucket_of(cache.db()));
  if (node != nullptr && node->cache.load(std::memory_order_relaxed) == &cache)
    node->db.store(nullptr, std::memory_order_release);
  std::erase(list().caches, &cache);
}

/// Calls `use()` if nobody else uses the connection. One without a mutex is its program's alone.
template <class Use>
bool use_if_idle(const SqliteCalls& calls, PlanCache& cache, Use use) {
  if (cache.mutex() == nullptr || calls.mutex_try(cache.mutex()) != SQLITE_OK) return false;
  use();
  calls.mutex_leave(cache.mutex());
  return true;
}

/// The connection that has parked a plan longest, of a few from the hand on; nullptr: none of them
/// has an older one than `own`.
PlanCache* find_older(PlanCache& own) noexcept SQLITEMEM_REQUIRES(list_lock) {
  constexpr std::size_t most_asked = 8;
  const std::vector<PlanCache*>& caches = list().caches;
  PlanCache* oldest = nullptr;
  std::uint64_t oldest_ns = own.oldest_ns();
  for (std::size_t asked = 0; asked < std::min(most_asked, caches.size()); ++asked) {
    PlanCache* const cache = caches[list().hand++ % caches.size()];
    if (cache == &own || cache->oldest_ns() >= oldest_ns) continue;
    oldest = cache;
    oldest_ns = cache->oldest_ns();
  }
  return oldest;
}

bool evict_from_older(const SqliteCalls& calls,
                      PlanCache& own) noexcept SQLITEMEM_NO_THREAD_SAFETY {
  if (!list_lock.try_lock()) return false;
  PlanCache* const older = find_older(own);
  const bool is_evicted = older != nullptr && use_if_idle(calls, *older, [older] {
                            if (older->evict_oldest()) older->counters.evictions.add(1);
                          });
  list_lock.unlock();
  return is_evicted;
}

/// Room that others have reserved and do not use, when there is nothing of our own to evict.
void take_back_slack(const SqliteCalls& calls, const PlanCache& own) SQLITEMEM_NO_THREAD_SAFETY {
  if (!list_lock.try_lock()) return;
  for (PlanCache* cache : list().caches)
    if (cache != &own) use_if_idle(calls, *cache, [cache] { cache->release_slack(); });
  list_lock.unlock();
}

}  // namespace

PlanCache* find_cache(const sqlite3* db) noexcept {
  const Node* node = find_node(db, bucket_of(db));
  return node == nullptr ? nullptr : node->cache.load(std::memory_order_relaxed);
}

PlanCache* cache_of(const SqliteCalls& calls, sqlite3* db, Drain drain) noexcept {
  PlanCache* cache = find_cache(db);
  if (cache == nullptr) {
    try {
      auto made = std::make_unique<PlanCache>(calls, db);
      {
        const LockGuard guard(list_lock);
        publish(*made);
      }
      cache = made.release();
      // Takes it over also if it fails: then it is removed already.
      if (!register_guard(calls, *cache)) return nullptr;
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  if (drain == Drain::by_guard && !cache->is_armed) arm_guard(calls, *cache);
  if (drain == Drain::by_interposition && cache->admission == nullptr) {
    cache->admission.reset(new (std::nothrow) Admission);
    if (cache->admission == nullptr) return nullptr;
  }
  return cache;
}

void remove_cache(PlanCache* cache) noexcept {
  cache->drop_parked();
  {
    const LockGuard guard(list_lock);
    withdraw(*cache);
    ProcessTotals& totals = process_totals();
    totals.hits.fetch_add(cache->counters.hits.value(), std::memory_order_relaxed);
    totals.misses.fetch_add(cache->counters.misses.value(), std::memory_order_relaxed);
    totals.evictions.fetch_add(cache->counters.evictions.value(), std::memory_order_relaxed);
  }
  delete cache;
}

void make_room(const SqliteCalls& calls, PlanCache& own) noexcept {
  own.release_slack();
  while (is_over_limits()) {
    if (evict_from_older(calls, own)) continue;
    if (own.parked_plans() <= 1) take_back_slack(calls, own);
    if (!is_over_limits() || !own.evict_oldest()) return;
    own.counters.evictions.add(1);
  }
}

void enforce_limits(const SqliteCalls& calls) noexcept {
  const LockGuard guard(list_lock);
  for (PlanCache* cache : list().caches) {
    if (!is_over_limits()) return;
    use_if_idle(calls, *cache, [cache] {
      cache->release_slack();
      while (is_over_limits() && cache->evict_oldest()) cache->counters.evictions.add(1);
    });
  }
}

std::size_t clear_oldest(const SqliteCalls& calls, unsigned percent) noexcept {
  const LockGuard guard(list_lock);
  std::size_t all = 0, cleared = 0;
  for (const PlanCache* cache : list().caches) all += cache->parked_plans();
  std::size_t wanted = (all * percent + 99) / 100;
  std::vector<PlanCache*> rest;
  try {
    rest = list().caches;
  } catch (const std::bad_alloc&) {
    return 0;
  }
  while (cleared < wanted && !rest.empty()) {
    const auto oldest = std::min_element(rest.begin(), rest.end(),
                                         [](const PlanCache* left, const PlanCache* right) {
                                           return left->oldest_ns() < right->oldest_ns();
                                         });
    PlanCache* const cache = *oldest;
    bool is_dropped = false;
    use_if_idle(calls, *cache, [&] { is_dropped = cache->evict_oldest(); });
    if (is_dropped) {
      ++cleared;
    } else {
      rest.erase(oldest);  // Busy, or empty.
    }
  }
  process_totals().cleared.fetch_add(cleared, std::memory_order_relaxed);
  return cleared;
}

CacheTotals cache_totals() noexcept {
  const ProcessTotals& gone = process_totals();
  CacheTotals totals;
  totals.hits = gone.hits.load(std::memory_order_relaxed);
  totals.misses = gone.misses.load(std::memory_order_relaxed);
  totals.evictions = gone.evictions.load(std::memory_order_relaxed);
  totals.cleared = gone.cleared.load(std::memory_order_relaxed);
  const LockGuard guard(list_lock);
  for (const PlanCache* cache : list().caches) {
    totals.plans += cache->parked_plans();
    totals.bytes += cache->parked_bytes();
    totals.hits += cache->counters.hits.value();
    totals.misses += cache->counters.misses.value();
    totals.evictions += cache->counters.evictions.value();
  }
  return totals;
}

}  // namespace sqlitemem::ext::plans
