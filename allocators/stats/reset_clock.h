// When the counters were last set to zero, and times as text.
#pragma once

#include <ctime>
#include <optional>
#include <string>

namespace sqlitemem::stats {

/// ISO 8601, UTC, to the second: "2026-01-31T23:59:59Z".
std::string iso8601(std::time_t seconds);

/// Called by whoever resets the heap's statistics. Any thread.
void note_statistics_reset(std::time_t now) noexcept;
/// nullopt: never; the counters run since the heap started.
std::optional<std::string> statistics_reset_at();

}  // namespace sqlitemem::stats
