// One reserved mapping for all blocks: a foreign pointer is recognised in one branch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocators/base/bytes.h"
#include "allocators/base/lock.h"
#include "allocators/pages/page_source.h"

namespace sqlitemem {

/// A contiguous part of the region that is committed from its start upwards and never shrinks.
///
///   begin            frontier                     end
///   |  committed      |  reserved, no memory       |
///
/// Thread rules: extend() under the owner's lock; begin() and end() are constant after start.
class Area {
 public:
  void start(PageSource& pages, std::byte* begin, std::size_t bytes, std::size_t stride) noexcept;

  /// Commits the next `bytes` (a multiple of page_bytes) and returns their address. nullptr: the
  /// area is full (`is_full`) or the OS refuses. Commits `stride` at a time where the OS allows,
  /// else just what is needed.
  [[nodiscard]] std::byte* extend(std::size_t bytes) noexcept;

  [[nodiscard]] std::byte* begin() const noexcept { return begin_; }
  [[nodiscard]] std::byte* end() const noexcept { return end_; }
  /// Everything below has been handed out by extend() at least once.
  [[nodiscard]] std::byte* frontier() const noexcept { return frontier_; }
  /// At or beyond the frontier: where the next commit will begin.
  [[nodiscard]] std::byte* committed() const noexcept { return committed_; }
  [[nodiscard]] std::size_t bytes_left() const noexcept {
    return static_cast<std::size_t>(end_ - frontier_);
  }
  [[nodiscard]] bool contains(const void* address) const noexcept {
    return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(begin_) <
           static_cast<std::uintptr_t>(end_ - begin_);
  }

 private:
  PageSource* pages_ = nullptr;
  std::byte* begin_ = nullptr;
  std::byte* end_ = nullptr;
  std::byte* frontier_ = nullptr;
  std::byte* committed_ = nullptr;  // >= frontier_.
  std::size_t stride_ = 0;
};

/// Reserves address space once and splits it: slabs (1/4), runs (1/4), large objects (1/2).
class Region {
 public:
  static constexpr std::size_t min_bytes = 16 * mib;
  static constexpr std::size_t default_stride = 64 * mib;

  /// Tries `bytes`, then a quarter, and so on down to min_bytes. Under RLIMIT_AS an eighth of what
  /// is left (`address_space_left`, SIZE_MAX if unlimited), but at least min_bytes if that is not
  /// more than half: what is reserved is lost to the program, its C library and the buffer pool,
  /// and a heap whose region is full can have blocks from the C library. false: nothing was
  /// reserved.
  [[nodiscard]] bool start(PageSource& pages, std::size_t bytes, std::size_t address_space_left,
                           std::size_t stride = default_stride) noexcept;
  void stop() noexcept;

  [[nodiscard]] std::byte* base() const noexcept { return base_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// One branch answers NULL and foreign pointers alike.
  [[nodiscard]] bool contains(const void* address) const noexcept {
    return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(base_) <
           bytes_;
  }

  Area slabs, runs, large;

 private:
  PageSource* pages_ = nullptr;
  std::byte* base_ = nullptr;
  std::size_t bytes_ = 0;
};

/// RLIMIT_DATA; SIZE_MAX if unlimited. Where there is one, what is committed counts, used or not.
std::size_t data_limit() noexcept;

/// RLIMIT_AS less what is mapped now, from getrlimit and /proc/self/statm; SIZE_MAX if unlimited.
std::size_t address_space_left() noexcept;

}  // namespace sqlitemem
