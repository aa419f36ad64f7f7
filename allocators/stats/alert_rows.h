// The table memory_alerts: what was raised and cleared, value against threshold.
#pragma once

#include "allocators/pressure/alerts.h"
#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;
class Reading;

struct MemoryAlertsRow {
  std::uint64_t alert_id = 0;
  std::string code, severity, subject, raised_at;
  std::optional<std::string> cleared_at;
  std::optional<double> value, threshold;
  std::string unit, message, advice;

  static constexpr auto describe() {
    using R = MemoryAlertsRow;
    // clang-format off
    return describe_table<R>("memory_alerts", "",
        "What was raised and cleared, oldest first; the last 256 alerts of the process are kept. "
        "Reading the table looks at everything anew; in between, the sampler of memory pressure "
        "looks at usage, refusals, growth and the forecast, where it runs. Each condition is "
        "raised once, and cleared once, at a threshold a little apart from that which raised it.", {
        {"alert_id", &R::alert_id, Role::label, "", "1, 2, …; never used twice."},
        {"code", &R::code, Role::label, "", "Which condition: docs/doctor.md has all of them."},
        {"severity", &R::severity, Role::detail, "", "info, warning or critical."},
        {"subject", &R::subject, Role::label, "",
         "process, heap, a part of memory, a connection or a database file."},
        {"raised_at", &R::raised_at, Role::detail, "",
         "When it was first seen, ISO 8601, UTC."},
        {"cleared_at", &R::cleared_at, Role::detail, "",
         "When it was first seen to be over; NULL: it still holds."},
        {"value", &R::value, Role::detail, "",
         "The worst since it was raised, in `unit`. Of allocation_failure the size of the request; "
         "NULL: not known."},
        {"threshold", &R::threshold, Role::detail, "",
         "What the value was compared with. Of allocation_failure the limit; NULL: there is none."},
        {"unit", &R::unit, Role::detail, "",
         "ratio (0 to 1), bytes, bytes_per_hour, seconds, events or frames."},
        {"message", &R::message, Role::detail, "", "The same in a sentence."},
        {"advice", &R::advice, Role::detail, "", "What to do about it."},
    }, {
        {"min_severity", ArgumentType::text, false,
         "info, warning or critical: only alerts at least so severe."},
    });
    // clang-format on
  }
  static std::vector<MemoryAlertsRow> snapshot(Sources& sources, Arguments arguments);
};

/// Everything that the alerts look at, from what the tables show.
[[nodiscard]] AlertInputs read_alert_inputs(Sources& sources);

/// The limit that memory is nearest to.
struct LimitInForce {
  std::uint64_t used_bytes = 0, limit_bytes = 0;
  std::string source;  ///< Who uses it against which limit, in words.
};
/// What the pressure monitor says; without one, the nearer of memory_limit, against what the heap
/// holds, and the control group's limit, against this process alone. nullopt: there is none, or
/// none can be read.
[[nodiscard]] std::optional<LimitInForce> read_limit_in_force(Reading& reading);

}  // namespace sqlitemem::stats
