// Bump allocation over a chain of chunks: one addition to allocate, one store to free everything.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/arena/arena_poison.h"
#include "allocators/arena/chunk_source.h"
#include "allocators/base/bytes.h"
#include "allocators/base/check.h"
#include "allocators/base/lock.h"

namespace sqlitemem {

/// Memory that is freed all at once, or back to a mark.
///
///   first            current                 kept for the next transaction
///   [h|objects….]──▶[h|objects…|  free  ]──▶[h|   free    ]──▶ …
///                              cursor   end
///
/// Invariants (find_violation()):
///  1. current is in the chain; cursor lies in current.
///  2. reserved is the sum of the chunks.
///  3. end is the end of current, or where the limit is reached.
///  4. used <= limit.
/// Threads: one owner. used_bytes(), reserved_bytes(), allocations() and detach_surplus() from any
/// thread; the lock is taken where the chain changes, never in allocate().
class Arena {
 public:
  static constexpr std::size_t alignment = 8;
  static constexpr std::size_t min_chunk_bytes = 1 * kib;
  /// A new chunk is this part of what is reserved: 2 % are idle at most, and 256 MiB are some 500
  /// chunks.
  static constexpr std::size_t growth_divisor = 48;

  struct Chunk {
    Chunk* next;
    std::byte* end;
    [[nodiscard]] std::byte* begin() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
    [[nodiscard]] std::size_t capacity() noexcept {
      return static_cast<std::size_t>(end - begin());
    }
  };
  /// A moment in the arena's life. Valid until the arena goes back to an earlier one.
  struct Position {
    Chunk* chunk = nullptr;  ///< nullptr: before the first allocation.
    std::byte* cursor = nullptr;
    std::uint64_t used_before = 0;  ///< In the chunks before.
  };
  enum class Growth : std::uint8_t { ok, over_limit, no_memory };

  explicit Arena(ChunkSource& source) noexcept : source_(source) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// 8-byte aligned. nullptr: grow() first.
  [[nodiscard]] void* allocate(std::size_t bytes) noexcept {
    std::byte* const at = cursor_.load(std::memory_order_relaxed);
    const std::size_t size = round_up(bytes, alignment);
    // 0 bytes, and sizes near SIZE_MAX, round to 0, and are not below anything after - 1.
    if (size - 1 >= static_cast<std::size_t>(end_ - at)) [[unlikely]]
      return nullptr;
    cursor_.store(at + size, std::memory_order_relaxed);
    allocations_.store(allocations_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    arena_poison::open(at, bytes);
    return at;
  }
  /// Makes room for one object of `bytes` (> 0), in a kept chunk or a new one.
  [[nodiscard]] Growth grow(std::size_t bytes) noexcept;

  /// Bytes that may be handed out, and the size of the first chunk.
  void set_sizes(std::size_t initial_bytes, std::size_t limit_bytes) noexcept;

  [[nodiscard]] Position position() noexcept;
  /// Frees all that was allocated after `position`. O(1); the chunks stay.
  void rewind(const Position& position) noexcept;
  /// rewind() to the beginning; allocations() starts again.
  void reset() noexcept;

  /// Chunks at the end of the chain beyond the first `keep_bytes`, for give_back(). Requires: reset
  /// and not used since; the caller sees to that.
  [[nodiscard]] Chunk* detach_surplus(std::uint64_t keep_bytes) noexcept;
  void give_back(Chunk* chain) noexcept;

  /// Handed out, alignment included.
  [[nodiscard]] std::uint64_t used_bytes() noexcept;
  /// Taken from the source, headers included.
  [[nodiscard]] std::uint64_t reserved_bytes() const noexcept {
    return reserved_bytes_.load(std::memory_order_relaxed);
  }
  /// Since reset(), those that were rewound included.
  [[nodiscard]] std::uint64_t allocations() const noexcept {
    return allocations_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t used_until(const Position& position) noexcept {
    if (position.chunk == nullptr) return 0;
    return position.used_before +
           static_cast<std::uint64_t>(position.cursor - position.chunk->begin());
  }
  /// Calls `use(block, bytes)` for each chunk, under the lock.
  template <class Use>
  void for_each_chunk(Use&& use) noexcept {
    const LockGuard guard(lock_);
    for (Chunk* chunk = first_; chunk != nullptr; chunk = chunk->next) {
      use(static_cast<const void*>(chunk), sizeof(Chunk) + chunk->capacity());
    }
  }
  Lock& lock() noexcept { return lock_; }

  /// O(chunks).
  [[nodiscard]] std::optional<Violation> find_violation() noexcept;
  /// Whether memory that is not handed out was written to. Only where a pattern is kept. O(bytes).
  [[nodiscard]] std::optional<Violation> find_stale_write() noexcept;

 private:
  [[nodiscard]] std::uint64_t used_now() noexcept SQLITEMEM_REQUIRES(lock_);
  void enter(Chunk* chunk, std::byte* cursor) noexcept SQLITEMEM_REQUIRES(lock_);
  void clamp_end() noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] bool enter_kept_chunk(std::size_t size) noexcept SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] Chunk* take_chunk(std::size_t size) noexcept;
  void close_after(Chunk* chunk, std::byte* from) noexcept SQLITEMEM_REQUIRES(lock_);

  // What an allocation touches, in one cache line.
  std::atomic<std::byte*> cursor_{nullptr};
  std::byte* end_ = nullptr;  // The owner's alone.
  std::atomic<std::uint64_t> allocations_{0};

  Lock lock_;
  Chunk* first_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  Chunk* current_ SQLITEMEM_GUARDED_BY(lock_) = nullptr;
  std::uint64_t used_before_ SQLITEMEM_GUARDED_BY(lock_) = 0;  // In the chunks before current.
  std::atomic<std::uint64_t> reserved_bytes_{0};
  std::size_t initial_bytes_ = min_chunk_bytes;  // The owner's alone, and the limit.
  std::uint64_t limit_bytes_ = 0;
  ChunkSource& source_;
};

}  // namespace sqlitemem
