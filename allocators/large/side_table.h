// Tables beside the area, one entry per page of it: reserved whole, committed as the area grows.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "allocators/base/bytes.h"
#include "allocators/base/check.h"
#include "allocators/pages/page_source.h"
#include "allocators/pages/region.h"

namespace sqlitemem {

/// An array of zeroes whose memory appears as entries are covered. T is trivial.
template <class T>
class SideTable {
 public:
  [[nodiscard]] bool start(PageSource& pages, std::size_t entries) noexcept {
    bytes_ = round_up(std::max<std::size_t>(entries * entry_bytes, 1), page_bytes);
    void* const address = pages.reserve(bytes_, page_bytes);
    if (address == nullptr) return false;
    pages_ = &pages;
    entries_ = reinterpret_cast<T*>(address);
    area_.start(pages, static_cast<std::byte*>(address), bytes_, stride_bytes);
    return true;
  }
  void stop() noexcept {
    if (entries_ != nullptr) pages_->release(entries_, bytes_);
    entries_ = nullptr;
    covered_.store(0, std::memory_order_relaxed);
  }
  /// Makes entries [0, count) usable. false: no memory; what was covered stays covered.
  [[nodiscard]] bool cover(std::size_t count) noexcept {
    const std::size_t wanted = round_up(count * entry_bytes, page_bytes);
    const auto ready = static_cast<std::size_t>(area_.frontier() - area_.begin());
    if (entries_ == nullptr || wanted > bytes_) return false;
    if (wanted > ready && area_.extend(wanted - ready) == nullptr) return false;
    covered_.store(std::max(wanted, ready) / entry_bytes, std::memory_order_release);
    return true;
  }
  /// Entries that may be touched. Any thread.
  [[nodiscard]] std::size_t covered() const noexcept {
    return covered_.load(std::memory_order_acquire);
  }
  [[nodiscard]] T& operator[](std::size_t at) const noexcept { return entries_[at]; }
  [[nodiscard]] std::uint64_t resident_bytes() const noexcept {
    return entries_ == nullptr ? 0 : pages_->resident_bytes(entries_, bytes_);
  }

 private:
  static constexpr std::size_t entry_bytes = sizeof(T);  // NOLINT(bugprone-sizeof-expression)
  static constexpr std::size_t stride_bytes = 64 * kib;
  PageSource* pages_ = nullptr;
  T* entries_ = nullptr;
  std::size_t bytes_ = 0;
  Area area_;
  std::atomic<std::size_t> covered_{0};
};

/// A run of pages, numbered from the start of the area.
struct PageRun {
  std::uint32_t first = 0;
  std::uint32_t pages = 0;
  [[nodiscard]] std::uint32_t end() const noexcept { return first + pages; }
};

/// One bit per page. Costs a word per 64 pages: 32 words for 8 MiB.
class PageBits {
 public:
  [[nodiscard]] bool start(PageSource& source, std::size_t pages) noexcept {
    return words_.start(source, divide_up(pages, word_bits) + 1);
  }
  void stop() noexcept { words_.stop(); }
  [[nodiscard]] bool cover(std::size_t pages) noexcept {
    return words_.cover(pages / word_bits + 1);  // One spare bit: the page behind the last.
  }
  [[nodiscard]] std::uint64_t resident_bytes() const noexcept { return words_.resident_bytes(); }

  void set(PageRun run) noexcept {
    each_word(run, [](std::uint64_t& word, std::uint64_t mask) { word |= mask; });
  }
  void clear(PageRun run) noexcept {
    each_word(run, [](std::uint64_t& word, std::uint64_t mask) { word &= ~mask; });
  }
  [[nodiscard]] std::uint32_t count(PageRun run) const noexcept {
    int ones = 0;
    each_word(run, [&](std::uint64_t word, std::uint64_t mask) {
      // Most words are all zeroes or all ones, and without POPCNT the builtin is a slow call.
      const std::uint64_t hits = word & mask;
      if (hits == ~std::uint64_t{0}) {
        ones += static_cast<int>(word_bits);
      } else if (hits != 0) {
        ones += std::popcount(hits);
      }
    });
    return static_cast<std::uint32_t>(ones);
  }
  [[nodiscard]] bool test(std::uint32_t page) const noexcept {
    return (words_[page / word_bits] >> (page % word_bits) & 1) != 0;
  }
  /// The first page in [from, end) whose bit is `value`; `end` if there is none.
  [[nodiscard]] std::uint32_t find(std::uint32_t from, std::uint32_t end,
                                   bool value) const noexcept {
    while (from < end) {
      const std::uint64_t word = value ? words_[from / word_bits] : ~words_[from / word_bits];
      const std::uint64_t rest = word >> (from % word_bits);
      if (rest != 0)
        return std::min(end, from + static_cast<std::uint32_t>(std::countr_zero(rest)));
      from = (from / word_bits + 1) * word_bits;
    }
    return end;
  }
  /// The first run of ones in [from, end); no pages if there is none.
  [[nodiscard]] PageRun next_run(std::uint32_t from, std::uint32_t end) const noexcept {
    const std::uint32_t first = find(from, end, true);
    return {.first = first, .pages = find(first, end, false) - first};
  }

 private:
  static constexpr std::uint32_t word_bits = 64;

  template <class Apply>
  void each_word(PageRun run, Apply apply) const noexcept {
    for (std::uint32_t at = run.first; at < run.end();) {
      const std::uint32_t shift = at % word_bits;
      const std::uint32_t here = std::min(word_bits - shift, run.end() - at);
      const std::uint64_t ones =
          here == word_bits ? ~std::uint64_t{0} : (std::uint64_t{1} << here) - 1;
      apply(words_[at / word_bits], ones << shift);
      at += here;
    }
  }
  SideTable<std::uint64_t> words_;
};

}  // namespace sqlitemem
