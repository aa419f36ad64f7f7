// Troughs of a series, and what they say.
#include "allocators/pressure/growth.h"

#include <algorithm>
#include <array>
#include <limits>

#include "allocators/base/bytes.h"

namespace sqlitemem {
namespace {

constexpr std::size_t span_count = 12;
constexpr std::uint64_t no_sample = std::numeric_limits<std::uint64_t>::max();
using Troughs = std::array<std::uint64_t, span_count>;

std::uint64_t measured_bytes(const PressureSample& sample, GrowthSubject subject) {
  return subject == GrowthSubject::heap ? at_least_zero(sample.heap_held_bytes, sample.pool_bytes)
                                        : sample.resident_bytes;
}

Troughs find_troughs(std::span<const PressureSample> history, GrowthSubject subject) {
  Troughs troughs;
  troughs.fill(no_sample);
  const std::uint64_t begin_ns = history.front().at_ns;
  const std::uint64_t length_ns = history.back().at_ns - begin_ns + 1;
  for (const PressureSample& sample : history) {
    const double share =
        static_cast<double>(sample.at_ns - begin_ns) / static_cast<double>(length_ns);
    const auto span = std::min(span_count - 1, static_cast<std::size_t>(share * span_count));
    troughs[span] = std::min(troughs[span], measured_bytes(sample, subject));
  }
  return troughs;
}

/// Bytes per span.
double median_slope(const Troughs& troughs) {
  std::array<double, span_count*(span_count - 1) / 2> slopes{};
  std::size_t count = 0;
  for (std::size_t from = 0; from < span_count; ++from) {
    for (std::size_t to = from + 1; to < span_count; ++to) {
      slopes[count++] = (static_cast<double>(troughs[to]) - static_cast<double>(troughs[from])) /
                        static_cast<double>(to - from);
    }
  }
  std::ranges::nth_element(slopes, slopes.begin() + slopes.size() / 2);
  return slopes[slopes.size() / 2];
}

bool keeps_growing(const Troughs& troughs, unsigned rises) {
  if (rises + 2 < span_count || troughs.back() <= troughs.front()) return false;
  const std::uint64_t whole = troughs.back() - troughs.front();
  if (whole < min_growth_bytes || whole < troughs.front() / 20) return false;
  std::uint64_t highest = troughs.front();
  for (const std::uint64_t trough : troughs) {
    if (at_least_zero(highest, trough) > whole / 10) return false;
    highest = std::max(highest, trough);
  }
  // The last third of the window brings a sixth of the growth at least: what fills up slows down.
  constexpr std::size_t late = span_count - 1 - (span_count - 1) / 3;
  return at_least_zero(troughs.back(), troughs[late]) >= whole / 6;
}

}  // namespace

std::optional<Growth> find_growth(std::span<const PressureSample> history) noexcept {
  if (history.size() < span_count) return std::nullopt;
  const auto length_ns = at_least_zero(history.back().at_ns, history.front().at_ns);
  const double seconds = static_cast<double>(length_ns) / 1e9;
  if (seconds < min_growth_seconds) return std::nullopt;
  Growth growth;
  const bool has_heap = std::ranges::all_of(
      history, [](const PressureSample& sample) { return sample.heap_held_bytes > 0; });
  growth.subject = has_heap ? GrowthSubject::heap : GrowthSubject::process;
  const Troughs troughs = find_troughs(history, growth.subject);
  if (std::ranges::find(troughs, no_sample) != troughs.end()) return std::nullopt;
  growth.seconds = seconds;
  growth.first_bytes = troughs.front();
  growth.last_bytes = troughs.back();
  growth.steps = span_count - 1;
  for (std::size_t span = 1; span < span_count; ++span) {
    if (troughs[span] > troughs[span - 1]) ++growth.rises;
  }
  growth.bytes_per_hour = median_slope(troughs) * span_count / seconds * 3600;
  growth.is_continuous = keeps_growing(troughs, growth.rises);
  return growth;
}

}  // namespace sqlitemem
