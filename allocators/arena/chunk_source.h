// Where arenas get their chunks: the seam between them and the heap of the process.
#pragma once

#include <cstddef>

namespace sqlitemem {

/// Blocks for arenas. Thread-safe. Nothing throws.
class ChunkSource {
 public:
  /// 8-byte aligned; nullptr: no memory.
  [[nodiscard]] virtual void* allocate(std::size_t bytes) noexcept = 0;
  virtual void release(void* block) noexcept = 0;
  /// What may be used of a block: at least what was asked for.
  [[nodiscard]] virtual std::size_t usable_bytes(void* block) noexcept = 0;

 protected:
  ~ChunkSource() = default;
};

}  // namespace sqlitemem
