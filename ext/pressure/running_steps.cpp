// One record per thread that steps: its connection, and since when.
#include "ext/pressure/running_steps.h"

#include <pthread.h>
#include <sqlite3ext.h>

#include <array>
#include <atomic>

#include "allocators/base/clock.h"
#include "allocators/base/lock.h"
#include "allocators/config.h"
#include "ext/host/connection_entry.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

/// The lock keeps the connection open while it is interrupted: its step cannot return meanwhile.
struct alignas(64) RunningStep {
  std::atomic<bool> is_taken{false};
  Lock lock;
  sqlite3* db SQLITEMEM_GUARDED_BY(lock) = nullptr;
  std::uint64_t since_ns SQLITEMEM_GUARDED_BY(lock) = 0;
};

constexpr std::size_t most_threads = 256;  // Those beyond are not timed.
constinit std::array<RunningStep, most_threads> records;
[[gnu::tls_model("initial-exec")]] constinit thread_local RunningStep* own_record = nullptr;
[[gnu::tls_model("initial-exec")]] constinit thread_local unsigned step_depth = 0;

extern "C" void sqlitemem_steps_thread_exits(void* record) {
  static_cast<RunningStep*>(record)->is_taken.store(false, std::memory_order_release);
}

// Of the threads of the parent only this one is in the child.
extern "C" void sqlitemem_steps_in_child() SQLITEMEM_NO_THREAD_SAFETY {
  for (RunningStep& record : records) {
    new (&record.lock) Lock;
    if (&record == own_record) continue;
    record.db = nullptr;
    record.is_taken.store(false);
  }
}

/// 0: no key is to be had, so nothing is timed.
const pthread_key_t* exit_key() noexcept {
  static pthread_key_t key;
  static const bool is_made = ::pthread_key_create(&key, sqlitemem_steps_thread_exits) == 0 &&
                              ::pthread_atfork(nullptr, nullptr, sqlitemem_steps_in_child) == 0;
  return is_made ? &key : nullptr;
}

RunningStep* record_of_thread() noexcept {
  if (own_record != nullptr) return own_record;
  const pthread_key_t* key = exit_key();
  if (key == nullptr) return nullptr;
  for (RunningStep& record : records) {
    if (record.is_taken.load(std::memory_order_relaxed) || record.is_taken.exchange(true)) continue;
    if (::pthread_setspecific(*key, &record) != 0) {
      record.is_taken.store(false);
      return nullptr;
    }
    return own_record = &record;
  }
  return nullptr;
}

/// Calls `use(db)` with the record's lock held if the step is longer than `least_ns`.
template <class Use>
void for_each_long(std::uint64_t least_ns, Use use) noexcept {
  const std::uint64_t now = coarse_clock_ns();
  for (RunningStep& record : records) {
    if (!record.is_taken.load(std::memory_order_acquire)) continue;
    const LockGuard guard(record.lock);
    if (record.db != nullptr && now > record.since_ns && now - record.since_ns >= least_ns)
      use(record.db);
  }
}

}  // namespace

int timed_step(int (*step)(sqlite3_stmt*), sqlite3* (*db_handle)(sqlite3_stmt*),
               sqlite3_stmt* statement) {
  RunningStep* record = statement == nullptr || step_depth > 0 ? nullptr : record_of_thread();
  if (record != nullptr) {
    const LockGuard guard(record->lock);
    record->db = db_handle(statement);
    record->since_ns = coarse_clock_ns();
  }
  ++step_depth;
  const int rc = step(statement);
  --step_depth;
  if (record != nullptr) {
    const LockGuard guard(record->lock);
    record->db = nullptr;
  }
  return rc;
}

InterruptSummary interrupt_long_statements() noexcept {
  const auto least_ns =
      static_cast<std::uint64_t>(option(&Config::long_query_seconds)) * 1'000'000'000;
  bool any_low = false;
  for_each_long(least_ns, [&](sqlite3* db) { any_low = any_low || has_low_priority(db); });
  InterruptSummary summary;
  for_each_long(least_ns, [&](sqlite3* db) {
    if (any_low && !has_low_priority(db)) {
      ++summary.spared;
    } else {
      sqlite3_interrupt(db);
      ++summary.interrupted;
    }
  });
  return summary;
}

bool set_low_priority(sqlite3* db, bool is_low) noexcept {
  const EntryPointer entry = find_entry(db);
  if (entry == nullptr) return false;
  entry->has_low_priority.store(is_low, std::memory_order_relaxed);
  return true;
}

bool has_low_priority(sqlite3* db) noexcept {
  const EntryPointer entry = find_entry(db);
  return entry != nullptr && entry->has_low_priority.load(std::memory_order_relaxed);
}

}  // namespace sqlitemem::ext
