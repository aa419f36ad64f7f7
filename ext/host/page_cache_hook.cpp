// xInit to xShrink: thin calls into the pool, and the fork in the road for older caches.
#include "ext/host/page_cache_hook.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>

#include "allocators/base/lock.h"
#include "allocators/manager/process_pool.h"
#include "allocators/pool/page_cache.h"
#include "ext/host/memory_limits.h"
#include "ext/host/page_trace.h"
#include "ext/pressure/pressure_callback.h"

namespace sqlitemem::ext {
namespace {

// SQLite sees the beginning of a Frame.
static_assert(offsetof(sqlite3_pcache_page, pBuf) == offsetof(Frame, data));
static_assert(offsetof(sqlite3_pcache_page, pExtra) == offsetof(Frame, extra));

constinit sqlite3_pcache_methods2 previous_cache{};
constinit std::atomic<bool> page_cache_in_force{false};

/// Handles that are not ours, in order of first use.
struct LegacyHandles {
  Lock lock;
  std::vector<std::pair<sqlite3_pcache*, std::uint64_t>> all SQLITEMEM_GUARDED_BY(lock);
  std::uint64_t next_id SQLITEMEM_GUARDED_BY(lock) = 1;
};
void hold_legacy_for_fork() noexcept;
void release_legacy_after_fork() noexcept;

// Leaked on purpose: caches may close after static destructors have run.
LegacyHandles& legacy() {
  static auto* const handles = [] {
    ::pthread_atfork(hold_legacy_for_fork, release_legacy_after_fork, release_legacy_after_fork);
    return new LegacyHandles;
  }();
  return *handles;
}

// In the child, nobody would let go of a lock that another thread held.
void hold_legacy_for_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY { legacy().lock.lock(); }
void release_legacy_after_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY { legacy().lock.unlock(); }

/// The handle used last by this thread, so that most calls on an old cache need no lock.
[[gnu::tls_model("initial-exec")]] constinit thread_local sqlite3_pcache* last_legacy = nullptr;
[[gnu::tls_model("initial-exec")]] constinit thread_local std::vector<AskedCache>* listener =
    nullptr;

void note_legacy(sqlite3_pcache* handle) noexcept {
  if (handle == last_legacy) return;
  last_legacy = handle;
  try {
    const LockGuard guard(legacy().lock);
    auto& all = legacy().all;
    const auto is_same = [handle](const auto& each) { return each.first == handle; };
    if (std::none_of(all.begin(), all.end(), is_same)) all.emplace_back(handle, legacy().next_id++);
  } catch (...) {  // No memory to remember it; it works all the same.
  }
}

[[gnu::noinline]] sqlite3_pcache_page* fetch_legacy(sqlite3_pcache* handle, unsigned key,
                                                    int create_flag) noexcept {
  note_legacy(handle);
  return previous_cache.xFetch(handle, key, create_flag);
}

void forget_legacy(sqlite3_pcache* handle) noexcept {
  const LockGuard guard(legacy().lock);
  std::erase_if(legacy().all, [handle](const auto& each) { return each.first == handle; });
  last_legacy = nullptr;
}

PageCache* cache_of(sqlite3_pcache* handle) noexcept {
  return reinterpret_cast<PageCache*>(handle);
}
PageCache* ours(sqlite3_pcache* handle) noexcept {
  return process_pool().owns(handle) ? cache_of(handle) : nullptr;
}
Frame* frame_of(sqlite3_pcache_page* page) noexcept { return reinterpret_cast<Frame*>(page); }
sqlite3_pcache_page* page_of(Frame* frame) noexcept {
  return reinterpret_cast<sqlite3_pcache_page*>(frame);
}

// The previous methods too: their mutex is made there, and SQLite takes scratch pages from them.
int page_cache_hook_init(void*) {
  if (previous_cache.xInit != nullptr) {
    if (const int rc = previous_cache.xInit(previous_cache.pArg); rc != SQLITE_OK) return rc;
  }
  const bool is_ours = start_process_pool(pool_growth, tell_refusal);
  if (is_ours) start_page_trace();
  page_cache_in_force.store(is_ours, std::memory_order_release);
  return SQLITE_OK;
}

// The pool goes on: caches may be closed until the last instruction of the process.
void page_cache_hook_shutdown(void*) {
  page_cache_in_force.store(false, std::memory_order_release);
  if (previous_cache.xShutdown != nullptr) previous_cache.xShutdown(previous_cache.pArg);
}

sqlite3_pcache* hook_create(int page, int extra, int is_purgeable) {
  if (page_cache_in_force.load(std::memory_order_relaxed)) {
    PageCache* cache = process_pool().create(static_cast<std::size_t>(page),
                                             static_cast<std::size_t>(extra), is_purgeable != 0);
    if (cache != nullptr) return reinterpret_cast<sqlite3_pcache*>(cache);
  }
  return previous_cache.xCreate(page, extra, is_purgeable);
}

void hook_set_size(sqlite3_pcache* handle, int pages) {
  if (PageCache* cache = ours(handle)) {
    return cache->set_weight(static_cast<std::uint32_t>(std::max(0, pages)));
  }
  previous_cache.xCachesize(handle, pages);
}

int hook_page_count(sqlite3_pcache* handle) {
  if (PageCache* cache = ours(handle)) {
    if (listener != nullptr) [[unlikely]]
      listener->push_back(
          {process_pool().id_of(*cache), cache->is_purgeable(), cache->first_page()});
    return static_cast<int>(cache->page_count());
  }
  if (listener != nullptr) listener->push_back({});
  return previous_cache.xPagecount(handle);
}

sqlite3_pcache_page* hook_fetch(sqlite3_pcache* handle, unsigned key, int create_flag) {
  if (!process_pool().owns(handle)) [[unlikely]]
    return fetch_legacy(handle, key, create_flag);
  return page_of(cache_of(handle)->fetch(key, static_cast<FetchMode>(create_flag)));
}

void hook_unpin(sqlite3_pcache* handle, sqlite3_pcache_page* page, int is_discarded) {
  if (!process_pool().owns(handle)) [[unlikely]]
    return previous_cache.xUnpin(handle, page, is_discarded);
  cache_of(handle)->unpin(*frame_of(page), is_discarded != 0);
}

void hook_rekey(sqlite3_pcache* handle, sqlite3_pcache_page* page, unsigned from, unsigned to) {
  if (PageCache* cache = ours(handle)) return cache->rekey(*frame_of(page), to);
  previous_cache.xRekey(handle, page, from, to);
}

void hook_truncate(sqlite3_pcache* handle, unsigned first) {
  if (PageCache* cache = ours(handle)) return cache->truncate(first);
  previous_cache.xTruncate(handle, first);
}

void hook_destroy(sqlite3_pcache* handle) {
  if (PageCache* cache = ours(handle)) return process_pool().destroy(*cache);
  forget_legacy(handle);
  previous_cache.xDestroy(handle);
}

void hook_shrink(sqlite3_pcache* handle) {
  if (PageCache* cache = ours(handle)) return cache->shrink();
  if (previous_cache.xShrink != nullptr) previous_cache.xShrink(handle);
}

sqlite3_pcache_page* traced_fetch(sqlite3_pcache* handle, unsigned key, int create_flag) {
  PageCache* cache = ours(handle);
  if (cache == nullptr) return hook_fetch(handle, key, create_flag);
  const bool was_pinned = cache->has_pinned(key);
  sqlite3_pcache_page* page = hook_fetch(handle, key, create_flag);
  if (page != nullptr)
    trace_fetch(*cache, {.number = key, .was_pinned = was_pinned, .is_lookup = create_flag == 0});
  return page;
}

void traced_truncate(sqlite3_pcache* handle, unsigned first) {
  if (const PageCache* cache = ours(handle)) trace_truncation(*cache, first);
  hook_truncate(handle, first);
}

void traced_destroy(sqlite3_pcache* handle) {
  if (const PageCache* cache = ours(handle)) trace_destruction(*cache);
  hook_destroy(handle);
}

constexpr sqlite3_pcache_methods2 methods = {
    .iVersion = 1,
    .pArg = nullptr,
    .xInit = page_cache_hook_init,
    .xShutdown = page_cache_hook_shutdown,
    .xCreate = hook_create,
    .xCachesize = hook_set_size,
    .xPagecount = hook_page_count,
    .xFetch = hook_fetch,
    .xUnpin = hook_unpin,
    .xRekey = hook_rekey,
    .xTruncate = hook_truncate,
    .xDestroy = hook_destroy,
    .xShrink = hook_shrink,
};

/// Installed instead, so that nobody else pays for traces.
constexpr sqlite3_pcache_methods2 traced_methods = [] {
  sqlite3_pcache_methods2 traced = methods;
  traced.xFetch = traced_fetch;
  traced.xTruncate = traced_truncate;
  traced.xDestroy = traced_destroy;
  return traced;
}();

}  // namespace

const sqlite3_pcache_methods2& page_cache_methods() noexcept {
  return page_trace_is_wanted() ? traced_methods : methods;
}

bool is_our_page_cache(const sqlite3_pcache_methods2& other) noexcept {
  return other.xFetch == page_cache_methods().xFetch && other.xCreate == methods.xCreate;
}

void set_previous_page_cache(const sqlite3_pcache_methods2& other) noexcept {
  previous_cache = other;
}
const sqlite3_pcache_methods2& previous_page_cache() noexcept { return previous_cache; }

bool pool_is_ours() noexcept { return page_cache_in_force.load(std::memory_order_acquire); }

// Its owner cannot destroy it meanwhile: that takes the same lock first.
std::vector<LegacyCache> legacy_caches() {
  std::vector<LegacyCache> rows;
  const LockGuard guard(legacy().lock);
  for (const auto& [handle, id] : legacy().all) {
    rows.push_back({id, static_cast<std::uint32_t>(previous_cache.xPagecount(handle))});
  }
  return rows;
}

void begin_listening(std::vector<AskedCache>& asked) noexcept { listener = &asked; }
void end_listening() noexcept { listener = nullptr; }

}  // namespace sqlitemem::ext
