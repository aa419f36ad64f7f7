// Belady's optimum: the bound that policies are held against.
#include <array>
#include <bit>

#include "bench/pool/replay.h"

namespace sqlitemem::bench {
namespace {

/// A set of times with its largest member at hand: bits, and two levels of bits over them.
class TimeSet {
 public:
  explicit TimeSet(std::size_t end) {
    for (std::size_t level = 0; level < levels_.size(); ++level) {
      end = end / 64 + 1;
      levels_[level].resize(end);
    }
  }
  void insert(std::size_t time) {
    for (auto& level : levels_) {
      level[time / 64] |= std::uint64_t{1} << (time % 64);
      time /= 64;
    }
  }
  void erase(std::size_t time) {
    for (auto& level : levels_) {
      level[time / 64] &= ~(std::uint64_t{1} << (time % 64));
      if (level[time / 64] != 0) return;
      time /= 64;
    }
  }
  /// Requires a member.
  [[nodiscard]] std::size_t largest() const {
    std::size_t word = levels_.back().size() - 1;
    while (levels_.back()[word] == 0) --word;
    for (std::size_t level = levels_.size(); level > 0; --level) {
      const std::uint64_t bits = levels_[level - 1][word];
      word = word * 64 + 63 - static_cast<std::size_t>(std::countl_zero(bits));
    }
    return word;
  }

 private:
  std::array<std::vector<std::uint64_t>, 4> levels_;
};

constexpr std::uint32_t absent = 0xFFFFFFFF;

/// When the page of each event is referred to next. Pages that never are get times of their own
/// behind the end, so that all times differ and the set never needs to hold one twice.
std::vector<std::uint32_t> next_uses(const Trace& trace) {
  const std::size_t end = trace.events.size();
  std::vector<std::uint32_t> next(end);
  std::vector<std::uint32_t> seen(trace.page_count());
  for (std::uint32_t page = 0; page < trace.page_count(); ++page) {
    seen[page] = static_cast<std::uint32_t>(end + page);
  }
  for (std::size_t at = end; at > 0; --at) {
    const TraceEvent event = trace.events[at - 1];
    if (event.is_drop()) continue;
    next[at - 1] = seen[event.number()];
    seen[event.number()] = static_cast<std::uint32_t>(at - 1);
  }
  return next;
}

}  // namespace

ReplayResult replay_optimum(const Trace& trace, std::uint32_t capacity) {
  const std::vector<std::uint32_t> next = next_uses(trace);
  const std::size_t end = trace.events.size();
  TimeSet resident(end + trace.page_count());
  std::vector<std::uint32_t> next_of_page(trace.page_count(), absent);
  std::uint32_t count = 0;
  ReplayResult result;
  const auto leave = [&](std::uint32_t page) {
    resident.erase(next_of_page[page]);
    next_of_page[page] = absent;
    --count;
  };
  for (std::size_t at = 0; at < end; ++at) {
    const TraceEvent event = trace.events[at];
    if (event.is_drop()) {
      for (const std::uint32_t page : trace.drops[event.number()].pages) {
        if (next_of_page[page] != absent) leave(page);
      }
      continue;
    }
    ++result.references;
    if (next_of_page[event.number()] != absent) {
      ++result.hits;
      leave(event.number());
    } else if (count == capacity) {
      const std::size_t farthest = resident.largest();
      leave(farthest < end ? trace.events[farthest].number()
                           : static_cast<std::uint32_t>(farthest - end));
    }
    next_of_page[event.number()] = next[at];
    resident.insert(next[at]);
    ++count;
  }
  return result;
}

}  // namespace sqlitemem::bench
