// Raises and clears alerts, with hysteresis, in a fixed store.
#include "allocators/pressure/alerts.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>

#include "allocators/base/words.h"

namespace sqlitemem {
namespace {

/// FNV-1a.
std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = 14695981039346656037U;
  for (const char letter : text) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211U;
  }
  return hash;
}

bool is_worse(const AlertRule& rule, double value, double than) noexcept {
  return rule.when == AlertWhen::below ? value < than : value > than;
}

bool is_beyond(const AlertRule& rule, const Measured& measured) noexcept {
  if (rule.when == AlertWhen::happened) return measured.is_event;
  // A limit of its own counts from the very value on: what is orphaned at 60 s is orphaned.
  if (measured.threshold) return measured.value >= *measured.threshold;
  return is_worse(rule, measured.value, rule.raise);
}

bool is_over(const AlertRule& rule, const Measured& measured) noexcept {
  if (measured.threshold) return measured.value < *measured.threshold;
  return rule.when == AlertWhen::below ? measured.value > rule.clear : measured.value < rule.clear;
}

constinit AlertBook the_book;
void begin_anew_in_child() noexcept { the_book.begin_anew(); }

}  // namespace

AlertBook& alert_book() noexcept {
  static const int is_told = ::pthread_atfork(nullptr, nullptr, begin_anew_in_child);
  static_cast<void>(is_told);
  return the_book;
}

void AlertBook::begin_anew() noexcept {
  std::construct_at(&lock_);
  last_id_ = 0;
  count_ = 0;
  memory_ = {};
}

AlertBook::Record* AlertBook::find_active(std::uint8_t rule, std::uint64_t subject_hash) noexcept {
  for (std::size_t index = 0; index < count_; ++index) {
    Record& record = records_[index];
    if (record.is_active && record.rule == rule && record.subject_hash == subject_hash)
      return &record;
  }
  return nullptr;
}

AlertBook::Record* AlertBook::make_room() noexcept {
  if (count_ == max_alerts) {
    std::size_t oldest = max_alerts;
    for (std::size_t index = 0; index < count_; ++index) {
      if (records_[index].is_active) continue;
      if (oldest == max_alerts ||
          records_[index].cleared_at_unix_ms < records_[oldest].cleared_at_unix_ms)
        oldest = index;
    }
    if (oldest == max_alerts) return nullptr;
    std::copy(records_.begin() + static_cast<std::ptrdiff_t>(oldest) + 1, records_.end(),
              records_.begin() + static_cast<std::ptrdiff_t>(oldest));
    --count_;
  }
  records_[count_] = {};
  return &records_[count_++];
}

/// One rule's measurements against its alerts. Requires the book's lock.
class AlertBook::Evaluation final : public AlertSink {
 public:
  Evaluation(AlertBook& book, std::uint8_t rule, std::int64_t now_unix_ms) noexcept
      : book_(book), rule_(alert_rules()[rule]), index_(rule), now_unix_ms_(now_unix_ms) {}

  void take(const Measured& measured) noexcept override SQLITEMEM_NO_THREAD_SAFETY {
    const std::uint64_t hash = hash_of(measured.subject);
    Record* record = book_.find_active(index_, hash);
    const bool is_raised = is_beyond(rule_, measured);
    if (record == nullptr && is_raised) record = raise(measured, hash);
    if (record == nullptr) return;
    record->is_seen = true;
    if (is_raised) {
      record->last_event_unix_ms = now_unix_ms_;
      if (is_worse(rule_, measured.value, record->value)) note(*record, measured);
    } else if (rule_.when == AlertWhen::happened ? is_quiet(*record) : is_over(rule_, measured)) {
      clear(*record);
    }
  }
  /// After all measurements: what is not there any more is over.
  void clear_the_rest() noexcept SQLITEMEM_NO_THREAD_SAFETY {
    for (std::size_t index = 0; index < book_.count_; ++index) {
      Record& record = book_.records_[index];
      if (record.rule != index_) continue;
      if (record.is_active && !record.is_seen) clear(record);
      record.is_seen = false;
    }
  }

 private:
  Record* raise(const Measured& measured, std::uint64_t hash) noexcept SQLITEMEM_NO_THREAD_SAFETY {
    Record* record = book_.make_room();
    if (record == nullptr) return nullptr;
    record->alert_id = ++book_.last_id_;
    record->subject_hash = hash;
    record->rule = index_;
    record->is_active = true;
    record->raised_at_unix_ms = now_unix_ms_;
    const std::string_view end = measured.subject.substr(
        measured.subject.size() - std::min(measured.subject.size(), record->subject.size()));
    std::memcpy(record->subject.data(), end.data(), end.size());
    record->subject_bytes = static_cast<std::uint8_t>(end.size());
    note(*record, measured);
    return record;
  }
  void note(Record& record, const Measured& measured) const noexcept {
    record.value = measured.value;
    record.amounts = measured.amounts;
    record.has_threshold = measured.threshold || rule_.when != AlertWhen::happened;
    record.threshold = measured.threshold.value_or(rule_.raise);
  }
  void clear(Record& record) const noexcept {
    record.is_active = false;
    record.cleared_at_unix_ms = now_unix_ms_;
  }
  [[nodiscard]] bool is_quiet(const Record& record) const noexcept {
    return static_cast<double>(now_unix_ms_ - record.last_event_unix_ms) >= rule_.clear * 1000;
  }

  AlertBook& book_;
  const AlertRule& rule_;
  std::uint8_t index_;
  std::int64_t now_unix_ms_;
};

void AlertBook::evaluate(const AlertInputs& inputs, std::int64_t now_unix_ms) noexcept {
  const LockGuard guard(lock_);
  for (std::uint8_t rule = 0; rule < alert_rule_count; ++rule) {
    Evaluation evaluation(*this, rule, now_unix_ms);
    if (alert_rules()[rule].read(inputs, memory_, evaluation)) evaluation.clear_the_rest();
  }
}

std::vector<Alert> AlertBook::all() const {
  std::vector<Alert> alerts;
  alerts.reserve(max_alerts);  // Not under the lock, which a sampler may wait for.
  const LockGuard guard(lock_);
  for (std::size_t index = 0; index < count_; ++index) {
    const Record& record = records_[index];
    Alert alert;
    alert.alert_id = record.alert_id;
    alert.rule = &alert_rules()[record.rule];
    alert.subject.assign(record.subject.data(), record.subject_bytes);
    alert.raised_at_unix_ms = record.raised_at_unix_ms;
    if (!record.is_active) alert.cleared_at_unix_ms = record.cleared_at_unix_ms;
    alert.value = record.value;
    if (record.has_threshold) alert.threshold = record.threshold;
    alert.amounts = record.amounts;
    alerts.push_back(std::move(alert));
  }
  return alerts;
}

std::size_t AlertBook::active_count() const noexcept {
  const LockGuard guard(lock_);
  std::size_t active = 0;
  for (std::size_t index = 0; index < count_; ++index) active += records_[index].is_active ? 1 : 0;
  return active;
}

std::string amount_in_words(double value, std::string_view unit) {
  if (unit == "ratio") return fmt::format("{:.1f} %", 100 * value);
  if (unit == "bytes") return bytes_in_words(value);
  if (unit == "bytes_per_hour") return bytes_in_words(value) + " per hour";
  if (unit == "seconds") return seconds_in_words(value);
  return fmt::format("{:.0f}", value);
}

std::string Alert::message() const {
  const bool is_size_unknown = rule->when == AlertWhen::happened && value == 0;
  return fmt::format(
      fmt::runtime(rule->message), fmt::arg("subject", subject),
      fmt::arg("value", is_size_unknown ? "memory" : amount_in_words(value, rule->unit)),
      fmt::arg("threshold", threshold ? amount_in_words(*threshold, rule->unit) : "unknown"),
      fmt::arg("first", amount_in_words(amounts[0], rule->amount_unit)),
      fmt::arg("second", amount_in_words(amounts[1], rule->amount_unit)));
}

}  // namespace sqlitemem
