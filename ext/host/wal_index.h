// The shared state of write-ahead logs, read without opening a file, taking a lock, or waiting.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sqlitemem::ext {

/// What the WAL index of a database says: SQLite's walformat.html, "WAL-Index File Format".
struct WalIndex {
  static constexpr std::size_t slots = 5;
  std::uint64_t wal_bytes = 0;  ///< Of the -wal file, which is not cut when it starts again.
  std::uint64_t page_bytes = 0;
  std::uint64_t frames = 0;        ///< In the log: mxFrame.
  std::uint64_t checkpointed = 0;  ///< Of these, copied into the database: nBackfill.
  /// A reader in slot 1 to 4 sees the frames up to its mark; in slot 0, only the database.
  std::array<std::uint64_t, slots> marks{};
  /// Whether a process's lock is on the slot; false, false where the kernel does not say.
  std::array<bool, slots> is_held_here{}, is_held_elsewhere{};
  bool knows_locks = false;

  /// The last frame that a reader in that slot lets a checkpoint copy.
  [[nodiscard]] std::uint64_t frame_of(std::size_t slot) const {
    return slot == 0 ? checkpointed : marks[slot];
  }
  /// The distinct frames of readers, ascending. `here`: of this process; else of others.
  [[nodiscard]] std::vector<std::uint64_t> held_frames(bool here) const;
};

/// One reading of the process's WAL indexes. SQLite keeps each mapped (the -shm file), so they are
/// found in /proc/self/maps. They are never opened: closing a file drops all locks that the
/// process has on it, SQLite's too. They are copied through /proc/self/mem, which answers with an
/// error if SQLite unmaps one at that moment. Whose locks are on a slot stands in /proc/locks.
class WalIndexes {
 public:
  /// nullptr: the file is not in WAL mode here, or its index cannot be read.
  const WalIndex* of(const std::string& database_file);

 private:
  struct Mapping {
    std::uint64_t inode = 0;
    std::uintptr_t address = 0;
  };
  struct HeldLock {
    std::uint64_t inode = 0, first_byte = 0, last_byte = 0;
    bool is_here = false;
  };
  void read_process();
  [[nodiscard]] std::optional<WalIndex> read(const std::string& database_file);
  void mark_locks(std::uint64_t inode, WalIndex& index) const;

  bool is_process_read_ = false, knows_locks_ = false;
  std::vector<Mapping> mappings_;
  std::vector<HeldLock> locks_;
  std::map<std::string, std::optional<WalIndex>> known_;
};

}  // namespace sqlitemem::ext
