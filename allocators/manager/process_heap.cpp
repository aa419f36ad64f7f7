// The process's heap: static storage, thread-local cache pointer, pthread handlers.
#include "allocators/manager/process_heap.h"

#include <pthread.h>

#include "allocators/base/lock.h"
#include "allocators/manager/process_pool.h"

namespace sqlitemem {
namespace {

constinit MemoryManager heap;
Lock heap_start_lock;
pthread_key_t exit_key;

/// One pointer of initial-exec thread-local storage: a global-dynamic one doubles the cost of a hot
/// pair in a dlopen'ed library. It is never null, so that the hot path has no "initialised?"
/// branch.
[[gnu::tls_model("initial-exec")]] constinit thread_local ThreadCache* thread_cache = &no_cache;
extern "C" void sqlitemem_thread_exits(void*) { heap.thread_exits(thread_cache); }
// The heap's locks last: who starts it holds heap_start_lock, and takes the others then.
extern "C" void sqlitemem_before_fork() SQLITEMEM_NO_THREAD_SAFETY {
  heap_start_lock.lock();
  config_lock().lock();
  heap.before_fork();
}
extern "C" void sqlitemem_after_fork_in_parent() SQLITEMEM_NO_THREAD_SAFETY {
  heap.after_fork_in_parent();
  config_lock().unlock();
  heap_start_lock.unlock();
}
extern "C" void sqlitemem_after_fork_in_child() SQLITEMEM_NO_THREAD_SAFETY {
  heap.after_fork_in_child(thread_cache);
  config_lock().unlock();
  heap_start_lock.unlock();
}

}  // namespace

MemoryManager& process_heap() noexcept { return heap; }

MemoryManager::StartResult start_process_heap() noexcept {
  const LockGuard guard(heap_start_lock);
  if (heap.is_started()) return MemoryManager::StartResult::already_started;
  static bool handlers_registered = false;
  if (!handlers_registered) {
    if (::pthread_key_create(&exit_key, sqlitemem_thread_exits) != 0)
      return MemoryManager::StartResult::no_memory;
    if (::pthread_atfork(sqlitemem_before_fork, sqlitemem_after_fork_in_parent,
                         sqlitemem_after_fork_in_child) != 0) {
      return MemoryManager::StartResult::no_memory;
    }
    handlers_registered = true;
  }
  heap.set_new_thread_handler(
      [](ThreadCache* cache) noexcept { ::pthread_setspecific(exit_key, cache); });
  const auto result = heap.start({});
  if (result == MemoryManager::StartResult::ok) {
    mark_started();
    add_config_listener([]() noexcept {
      heap.apply_config();
      apply_pool_config();
    });
  }
  return result;
}

void* heap_allocate(std::size_t bytes) noexcept { return heap.allocate(thread_cache, bytes); }

void heap_release(void* block) noexcept { heap.release(thread_cache, block); }

void* heap_resize(void* block, std::size_t bytes) noexcept {
  return heap.resize(thread_cache, block, bytes);
}

std::size_t heap_usable_bytes(const void* block) noexcept { return heap.usable_bytes(block); }

std::size_t heap_round_up(std::size_t bytes) noexcept {
  const std::size_t rounded = heap.round_up(bytes);
  ThreadCache* cache = thread_cache;
  if (!is_placeholder(cache)) cache->hint_request = bytes, cache->hint_rounded = rounded;
  return rounded;
}

void* heap_allocate_rounded(std::size_t bytes) noexcept {
  const ThreadCache* cache = thread_cache;
  // A class learned since may be too small for `bytes`, which is what the caller will use.
  const bool is_hinted =
      bytes == cache->hint_rounded && heap.round_up(cache->hint_request) == bytes;
  return heap.allocate(thread_cache, is_hinted ? cache->hint_request : bytes);
}

CollectResult heap_collect() noexcept { return heap.collect(thread_cache); }

std::optional<Violation> heap_find_violation() noexcept {
  return heap.find_violation(thread_cache);
}

}  // namespace sqlitemem
