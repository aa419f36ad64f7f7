// All arenas of the process: for statistics, and for taking back what idle connections keep.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "allocators/arena/arena_figures.h"
#include "allocators/base/check.h"
#include "allocators/base/lock.h"

namespace sqlitemem {

class TransactionArenaManager;

/// Says which part of the process's memory a chunk lies in.
using ChunkClassifier = ChunkArea (*)(const void* chunk) noexcept;

/// Counters of one profile. Added to by any thread, once for each transaction.
struct ProfileCounters {
  std::atomic<std::uint64_t> allocations{0}, commits{0}, rollbacks{0}, limit_hits{0};
  std::atomic<std::uint64_t> peak_bytes{0}, last_reset_ns{0};
};

/// Thread-safe. Managers enter themselves and leave; the directory outlives them.
/// Order of locks: the directory's, a manager's, an arena's. Under the first alone chunks are given
/// back; under the others nothing else is called.
class ArenaDirectory {
 public:
  /// One pass over the managers; waits for nobody longer than a savepoint takes.
  [[nodiscard]] ArenaReading read(ChunkClassifier classify);
  /// Gives back what managers without a transaction keep for the next one. Bytes. At most those
  /// whose last transaction ended `min_idle_ns` before `now_ns`, and of them only what they will
  /// hardly need, unless `all`.
  std::uint64_t trim(std::uint64_t now_ns, std::uint64_t min_idle_ns, bool all) noexcept;
  /// trim() for a manager that begins: at most once per `delay_ns`. Cheap when nothing is due.
  void trim_if_due(std::uint64_t now_ns, std::uint64_t delay_ns) noexcept;
  /// Counters start again from 0 and peaks from the present.
  void reset_statistics() noexcept;
  /// The first broken rule of any arena.
  [[nodiscard]] std::optional<Violation> find_violation() noexcept;

  // For managers.
  void enter(TransactionArenaManager& manager) noexcept;
  void leave(TransactionArenaManager& manager) noexcept;
  std::uint64_t next_arena_id() noexcept {
    return last_arena_id_.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  ProfileCounters& counters(ArenaProfile profile) noexcept {
    return counters_[static_cast<std::size_t>(profile)];
  }
  /// What an end of a transaction leaves behind, more than the next one is expected to need.
  void note_surplus() noexcept { has_surplus_.store(true, std::memory_order_relaxed); }
  /// Cheap.
  [[nodiscard]] std::uint64_t reserved_bytes() const noexcept {
    return reserved_bytes_.load(std::memory_order_relaxed);
  }
  void note_reserved(std::uint64_t more_bytes) noexcept;
  void note_released(std::uint64_t bytes) noexcept {
    reserved_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  }

  // For fork: all locks are held across it.
  void hold_for_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY;
  void release_after_fork() noexcept SQLITEMEM_NO_THREAD_SAFETY;

 private:
  Lock lock_;
  TransactionArenaManager* first_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  std::array<ProfileCounters, arena_profile_count> counters_;
  std::atomic<std::uint64_t> last_arena_id_{0};
  std::atomic<std::uint64_t> last_trim_ns_{0};
  std::atomic<bool> has_surplus_{false};
  std::atomic<std::uint64_t> reserved_bytes_{0}, peak_reserved_bytes_{0};
};

}  // namespace sqlitemem
