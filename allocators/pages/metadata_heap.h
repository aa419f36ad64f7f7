// Memory for our own bookkeeping: magazines, bitmaps, tree nodes. Never the heap being managed,
// never malloc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/pages/page_source.h"

namespace sqlitemem {

/// Blocks of 64 B to 64 KiB in power-of-two classes, bump-allocated and kept on free lists. Thread-
/// safe. Memory is never returned to the OS: bookkeeping is about 1 % of the heap and is re-used.
class MetadataHeap {
 public:
  static constexpr std::size_t min_block_bytes = 64;
  static constexpr std::size_t max_block_bytes = std::size_t{64} << 10;
  static constexpr std::size_t default_chunk_bytes = std::size_t{256} << 10;

  /// Must be called once, before the first allocate(). `bytes_per_chunk`: what one page request
  /// asks for.
  void start(PageSource& pages, std::size_t bytes_per_chunk = default_chunk_bytes) noexcept;
  /// Gives everything back. For tests; the process's heap never stops.
  void stop() noexcept;

  /// Zeroed, 64-byte aligned. nullptr: no memory. `bytes` <= max_block_bytes.
  [[nodiscard]] void* allocate(std::size_t bytes) noexcept;
  /// `bytes` as given to allocate().
  void release(void* block, std::size_t bytes) noexcept;

  [[nodiscard]] std::uint64_t mapped_bytes() const noexcept;  ///< Taken from the OS.
  [[nodiscard]] std::uint64_t used_bytes() const noexcept;    ///< Handed out and not released.
  [[nodiscard]] std::uint64_t resident_bytes() noexcept;  ///< Of mapped_bytes, by asking the OS.

  /// For fork: hold the lock across it.
  Lock& lock() noexcept { return lock_; }

 private:
  struct FreeBlock {
    FreeBlock* next;
  };
  struct Chunk {  // At the start of each chunk.
    Chunk* next;
    std::size_t bytes;
  };
  static constexpr std::size_t class_count = 11;  // 64 << 0 … 64 << 10.
  [[nodiscard]] bool take_chunk() noexcept SQLITEMEM_REQUIRES(lock_);

  mutable Lock lock_;
  PageSource* pages_ = nullptr;
  std::size_t chunk_bytes_ = default_chunk_bytes;
  Chunk* chunks_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  std::byte* bump_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  std::byte* bump_end_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  std::array<FreeBlock*, class_count> free_ SQLITEMEM_GUARDED_BY(lock_) = {};
  std::uint64_t mapped_bytes_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::uint64_t used_bytes_ SQLITEMEM_GUARDED_BY(lock_) = 0;
};

}  // namespace sqlitemem
