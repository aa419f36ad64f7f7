// The directory of arenas, its fork handlers, and what the options say.
#include "allocators/manager/process_arenas.h"

#include <pthread.h>

#include <atomic>

#include "allocators/arena/transaction_arenas.h"
#include "allocators/base/clock.h"
#include "allocators/config.h"
#include "allocators/manager/process_heap.h"

namespace sqlitemem {
namespace {

constinit ArenaDirectory directory;
constinit Lock arenas_start_lock;
constinit bool has_fork_handlers SQLITEMEM_GUARDED_BY(arenas_start_lock) = false;

constinit std::atomic<bool> may_give_way{false};

// Registered after the heap's, so that they are called before: chunks are given back to the heap
// while the directory is held.
extern "C" void sqlitemem_arenas_before_fork() { directory.hold_for_fork(); }
extern "C" void sqlitemem_arenas_after_fork() { directory.release_after_fork(); }

}  // namespace

ArenaDirectory& process_arenas() noexcept { return directory; }

bool start_process_arenas() noexcept {
  const LockGuard guard(arenas_start_lock);
  if (!has_fork_handlers) {
    has_fork_handlers = ::pthread_atfork(sqlitemem_arenas_before_fork, sqlitemem_arenas_after_fork,
                                         sqlitemem_arenas_after_fork) == 0;
  }
  return has_fork_handlers;
}

void set_arenas_give_way(bool may) noexcept { may_give_way.store(may, std::memory_order_relaxed); }

std::uint64_t make_arenas_give_way() noexcept {
  if (!may_give_way.load(std::memory_order_relaxed)) return 0;
  return directory.trim(coarse_clock_ns(), 0, true);
}

ChunkArea area_of_chunk(const void* chunk) noexcept { return process_heap().area_of(chunk); }

ArenaRules configured_arena_rules() noexcept {
  ArenaRules rules;
  const std::int64_t profile = option(&Config::transaction_arena);
  if (profile > 0) rules.profile = static_cast<ArenaProfile>(profile - 1);
  rules.may_grow = option(&Config::transaction_arena_growth) != 0;
  rules.purge_delay_ns = static_cast<std::uint64_t>(option(&Config::purge_delay)) * 1'000'000;
  return rules;
}

}  // namespace sqlitemem
