// One connection's arena: it begins, marks savepoints, and ends as its transactions do.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "allocators/arena/arena.h"
#include "allocators/arena/arena_directory.h"
#include "allocators/arena/arena_figures.h"
#include "allocators/arena/arena_profile.h"

namespace sqlitemem {

/// How a transaction's arena is dimensioned.
struct ArenaRules {
  std::optional<ArenaProfile> profile;  ///< nullopt: by what recent transactions used.
  bool may_grow = true;                 ///< Beyond the profile's limit, to the next profile.
  std::uint64_t purge_delay_ns = 1'000'000'000;  ///< For what idle connections keep.
};

/// Why allocate() gave nullptr.
enum class ArenaRefusal : std::uint8_t { none, not_open, over_limit, no_memory };

/// The memory of one connection's transactions. A savepoint's child arena is a mark: what is
/// allocated after it goes when the transaction is rolled back to it, and stays when it is
/// released.
///
/// Levels are SQLite's: the n-th open savepoint or running statement's journal has level n, from 0.
/// SQLite does not tell of those that were open before the transaction came here, so a mark stands
/// for all lower levels that have none yet.
///
/// Threads: the owner's calls one at a time; the directory reads and trims from any thread.
class TransactionArenaManager {
 public:
  TransactionArenaManager(ArenaDirectory& directory, ChunkSource& source,
                          std::uint64_t connection_id) noexcept;
  ~TransactionArenaManager();
  TransactionArenaManager(const TransactionArenaManager&) = delete;
  TransactionArenaManager& operator=(const TransactionArenaManager&) = delete;

  // The transaction. Calls that do not fit the state do nothing: SQLite may say things twice.
  void begin(const ArenaRules& rules) noexcept;
  void commit() noexcept { end(Ending::commit); }
  void roll_back() noexcept { end(Ending::rollback); }
  [[nodiscard]] bool is_open() const noexcept { return is_open_; }

  /// false: no memory for the mark; nothing was changed.
  [[nodiscard]] bool savepoint(std::size_t level) noexcept;
  void release(std::size_t level) noexcept;
  void roll_back_to(std::size_t level) noexcept;
  /// To the beginning of the transaction, which stays open.
  void roll_back_to_start() noexcept;

  /// Lives until the transaction ends or is rolled back to a savepoint before this call. 8-byte
  /// aligned; 0 bytes give 8. nullptr: last_refusal() says why.
  [[nodiscard]] void* allocate(std::size_t bytes) noexcept {
    if (void* const block = arena_.allocate(bytes)) [[likely]]
      return block;
    return allocate_slow(bytes);
  }
  [[nodiscard]] ArenaRefusal last_refusal() const noexcept { return last_refusal_; }
  /// The profile whose limit refused, or the present one.
  [[nodiscard]] ArenaProfile profile() const noexcept { return profile_; }
  /// A hint: the transaction, or the next one, will need that much in all.
  void expect(std::uint64_t bytes) noexcept;

  /// One word that goes back with the memory: what the owner keeps in the arena hangs on it.
  [[nodiscard]] void* root() const noexcept { return root_; }
  void set_root(void* root) noexcept { root_ = root; }
  /// Something made when epoch() was `epoch` is newer than every savepoint that is open now: it may
  /// be changed in place.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  [[nodiscard]] bool is_newer_than_marks(std::uint64_t epoch) const noexcept {
    return epoch >= last_mark_epoch_;
  }

  [[nodiscard]] std::uint64_t used_bytes() noexcept { return arena_.used_bytes(); }
  [[nodiscard]] std::uint64_t reserved_bytes() const noexcept { return arena_.reserved_bytes(); }
  /// What recent transactions used: the greatest, which a smaller one lowers by a quarter of the
  /// way.
  [[nodiscard]] std::uint64_t expected_bytes() const noexcept { return expected_bytes_; }
  [[nodiscard]] std::size_t levels() noexcept;

  [[nodiscard]] std::optional<Violation> find_violation() noexcept;

 private:
  friend class ArenaDirectory;
  enum class Ending : std::uint8_t { commit, rollback };
  struct Level {
    Arena::Position start;
    void* root = nullptr;
    std::uint64_t epoch = 0;        // Later things have at least this.
    std::uint64_t allocations = 0;  // Of the transaction, when it began.
    std::uint64_t rollbacks = 0;
    std::uint64_t opened_at_ns = 0;
  };

  void end(Ending ending) noexcept;
  [[nodiscard]] void* allocate_slow(std::size_t bytes) noexcept;
  [[nodiscard]] bool move_up(std::size_t bytes) noexcept;
  void set_profile(ArenaProfile profile) noexcept;
  void note_peak() noexcept;
  void note_last_mark() noexcept SQLITEMEM_REQUIRES(lock_);
  void read(ArenaReading& reading, ChunkClassifier classify) SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] std::uint64_t keep_bytes(bool all) const noexcept;

  Arena arena_;
  ArenaDirectory& directory_;
  const std::uint64_t connection_id_;
  TransactionArenaManager* next_ = nullptr;  // In the directory's list, under its lock.

  // The owner's alone.
  void* root_ = nullptr;
  std::uint64_t epoch_ = 0, last_mark_epoch_ = 0;
  ArenaRefusal last_refusal_ = ArenaRefusal::none;
  ArenaRules rules_;
  std::uint64_t hinted_bytes_ = 0;

  // Changed by the owner under the lock, read by it without.
  Lock lock_;
  std::vector<Level> levels_ SQLITEMEM_GUARDED_BY(lock_);
  bool is_open_ = false;
  ArenaProfile profile_ = ArenaProfile::tiny;
  std::uint64_t arena_id_ = 0, opened_at_ns_ = 0, ended_at_ns_ = 0;
  std::uint64_t peak_bytes_ = 0, expected_bytes_ = 0;
  std::uint64_t commits_ = 0, rollbacks_ = 0, limit_hits_ = 0;
  std::optional<std::uint64_t> last_reset_ns_;
};

}  // namespace sqlitemem
