// Alerts: conditions of memory that were raised and cleared, once each, from plain readings.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/lock.h"
#include "allocators/pressure/growth.h"
#include "allocators/pressure/pressure_reading.h"

namespace sqlitemem {

enum class Severity : std::uint8_t { info, warning, critical };
inline constexpr std::array<std::string_view, 3> severity_names = {"info", "warning", "critical"};
[[nodiscard]] constexpr std::string_view name_of(Severity severity) noexcept {
  return severity_names[static_cast<std::size_t>(severity)];
}

/// Usage of the limit with the least room.
struct UsageInput {
  std::uint64_t used_bytes = 0, limit_bytes = 0;  ///< limit_bytes > 0.
};
/// One part of memory that is large enough to judge.
struct FragmentationInput {
  std::string part;  ///< As component in fragmentation_stats.
  std::uint64_t wanted_bytes = 0, held_bytes = 0;
};
/// Counts since the start, or since a reset. Who counts may differ from one evaluation to the next,
/// so each is compared with itself.
struct RefusalInput {
  std::optional<std::uint64_t> refused_by_heap;     ///< And by the buffer pool.
  std::optional<std::uint64_t> refused_by_monitor;  ///< PressureReading::refused_requests.
  std::uint64_t last_requested_bytes = 0;           ///< Of the last one; 0: not known.
  std::uint64_t used_bytes = 0;
  std::optional<std::uint64_t> limit_bytes;
};
struct ForecastInput {
  bool is_warning = false;
  std::optional<double> seconds_to_critical;
  double current_ratio = 0;
};
/// An orphaned transaction.
struct OrphanInput {
  std::uint64_t connection_id = 0;
  std::optional<double> idle_seconds;
  double allowed_idle_seconds = 0;  ///< 0: orphaned whatever it does (its thread has ended).
};
struct WalInput {
  std::string database_file;
  std::uint64_t log_bytes = 0;      ///< Of the frames that are in the log now.
  std::uint64_t pinned_frames = 0;  ///< By readers that have been open for old_reader_seconds.
  std::uint64_t holder_connection_id = 0;  ///< 0: another process, or not known.
};
/// A younger reader is simply at work.
inline constexpr double old_reader_seconds = 30;

/// What the rules look at. A part that could not be read is nullopt: its alerts stay as they are.
struct AlertInputs {
  std::optional<UsageInput> usage;
  std::optional<std::vector<FragmentationInput>> fragmentation;
  std::optional<std::uint64_t> pressure_events_last_hour;
  std::optional<RefusalInput> refusals;
  std::optional<Growth> growth;
  std::optional<ForecastInput> forecast;
  std::optional<std::vector<OrphanInput>> orphans;
  std::optional<std::vector<WalInput>> logs;
};

/// The parts that the pressure monitor knows: usage, events, refusals, growth and forecast. Cheap
/// enough for each sample: a pass over the history, and no allocation. Usage stays nullopt without
/// a limit, growth with a short history, and the forecast while it is stale.
[[nodiscard]] AlertInputs alert_inputs_of(const PressureReading& reading) noexcept;

/// One measurement of a rule. Alerts are told apart by rule and subject.
struct Measured {
  std::string_view subject;
  double value = 0;
  std::array<double, 2> amounts{};  ///< For the message: {first} and {second}.
  /// In place of the rule's own; then it clears where it raises.
  std::optional<double> threshold;
  bool is_event = false;  ///< It happened just now, whatever the value.
};

/// A rule's kind of threshold.
enum class AlertWhen : std::uint8_t {
  above,     ///< Raised when the value is greater; cleared when it is less than `clear`.
  below,     ///< Raised when the value is less; cleared when it is greater than `clear`.
  happened,  ///< Raised by an event; cleared `clear` seconds after the last one.
};

/// What was counted until the last evaluation.
struct AlertMemory {
  std::uint64_t refused_by_heap = 0, refused_by_monitor = 0;
};

/// Takes a rule's measurements.
class AlertSink {
 public:
  virtual void take(const Measured& measured) noexcept = 0;

 protected:
  ~AlertSink() = default;
};

/// THE place to add an alert: its entry in alert_rules.cpp.
struct AlertRule {
  std::string_view code;
  Severity severity = Severity::warning;
  std::string_view unit;  ///< Of the value: ratio, bytes, bytes_per_hour, seconds, events, frames.
  AlertWhen when = AlertWhen::above;
  double raise = 0, clear = 0;
  /// false: it could not be read, and nothing is raised or cleared. Subjects that are not measured
  /// any more are cleared.
  bool (*read)(const AlertInputs& inputs, AlertMemory& memory, AlertSink& sink) noexcept = nullptr;
  /// A sentence for fmt: {subject}, {value}, {threshold}, and {first} and {second} in
  /// `amount_unit`.
  std::string_view message;
  std::string_view amount_unit;
  std::string_view advice;
};
inline constexpr std::size_t alert_rule_count = 12;
[[nodiscard]] const std::array<AlertRule, alert_rule_count>& alert_rules() noexcept;

/// A value of that unit for people: "83.1 %", "1.5 MB", "12 s", "1.5 MB per hour".
[[nodiscard]] std::string amount_in_words(double value, std::string_view unit);

/// One alert, raised and perhaps cleared.
struct Alert {
  std::uint64_t alert_id = 0;  ///< 1, 2, …; never used twice.
  const AlertRule* rule = nullptr;
  std::string subject;
  std::int64_t raised_at_unix_ms = 0;
  std::optional<std::int64_t> cleared_at_unix_ms;
  double value = 0;  ///< The worst since it was raised. Of a refusal 0: size not known.
  std::optional<double> threshold;
  std::array<double, 2> amounts{};  ///< As they were at that value.

  [[nodiscard]] std::string message() const;
};

/// The last alerts of the process. Thread-safe. Raising and clearing allocate nothing, so that a
/// sampler may do it anywhere; texts are made when somebody reads. A fork leaves the child with an
/// empty book that it can use.
class AlertBook {
 public:
  static constexpr std::size_t max_alerts = 256;

  constexpr AlertBook() noexcept = default;
  AlertBook(const AlertBook&) = delete;
  AlertBook& operator=(const AlertBook&) = delete;

  /// Raises and clears. `now_unix_ms`: wall clock. Of more than max_alerts, those cleared longest
  /// ago go first; while so many are active, no new one is raised.
  void evaluate(const AlertInputs& inputs, std::int64_t now_unix_ms) noexcept;
  /// In the order in which they were raised.
  [[nodiscard]] std::vector<Alert> all() const;
  [[nodiscard]] std::size_t active_count() const noexcept;
  /// For the child of a fork, where nobody else can be inside.
  void begin_anew() noexcept SQLITEMEM_NO_THREAD_SAFETY;

 private:
  class Evaluation;
  /// Long subjects keep their end, which tells files apart.
  struct Record {
    std::uint64_t alert_id = 0;
    std::uint64_t subject_hash = 0;
    std::int64_t raised_at_unix_ms = 0, cleared_at_unix_ms = 0, last_event_unix_ms = 0;
    double value = 0, threshold = 0;
    std::array<double, 2> amounts{};
    std::array<char, 134> subject{};
    std::uint8_t subject_bytes = 0;
    std::uint8_t rule = 0;
    bool has_threshold = false, is_active = false, is_seen = false;
  };
  [[nodiscard]] Record* find_active(std::uint8_t rule, std::uint64_t subject_hash) noexcept
      SQLITEMEM_REQUIRES(lock_);
  [[nodiscard]] Record* make_room() noexcept SQLITEMEM_REQUIRES(lock_);

  mutable Lock lock_;
  std::uint64_t last_id_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::size_t count_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  AlertMemory memory_ SQLITEMEM_GUARDED_BY(lock_);
  std::array<Record, max_alerts> records_ SQLITEMEM_GUARDED_BY(lock_){};  // By alert_id.
};

/// The process's. Its pages are touched as alerts are raised.
[[nodiscard]] AlertBook& alert_book() noexcept;

}  // namespace sqlitemem
