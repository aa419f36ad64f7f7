// A page source that fails on demand and counts what it is asked, in front of the real one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocators/pages/page_source.h"

namespace sqlitemem::tests {

/// Passes everything on to the operating system until told otherwise. Thread-safe.
class FailingPages final : public PageSource {
 public:
  static constexpr std::int64_t never = -1;

  /// The next `successes` requests for pages (reserve, commit or move) work; all later ones fail.
  void fail_after(std::int64_t successes) noexcept { successes_left_ = successes; }
  /// Requests for pages fail or work again.
  void heal() noexcept { successes_left_ = never; }

  std::atomic<bool> can_move{true}, can_decommit{true}, can_advise{true};
  std::atomic<int> reserves{0}, commits{0}, decommits{0}, moves{0}, advices{0}, refusals{0};
  std::atomic<std::size_t> advised_bytes{0};
  std::atomic<void*> advised_address{nullptr};

  void* reserve(std::size_t bytes, std::size_t alignment) noexcept override {
    ++reserves;
    return refuses() ? nullptr : os_pages().reserve(bytes, alignment);
  }
  void release(void* address, std::size_t bytes) noexcept override {
    os_pages().release(address, bytes);
  }
  bool commit(void* address, std::size_t bytes) noexcept override {
    ++commits;
    return !refuses() && os_pages().commit(address, bytes);
  }
  bool decommit(void* address, std::size_t bytes) noexcept override {
    ++decommits;
    return can_decommit && os_pages().decommit(address, bytes);
  }
  bool move(void* from, void* to, std::size_t bytes) noexcept override {
    ++moves;
    return can_move && !refuses() && os_pages().move(from, to, bytes);
  }
  void unmap(void* address, std::size_t bytes) noexcept override {
    os_pages().unmap(address, bytes);
  }
  bool advise_huge(void* address, std::size_t bytes) noexcept override {
    ++advices;
    advised_bytes = bytes;
    advised_address = address;
    return can_advise;  // Not passed on: hosts differ in whether they have huge pages.
  }
  std::size_t resident_bytes(const void* address, std::size_t bytes) noexcept override {
    return os_pages().resident_bytes(address, bytes);
  }

 private:
  bool refuses() noexcept {
    std::int64_t left = successes_left_.load();
    while (left > 0 && !successes_left_.compare_exchange_weak(left, left - 1)) {
    }
    if (left != 0) return false;
    ++refusals;
    return true;
  }
  std::atomic<std::int64_t> successes_left_{never};
};

}  // namespace sqlitemem::tests
