// What the heap tests share: a heap of one's own, blocks with known contents, options for a scope,
// reports kept.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "allocators/manager/memory_manager.h"
#include "tests/support/catch.h"

namespace sqlitemem::tests {

/// S. Vigna's splitmix64: the same numbers everywhere, for the same seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t bound) { return next() % bound; }
  std::size_t between(std::size_t least, std::size_t most) {
    return least + below(most - least + 1);
  }
  /// From 0 up, less than 1.
  double uniform() { return static_cast<double>(next() >> 11) / 9007199254740992.0; }
  /// Small sizes are as likely as large ones: uniform over the doublings.
  std::size_t size_up_to(std::size_t most) {
    const std::size_t bound = std::size_t{2}
                              << below(static_cast<std::size_t>(64 - __builtin_clzll(most)));
    return std::min(most, between(1, bound));
  }

 private:
  std::uint64_t state_;
};

/// Sets an option while in scope, as the heap reads it.
class OptionScope {
 public:
  template <class Value>
  OptionScope(OptionValue Config::*option, Value value)
      : option_(option), before_((config().*option).load()) {
    (config().*option).store(static_cast<std::int64_t>(value));
  }
  ~OptionScope() { (config().*option_).store(before_); }
  OptionScope(const OptionScope&) = delete;
  OptionScope& operator=(const OptionScope&) = delete;

 private:
  OptionValue Config::*option_;
  std::int64_t before_;
};

/// The corruption reports of this process, in order. One heap at a time.
class CorruptionLog {
 public:
  static void clear() noexcept { count_ = 0; }
  static void record(const CorruptionReport& report) noexcept {
    const std::size_t at = count_.fetch_add(1);
    if (at < kept_.size()) kept_[at] = report;
  }
  [[nodiscard]] static std::size_t count() { return count_; }
  [[nodiscard]] static const CorruptionReport& at(std::size_t i) { return kept_.at(i); }

 private:
  static inline std::array<CorruptionReport, 64> kept_{};
  static inline std::atomic<std::size_t> count_{0};
};

/// A heap of one's own and this thread's cache in it. Stops with everything that is still out.
class OwnHeap {
 public:
  static MemoryManager::Settings small() { return {.region_bytes = 256 * mib}; }

  explicit OwnHeap(const MemoryManager::Settings& settings = small())
      : manager_(std::make_unique<MemoryManager>()) {
    CorruptionLog::clear();
    manager_->set_corruption_handler(CorruptionLog::record);
    REQUIRE(manager_->start(settings) == MemoryManager::StartResult::ok);
  }
  ~OwnHeap() { manager_->stop(); }
  OwnHeap(const OwnHeap&) = delete;
  OwnHeap& operator=(const OwnHeap&) = delete;

  MemoryManager& operator*() { return *manager_; }
  MemoryManager* operator->() { return manager_.get(); }
  void* allocate(std::size_t bytes) { return manager_->allocate(cache, bytes); }
  void release(void* block) { manager_->release(cache, block); }
  void* resize(void* block, std::size_t bytes) { return manager_->resize(cache, block, bytes); }
  CollectResult collect() { return manager_->collect(cache); }
  /// The first broken rule, this thread's magazines included; empty if there is none.
  [[nodiscard]] std::string_view broken_rule() {
    const auto broken = manager_->find_violation(cache);
    return broken ? broken->rule : std::string_view{};
  }

  ThreadCache* cache = &no_cache;

 private:
  std::unique_ptr<MemoryManager> manager_;
};

/// A thread's cache that is given back at the end of the scope, as at a thread's exit.
class CacheScope {
 public:
  explicit CacheScope(MemoryManager& heap) : heap_(heap) {}
  ~CacheScope() { heap_.thread_exits(cache); }
  CacheScope(const CacheScope&) = delete;
  CacheScope& operator=(const CacheScope&) = delete;

  ThreadCache* cache = &no_cache;

 private:
  MemoryManager& heap_;
};

/// A block whose every requested byte is `mark`.
struct MarkedBlock {
  void* address = nullptr;
  std::size_t bytes = 0;
  unsigned char mark = 0;

  void fill() const { std::memset(address, mark, bytes); }
  [[nodiscard]] bool is_intact(std::size_t first_bytes) const {
    const auto* at = static_cast<const unsigned char*>(address);
    return first_bytes == 0 || (at[0] == mark && std::memcmp(at, at + 1, first_bytes - 1) == 0);
  }
  [[nodiscard]] bool is_intact() const { return is_intact(bytes); }
};

/// The live blocks of one thread, with contents that show it when two overlap or one is lost.
/// Every operation returns false where the heap broke a promise; "no memory" breaks none.
class LiveBlocks {
 public:
  /// False: misaligned, or too small.
  [[nodiscard]] bool allocate(MemoryManager& heap, ThreadCache*& cache, std::size_t bytes) {
    void* address = heap.allocate(cache, bytes);
    if (address == nullptr) return true;
    blocks_.push_back({address, bytes, static_cast<unsigned char>(++marks_)});
    blocks_.back().fill();
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    return at % 16 == 0 && (bytes % page_bytes != 0 || at % page_bytes == 0) &&
           heap.usable_bytes(address) >= bytes;
  }
  /// False: the contents had changed.
  [[nodiscard]] bool release(MemoryManager& heap, ThreadCache*& cache, std::size_t index) {
    const MarkedBlock block = blocks_[index];
    blocks_[index] = blocks_.back();
    blocks_.pop_back();
    const bool intact = block.is_intact();
    heap.release(cache, block.address);
    return intact;
  }
  /// False: the contents were not kept, or the block is too small.
  [[nodiscard]] bool resize(MemoryManager& heap, ThreadCache*& cache, std::size_t index,
                            std::size_t bytes) {
    MarkedBlock& block = blocks_[index];
    void* moved = heap.resize(cache, block.address, bytes);
    if (moved == nullptr) return block.is_intact();
    block.address = moved;
    const bool kept = block.is_intact(std::min(block.bytes, bytes));
    block.bytes = bytes;
    block.fill();
    return kept && heap.usable_bytes(moved) >= bytes;
  }
  [[nodiscard]] bool release_all(MemoryManager& heap, ThreadCache*& cache) {
    bool intact = true;
    while (!blocks_.empty()) intact = release(heap, cache, blocks_.size() - 1) && intact;
    return intact;
  }

  [[nodiscard]] const std::vector<MarkedBlock>& blocks() const { return blocks_; }
  [[nodiscard]] std::size_t size() const { return blocks_.size(); }
  [[nodiscard]] bool empty() const { return blocks_.empty(); }

 private:
  std::vector<MarkedBlock> blocks_;
  unsigned marks_ = 0;
};

}  // namespace sqlitemem::tests
