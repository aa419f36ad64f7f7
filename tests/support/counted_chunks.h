// A source of chunks that counts, fails on demand, and refuses what is too large.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <unordered_map>
#include <vector>

#include "allocators/arena/chunk_source.h"
#include "allocators/base/lock.h"

namespace sqlitemem::tests {

/// Over malloc. Thread-safe.
class CountedChunks final : public ChunkSource {
 public:
  void fail_after(std::int64_t successes) noexcept {
    const LockGuard guard(lock_);
    successes_left_ = successes;
  }
  void heal() noexcept { fail_after(-1); }
  void refuse_above(std::size_t bytes) noexcept {
    const LockGuard guard(lock_);
    most_bytes_ = bytes;
  }

  void* allocate(std::size_t bytes) noexcept override {
    const LockGuard guard(lock_);
    if (successes_left_ == 0 || bytes > most_bytes_) return nullptr;
    if (successes_left_ > 0) --successes_left_;
    void* block = std::malloc(bytes);
    requests_.push_back(bytes);
    sizes_[block] = bytes;
    live_bytes_ += bytes;
    return block;
  }
  void release(void* block) noexcept override {
    const LockGuard guard(lock_);
    live_bytes_ -= sizes_.at(block);
    sizes_.erase(block);
    std::free(block);
  }
  std::size_t usable_bytes(void* block) noexcept override {
    const LockGuard guard(lock_);
    return sizes_.at(block);
  }

  std::size_t live_blocks() {
    const LockGuard guard(lock_);
    return sizes_.size();
  }
  std::size_t live_bytes() {
    const LockGuard guard(lock_);
    return live_bytes_;
  }
  std::vector<std::size_t> requests() {
    const LockGuard guard(lock_);
    return requests_;
  }

 private:
  Lock lock_;
  std::int64_t successes_left_ SQLITEMEM_GUARDED_BY(lock_) = -1;
  std::size_t most_bytes_ SQLITEMEM_GUARDED_BY(lock_) = SIZE_MAX;
  std::size_t live_bytes_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::vector<std::size_t> requests_ SQLITEMEM_GUARDED_BY(lock_);
  std::unordered_map<void*, std::size_t> sizes_ SQLITEMEM_GUARDED_BY(lock_);
};

}  // namespace sqlitemem::tests
