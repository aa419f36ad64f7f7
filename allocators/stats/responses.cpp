// Keeps the steps that released memory.
#include "allocators/stats/responses.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <utility>

namespace sqlitemem::stats {
namespace {

// A child of fork() makes a log of its own: another thread may have held the parent's lock.
constinit std::atomic<ResponseLog*> log{nullptr};
void forget_log_in_child() noexcept { log.store(nullptr, std::memory_order_relaxed); }

ResponseLog* make_log() {
  static const int is_told = ::pthread_atfork(nullptr, nullptr, forget_log_in_child);
  static_cast<void>(is_told);
  auto* made = new ResponseLog;
  ResponseLog* known = nullptr;
  if (log.compare_exchange_strong(known, made)) return made;
  delete made;
  return known;
}

void add_known(std::optional<std::uint64_t>& sum, const std::optional<std::uint64_t>& part) {
  if (part) sum = sum.value_or(0) + *part;
}

void add_step(std::vector<MemoryResponseTotalsRow>& totals, const MemoryResponsesRow& step) {
  auto place = std::ranges::lower_bound(totals, step.action, {}, &MemoryResponseTotalsRow::action);
  if (place == totals.end() || place->action != step.action) {
    place = totals.insert(place, MemoryResponseTotalsRow());
    place->action = step.action;
  }
  ++place->steps;
  add_known(place->freed_bytes, step.freed_bytes);
  add_known(place->returned_bytes, step.returned_bytes);
  place->duration_seconds += step.duration_seconds;
}

}  // namespace

ResponseLog& response_log() {
  ResponseLog* known = log.load(std::memory_order_acquire);
  return known != nullptr ? *known : *make_log();
}

std::uint64_t ResponseLog::add(std::vector<MemoryResponsesRow> steps,
                               const std::string& started_at) {
  const LockGuard guard(lock_);
  const std::size_t kept = steps_.size();
  const std::uint64_t id = last_id_ + 1;
  std::vector<MemoryResponseTotalsRow> totals = totals_;
  for (const MemoryResponsesRow& row : steps) add_step(totals, row);
  try {
    std::uint64_t step = 0;
    for (MemoryResponsesRow& row : steps) {
      row.response_id = id;
      row.step = ++step;
      row.started_at = started_at;
      steps_.push_back(std::move(row));
    }
  } catch (...) {
    steps_.resize(kept);
    throw;
  }
  last_id_ = id;
  totals_ = std::move(totals);
  while (steps_.size() > max_steps) steps_.pop_front();
  return id;
}

std::vector<MemoryResponsesRow> ResponseLog::all() const {
  const LockGuard guard(lock_);
  return {steps_.begin(), steps_.end()};
}

std::vector<MemoryResponseTotalsRow> ResponseLog::totals() const {
  const LockGuard guard(lock_);
  return totals_;
}

std::vector<MemoryResponseTotalsRow> MemoryResponseTotalsRow::snapshot(Sources&, Arguments) {
  return response_log().totals();
}

std::vector<MemoryResponsesRow> MemoryResponsesRow::snapshot(Sources&, Arguments) {
  return response_log().all();
}

}  // namespace sqlitemem::stats
