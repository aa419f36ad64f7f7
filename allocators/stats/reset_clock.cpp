// One atomic time: the last reset.
#include "allocators/stats/reset_clock.h"

#include <array>
#include <atomic>

namespace sqlitemem::stats {
namespace {

constinit std::atomic<std::time_t> last_reset{0};

}  // namespace

std::string iso8601(std::time_t seconds) {
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), length};
}

void note_statistics_reset(std::time_t now) noexcept {
  last_reset.store(now, std::memory_order_relaxed);
}

std::optional<std::string> statistics_reset_at() {
  const std::time_t seconds = last_reset.load(std::memory_order_relaxed);
  if (seconds == 0) return std::nullopt;
  return iso8601(seconds);
}

}  // namespace sqlitemem::stats
