// How a transaction gets its arena, and how the arena of a connection is found.
#include "ext/transactions/connection_arena.h"

#include <pthread.h>

#include <atomic>
#include <memory>
#include <unordered_map>
#include <utility>

#include "allocators/base/clock.h"
#include "allocators/base/lock.h"
#include "allocators/manager/process_arenas.h"
#include "allocators/manager/process_heap.h"
#include "ext/host/connections.h"
#include "ext/host/mode.h"
#include "ext/transactions/enlistment.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

/// SQLite's allocator: our heap, where it is SQLite's. So memory_limit, SQLite's heap limits and
/// its own accounting hold for arenas in every mode.
class SqliteChunks final : public ChunkSource {
 public:
  void* allocate(std::size_t bytes) noexcept override {
    void* const block = sqlite3_malloc64(bytes);
    // What other connections keep for later is in the way.
    if (block != nullptr || process_arenas().trim(coarse_clock_ns(), 0, true) == 0) return block;
    if (heap_is_ours()) heap_collect();
    return sqlite3_malloc64(bytes);
  }
  void release(void* block) noexcept override { sqlite3_free(block); }
  std::size_t usable_bytes(void* block) noexcept override { return sqlite3_msize(block); }
};
constinit SqliteChunks sqlite_chunks;

/// Which connection has which arena. Entered and left with the connection's registration.
struct ArenaRegistry {
  Lock lock;
  std::unordered_map<sqlite3*, std::weak_ptr<ConnectionArena>> arenas SQLITEMEM_GUARDED_BY(lock);
  /// Changes when an arena goes: what threads remember is void then.
  std::atomic<std::uint64_t> generation{1};
};

void hold_arenas_for_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY;
void release_arenas_after_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY;

// Leaked on purpose: connections may close after static destructors have run.
ArenaRegistry& arena_registry() {
  static ArenaRegistry* const instance = [] {
    ::pthread_atfork(hold_arenas_for_fork, release_arenas_after_fork, release_arenas_after_fork);
    return new ArenaRegistry;
  }();
  return *instance;
}

void hold_arenas_for_fork() noexcept { arena_registry().lock.lock(); }
void release_arenas_after_fork() noexcept { arena_registry().lock.unlock(); }

using ConnectionArenaPointer = std::shared_ptr<ConnectionArena>;

struct Remembered {
  sqlite3* db = nullptr;
  ConnectionArena* arena = nullptr;
  std::uint64_t generation = 0;
};
thread_local Remembered remembered;

ConnectionArenaPointer arena_of(sqlite3* db) {
  const LockGuard guard(arena_registry().lock);
  const auto found = arena_registry().arenas.find(db);
  return found == arena_registry().arenas.end() ? nullptr : found->second.lock();
}

void drop_arena(void* share) { delete static_cast<ConnectionArenaPointer*>(share); }

}  // namespace

ConnectionArena::ConnectionArena(sqlite3* db)
    : db_(db), memory_(process_arenas(), sqlite_chunks, connection_id_of(db).value_or(0)) {}

ConnectionArena::~ConnectionArena() {
  const LockGuard guard(arena_registry().lock);
  arena_registry().arenas.erase(db_);
  arena_registry().generation.fetch_add(1, std::memory_order_release);
}

int ConnectionArena::open(std::string& reason) {
  if (memory_.is_open()) return SQLITE_OK;
  if (sqlite3_get_autocommit(db_) != 0) {
    reason = "no transaction is open; BEGIN or SAVEPOINT first";
    return SQLITE_ERROR;
  }
  return enlistment_.enlist(reason);
}

void* ConnectionArena::allocate(std::size_t bytes, int& rc, std::string& reason) {
  rc = open(reason);
  if (rc != SQLITE_OK) return nullptr;
  void* const block = memory_.allocate(bytes);
  if (block == nullptr) rc = refusal(reason);
  return block;
}

int ConnectionArena::refusal(std::string& reason) const {
  if (memory_.last_refusal() != ArenaRefusal::over_limit) {
    reason = "out of memory";
    return SQLITE_NOMEM;
  }
  const ArenaSizes& sizes = sizes_of(memory_.profile());
  reason = "the transaction's memory is at the limit of the profile " + std::string(sizes.name) +
           " (" + std::to_string(sizes.limit_bytes) + " bytes)";
  reason += memory_.profile() == ArenaProfile::huge
                ? ", which is the greatest"
                : "; with the option transaction_arena_growth on, it could move to the next";
  return SQLITE_FULL;
}

ConnectionArena* find_connection_arena(sqlite3* db) noexcept {
  const std::uint64_t generation = arena_registry().generation.load(std::memory_order_acquire);
  if (remembered.db == db && remembered.generation == generation) return remembered.arena;
  ConnectionArena* const arena = arena_of(db).get();
  if (arena != nullptr) remembered = {db, arena, generation};
  return arena;
}

int register_transactions(sqlite3* db) {
  if (!start_process_arenas()) return SQLITE_NOMEM;
  set_arenas_give_way(memory_accounting() != Accounting::sqlite);
  ConnectionArenaPointer arena = arena_of(db);
  if (arena == nullptr) {
    arena = std::make_shared<ConnectionArena>(db);
    const LockGuard guard(arena_registry().lock);
    arena_registry().arenas[db] = arena;
  }
  // SQLite calls the destructor also when it fails.
  return sqlite3_create_module_v2(db, enlistment_name, &enlistment_module(),
                                  new ConnectionArenaPointer(arena), drop_arena);
}

void unregister_transactions(sqlite3* db) noexcept {
  sqlite3_create_module_v2(db, enlistment_name, nullptr, nullptr, nullptr);
}

}  // namespace sqlitemem::ext
