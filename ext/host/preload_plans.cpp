// Decides whether plans are kept, and does what keeping them asks of each function but prepare.
#include "ext/host/preload_plans.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "allocators/base/lock.h"
#include "allocators/config.h"
#include "ext/host/plan_remark.h"
#include "ext/host/preload_prepare.h"
#include "ext/plans/admission.h"
#include "ext/plans/embedder.h"
#include "ext/plans/sql_text.h"

namespace sqlitemem::ext::preload {
namespace {

using plans::PlanCache;
using plans::SqliteCalls;

constinit std::atomic<PlanMode> plan_mode_now{PlanMode::undecided};
constinit Lock decision_lock;

// The self-check: the private connection, and which of SQLite's own calls came by.
constinit std::atomic<sqlite3*> checked_db{nullptr};
constinit std::atomic<bool> saw_prepare{false}, saw_step{false};

struct CodeRange {
  std::uintptr_t begin = 0, end = 0;
  [[nodiscard]] bool contains(const void* address) const noexcept {
    return reinterpret_cast<std::uintptr_t>(address) - begin < end - begin;
  }
};
constinit CodeRange sqlite_code, own_code;  // Set before `plan_mode_now` leaves undecided.

// A statement that begins an exclusive transaction may be stepped again and again.
constinit std::array<std::atomic<sqlite3_stmt*>, 64> exclusive_statements{};
constinit std::atomic<int> exclusive_count{0};

const SqliteCalls& sqlite_calls() noexcept { return *plans::served_calls(); }

bool is_exclusive(const sqlite3_stmt* statement) noexcept {
  return std::any_of(exclusive_statements.begin(), exclusive_statements.end(),
                     [statement](const auto& known) { return known.load() == statement; });
}

void forget_exclusive(sqlite3_stmt* statement) noexcept {
  for (auto& known : exclusive_statements) {
    sqlite3_stmt* expected = statement;
    if (known.compare_exchange_strong(expected, nullptr)) exclusive_count.fetch_sub(1);
  }
}

/// Calls `use(cache)` under the connection's mutex, if it has a cache of ours.
template <class Use>
void with_cache(sqlite3* db, Use use) noexcept {
  PlanCache* const cache = db == nullptr ? nullptr : plans::find_cache(db);
  if (cache == nullptr || cache->admission == nullptr) return;
  const plans::MutexGuard mutex(sqlite_calls(), cache->mutex());
  use(*cache);
}

/// sqlite3_exec() on a connection of our own, which nobody else sees.
bool calls_come_by(const SqliteCalls& with) noexcept {
  sqlite3* db = nullptr;
  bool is_run = with.open(":memory:", &db) == SQLITE_OK;
  checked_db.store(db);
  is_run = is_run && with.exec(db, "SELECT 1", nullptr, nullptr, nullptr) == SQLITE_OK;
  checked_db.store(nullptr);
  with.close(db);
  return is_run && saw_prepare && saw_step;
}

bool has_heap_limit(const SqliteCalls& with) noexcept {
  return with.soft_heap_limit64(-1) > 0 || with.hard_heap_limit64(-1) > 0;
}

/// nullptr: it can be on; else why not, in a sentence.
const char* find_obstacle(const HostSqlite& sqlite) noexcept {
#if !defined(__x86_64__)
  return "The plan cache (option plan_cache) is off: it is there for x86-64 only.";
#endif
  const SqliteCalls* with = plans::use_sqlite(sqlite);
  if (with == nullptr) {
    return "The plan cache (option plan_cache) is off: this SQLite lacks functions that it needs.";
  }
  if (has_heap_limit(*with)) return heap_limit_reason;
  sqlite_code = {sqlite.begin, sqlite.end};
  plan_mode_now.store(PlanMode::checking, std::memory_order_release);
  if (calls_come_by(*with)) return nullptr;
  return "The plan cache (option plan_cache) is off: this SQLite binds its calls within itself "
         "(-Bsymbolic), so that it could change a schema without our notice.";
}

int step_plan(sqlite3_stmt* statement) {
  const SqliteCalls& real = sqlite_calls();
  if (statement == nullptr || real.stmt_busy(statement) != 0) return real.step(statement);
  if (checked_db.load(std::memory_order_relaxed) != nullptr)
    note_checked(real.db_handle(statement), Slot::step);
  // There is nothing that this could make old.
  if (exclusive_count.load(std::memory_order_relaxed) == 0 &&
      plans::process_totals().known.load(std::memory_order_relaxed) == 0)
    return real.step(statement);
  const int before = real.stmt_status(statement, SQLITE_STMTSTATUS_REPREPARE, 0);
  const bool begins =
      exclusive_count.load(std::memory_order_relaxed) > 0 && is_exclusive(statement);
  const int rc = real.step(statement);
  const bool is_usual = rc == SQLITE_ROW || rc == SQLITE_DONE || rc == SQLITE_BUSY;
  if (is_usual && !begins && real.stmt_status(statement, SQLITE_STMTSTATUS_REPREPARE, 0) == before)
      [[likely]]
    return rc;
  sqlite3* const db = real.db_handle(statement);
  if (begins) with_cache(db, [](PlanCache& cache) { cache.admission->is_unverified = true; });
  if (!is_usual || real.stmt_status(statement, SQLITE_STMTSTATUS_REPREPARE, 0) != before)
    flush_plans(db);
  return rc;
}

template <auto close>
int drain_and_close(sqlite3* db) {
  with_cache(db, [](PlanCache& cache) {
    cache.drop_parked();
    cache.is_closing = true;
  });
  const int rc = (sqlite_calls().*close)(db);
  // After success the connection may be gone, and its cache with it.
  if (rc != SQLITE_OK) with_cache(db, [](PlanCache& cache) { cache.is_closing = false; });
  return rc;
}

}  // namespace

PlanMode plan_mode() noexcept { return plan_mode_now.load(std::memory_order_acquire); }

bool is_from_within(const void* caller) noexcept {
  return sqlite_code.contains(caller) || own_code.contains(caller);
}

void decide_plan_cache(const HostSqlite& sqlite) noexcept {
  if (plan_mode() != PlanMode::undecided) return;
  const LockGuard guard(decision_lock);
  if (plan_mode() != PlanMode::undecided) return;
  bool is_on = false;
  try {
    const LoadedObject own = find_object(reinterpret_cast<const void*>(&plan_mode));
    own_code = {own.begin, own.end};
    if (option(&Config::plan_cache) != 0) {
      const char* obstacle = find_obstacle(sqlite);
      is_on = obstacle == nullptr;
      set_plan_remark(is_on ? "Prepared statements are kept for re-use (option plan_cache)."
                            : obstacle);
    }
  } catch (...) {  // No memory: it stays off.
  }
  plan_mode_now.store(is_on ? PlanMode::on : PlanMode::off, std::memory_order_release);
}

void stop_plan_cache(const char* reason) noexcept {
  PlanMode expected = PlanMode::on;
  if (!plan_mode_now.compare_exchange_strong(expected, PlanMode::stopped)) return;
  set_plan_remark(reason);
  plans::clear_oldest(sqlite_calls(), 100);  // Busy connections follow when they close.
}

void stop_plans_if_limited() noexcept {
  if (keeps_plans() && has_heap_limit(sqlite_calls())) stop_plan_cache(heap_limit_reason);
}

void note_checked(sqlite3* db, Slot slot) noexcept {
  if (db != checked_db.load()) return;
  (slot == Slot::step ? saw_step : saw_prepare).store(true);
}

bool remember_exclusive(sqlite3_stmt* statement) noexcept {
  for (auto& known : exclusive_statements) {
    sqlite3_stmt* expected = nullptr;
    if (!known.compare_exchange_strong(expected, statement)) continue;
    exclusive_count.fetch_add(1);
    return true;
  }
  return false;
}

void flush_plans(sqlite3* db) noexcept {
  with_cache(db, [](PlanCache& cache) { cache.drop_parked(); });
}

void set_reason(sqlite3* db, std::uint32_t reason, bool holds) noexcept {
  if (db == nullptr || !keeps_plans()) return;
  const plans::MutexGuard mutex(sqlite_calls(), sqlite_calls().db_mutex(db));
  PlanCache* const cache = holds
                               ? plans::cache_of(sqlite_calls(), db, plans::Drain::by_interposition)
                               : plans::find_cache(db);
  if (cache == nullptr || cache->admission == nullptr) return;
  if (holds) cache->drop_parked();
  std::uint32_t& reasons = cache->admission->reasons;
  reasons = holds ? reasons | reason : reasons & ~reason;
}

void* plan_function(Slot slot) noexcept {
  if (void* prepares = prepare_function(slot)) return prepares;
  if (plan_mode() == PlanMode::off || plan_mode() == PlanMode::undecided) return nullptr;
  if (slot == Slot::step) return reinterpret_cast<void*>(step_plan);
  if (slot == Slot::close) return reinterpret_cast<void*>(drain_and_close<&SqliteCalls::close>);
  if (slot == Slot::close_v2)
    return reinterpret_cast<void*>(drain_and_close<&SqliteCalls::close_v2>);
  return nullptr;
}

void before_call(Slot slot, const void* caller, const std::uintptr_t* arguments) noexcept {
  if (!keeps_plans()) return;
  // As the entry found it in a register. NOLINTNEXTLINE(performance-no-int-to-ptr)
  auto* const db = reinterpret_cast<sqlite3*>(arguments[0]);
  const auto number = [arguments](int index) { return static_cast<int>(arguments[index]); };
  switch (slot) {
    case Slot::enable_shared_cache:
      if (number(0) != 0) {
        stop_plan_cache(
            "The plan cache (option plan_cache) is off, because the program enabled SQLite's "
            "shared "
            "cache.");
      }
      return;
    case Slot::drop_modules:  // Ours, too, and with it what is known of the connection.
      return stop_plan_cache(
          "The plan cache (option plan_cache) is off, because the program called "
          "sqlite3_drop_modules().");
    case Slot::interrupt:  // Perhaps from a handler of signals.
      if (PlanCache* cache = db == nullptr ? nullptr : plans::find_cache(db))
        if (cache->admission != nullptr) cache->admission->is_interrupted = true;
      return;
    case Slot::set_authorizer:
      return set_reason(db, plans::has_authorizer, arguments[1] != 0);
    case Slot::rollback_hook:
    case Slot::errmsg:
      return;
    case Slot::progress_handler:
      return set_reason(db, plans::has_progress_handler, number(1) > 0 && arguments[2] != 0);
    case Slot::unlock_notify:
      return set_reason(db, plans::has_unlock_notify, true);
    case Slot::backup_init:
      return set_reason(db, plans::is_backup_target, true);
    case Slot::create_module:
    case Slot::create_module_v2:
      // Ours, and those that come with SQLite, keep to what public API lets them see.
      if (is_from_within(caller)) return flush_plans(db);
      return set_reason(db, plans::has_modules, true);
    case Slot::limit:
      if (number(2) < 0) return;
      if (number(1) == SQLITE_LIMIT_SQL_LENGTH)
        return set_reason(db, plans::has_short_sql_limit, true);
      return flush_plans(db);
    default:
      // Our own questions are not the program's: they must not change what they look at.
      if (!own_code.contains(caller)) flush_plans(db);
  }
}

int finalize_or_park(sqlite3_stmt* statement) noexcept {
  const SqliteCalls& real = sqlite_calls();
  sqlite3* const db = statement == nullptr ? nullptr : real.db_handle(statement);
  PlanCache* const cache = db == nullptr ? nullptr : plans::find_cache(db);
  if (exclusive_count.load(std::memory_order_relaxed) > 0) forget_exclusive(statement);
  if (cache == nullptr || !cache->knows_any()) return real.finalize(statement);
  plans::MutexGuard mutex(real, cache->mutex());
  plans::Plan* const plan = cache->find(statement);
  if (plan == nullptr || cache->is_closing) {
    if (plan != nullptr) cache->forget(*plan);
    mutex.leave();  // It may be what its connection waits for to close.
    return real.finalize(statement);
  }
  if (plan->state == plans::PlanState::parked) return SQLITE_MISUSE;
  const plans::Admission* admission = cache->admission.get();
  if (plan->state == plans::PlanState::hazard) {
    const int rc = cache->give_back(*plan, false);
    cache->drop_parked();
    return rc;
  }
  const bool is_fit =
      keeps_plans() && admission != nullptr && admission->reasons == 0 && admission->hazards == 0;
  return cache->give_back(*plan, is_fit);
}

void after_exec(sqlite3* db) noexcept {
  with_cache(db, [](PlanCache& cache) {
    if (cache.admission->ran_hazard_within) cache.drop_parked();
    cache.admission->ran_hazard_within = false;
  });
}

bool may_share_cache(const char* file) noexcept {
  return file != nullptr && std::strchr(file, '?') != nullptr;
}

bool may_share_cache16(const void* file) noexcept {
  if (file == nullptr) return false;
  for (const auto* letter = static_cast<const char16_t*>(file); *letter != 0; ++letter)
    if (*letter == u'?') return true;
  return false;
}

void note_opened(sqlite3* db, bool is_sharing) noexcept {
  if (is_sharing) set_reason(db, plans::shares_cache, true);
}

}  // namespace sqlitemem::ext::preload
