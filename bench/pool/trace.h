// Recorded streams of page references: how they are read, and what a replay sees of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace sqlitemem::bench {

/// One 32-bit word of a trace file; the format is described in bench/README.md.
struct TraceWord {
  static constexpr std::uint32_t number_mask = 0xFFFFFF;
  static constexpr std::uint32_t truncate_bit = 1U << 29;
  static constexpr std::uint32_t lookup_bit = 1U << 30;
  static constexpr std::uint32_t pinned_bit = 1U << 31;

  std::uint32_t word = 0;
  [[nodiscard]] std::uint32_t number() const { return word & number_mask; }
  [[nodiscard]] std::uint32_t cache() const { return word >> 24 & 31; }
  [[nodiscard]] bool is_truncate() const { return (word & truncate_bit) != 0; }
  [[nodiscard]] bool is_pinned() const { return (word & pinned_bit) != 0; }
};

/// What happens to the pool: a reference to a page that is not pinned, or that a cache drops all
/// its pages. A page that comes back after that is another page, with the same key.
struct TraceEvent {
  static constexpr std::uint32_t drop_bit = 1U << 31;

  std::uint32_t word = 0;
  [[nodiscard]] bool is_drop() const { return (word & drop_bit) != 0; }
  /// Of the page, or of the drop.
  [[nodiscard]] std::uint32_t number() const { return word & ~drop_bit; }
};

struct Trace {
  std::string name;
  std::vector<TraceEvent> events;
  std::vector<std::uint64_t> key_hashes;  ///< By page.
  struct Drop {
    std::vector<std::uint32_t> pages;  ///< All pages that the cache has had since its last drop.
    bool is_reset = false;             ///< The file is still there, and its pages come back.
  };
  std::vector<Drop> drops;
  std::uint64_t references = 0;         ///< To pages that were not pinned.
  std::uint64_t pinned_references = 0;  ///< Hits under every policy; left out.

  [[nodiscard]] std::uint32_t page_count() const {
    return static_cast<std::uint32_t>(key_hashes.size());
  }
};

[[nodiscard]] Trace make_trace(std::string name, std::span<const std::uint32_t> words);

/// Reads a .u32 or .u32.xz file (the latter by running xz). The other answer: what is wrong, in
/// words.
[[nodiscard]] std::variant<Trace, std::string> read_trace(const std::string& path);

/// The trace files in `path`: itself if it is a file, those of the directory in their order.
[[nodiscard]] std::vector<std::string> trace_files(const std::string& path);

}  // namespace sqlitemem::bench
