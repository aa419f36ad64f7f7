// Parking and taking plans.
#include "ext/plans/plan_cache.h"

#include <new>
#include <utility>

#include "allocators/base/clock.h"
#include "ext/plans/admission.h"
#include "ext/plans/plan_registry.h"

namespace sqlitemem::ext::plans {
namespace {

constexpr int memory_used = 99;  // SQLITE_STMTSTATUS_MEMUSED

/// Not in the order of parking, but never twice in a process.
std::uint64_t next_id() noexcept {
  static constinit std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

PlanCache::PlanCache(const SqliteCalls& calls, sqlite3* db)
    : calls_(calls), db_(db), mutex_(calls.db_mutex(db)) {}

PlanCache::~PlanCache() {
  while (Plan* plan = all_.any()) {
    if (plan->state == PlanState::parked) unlink(*plan);
    all_.erase(*plan);
    delete plan;
  }
  note_known();
  release_slack();
}

Plan* PlanCache::find(sqlite3_stmt* statement) const noexcept {
  return all_.find(Plan::hash_of_statement(statement),
                   [statement](const Plan& plan) { return plan.statement == statement; });
}

Plan* PlanCache::take(const PlanKey& key) noexcept {
  Plan* plan = parked_.find(key.hash, [&key](const Plan& known) { return known.is_for(key); });
  if (plan == nullptr) return nullptr;
  if (calls_.expired(plan->statement) != 0) {
    drop(*plan);
    return nullptr;
  }
  unlink(*plan);
  plan->state = PlanState::in_use;
  ++plan->hits;
  counters.hits.add(1);
  return plan;
}

Plan* PlanCache::add(std::unique_ptr<Plan> plan) noexcept {
  plan->epoch = epoch_;
  // A statement that was finalized behind our back, and whose address is used again.
  if (Plan* gone = find(plan->statement)) forget(*gone);
  if (!all_.insert(*plan)) return nullptr;
  note_known();
  return plan.release();
}

Plan* PlanCache::track(sqlite3_stmt* statement, const PlanKey& key, std::size_t tail) noexcept {
  try {
    auto plan = std::make_unique<Plan>();
    plan->statement = statement;
    plan->hash = key.hash;
    plan->flags = key.flags;
    plan->sql = key.sql;
    plan->tail = tail;
    plan->id = next_id();
    return add(std::move(plan));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

Plan* PlanCache::track_hazard(sqlite3_stmt* statement) noexcept {
  std::unique_ptr<Plan> plan(new (std::nothrow) Plan);
  if (plan == nullptr) return nullptr;
  plan->statement = statement;
  plan->state = PlanState::hazard;
  return add(std::move(plan));
}

void PlanCache::forget(Plan& plan) noexcept {
  if (plan.state == PlanState::parked) unlink(plan);
  if (plan.state == PlanState::hazard && admission != nullptr) --admission->hazards;
  all_.erase(plan);
  note_known();
  delete &plan;
}

/// What the program could see of the last run is cleared, as sqlite3_finalize() would.
bool PlanCache::make_as_new(Plan& plan, int& rc) noexcept {
  sqlite3_stmt* const statement = plan.statement;
  if (calls_.stmt_isexplain(statement) != 0) return false;
  rc = calls_.reset(statement);
  // The second time because clearing a value that the plan depends on makes it expire.
  if (rc != SQLITE_OK || calls_.expired(statement) != 0) return false;
  calls_.clear_bindings(statement);
  if (calls_.expired(statement) != 0 || !is_what_it_was(plan)) return false;
  constexpr int first = SQLITE_STMTSTATUS_FULLSCAN_STEP, last = SQLITE_STMTSTATUS_FILTER_HIT;
  for (int counter = first; counter <= last; ++counter) {
    const int count = calls_.stmt_status(statement, counter, 1);
    if (counter == SQLITE_STMTSTATUS_RUN) plan.runs += static_cast<unsigned>(count);
    if (counter == SQLITE_STMTSTATUS_REPREPARE) plan.reprepares += static_cast<unsigned>(count);
  }
  if (plan.memory_bytes == 0) {
    plan.memory_bytes = static_cast<unsigned>(calls_.stmt_status(statement, memory_used, 0)) +
                        sizeof(Plan) + plan.sql.size();
  }
  return may_park_bytes(plan.memory_bytes);
}

/// The program may have finalized it by a function that we do not see, and SQLite may have used the
/// memory for another statement.
bool PlanCache::is_what_it_was(const Plan& plan) const noexcept {
  const char* text = calls_.sql(plan.statement);
  return text != nullptr && std::strncmp(text, plan.sql.data(), plan.tail) == 0 &&
         text[plan.tail] == '\0';
}

int PlanCache::give_back(Plan& plan, bool may_park) noexcept {
  int rc = SQLITE_OK;
  if (!may_park || plan.epoch != epoch_) return drop(plan);
  if (!make_as_new(plan, rc)) {
    const int finalized = drop(plan);
    return rc != SQLITE_OK ? rc : finalized;
  }
  const auto is_alike = [&plan](const Plan& known) {
    return known.hash == plan.hash && known.flags == plan.flags && known.sql == plan.sql;
  };
  if (parked_.find(plan.hash, is_alike) != nullptr || !parked_.insert(plan)) return drop(plan);
  link(plan);
  if (is_over_limits()) make_room(calls_, *this);
  return SQLITE_OK;
}

/// Finalizes it, wherever it is.
int PlanCache::drop(Plan& plan) noexcept {
  sqlite3_stmt* const statement = plan.statement;
  forget(plan);  // First: what is called from within must not find it.
  return calls_.finalize(statement);
}

/// Requires: it is among parked_.
void PlanCache::link(Plan& plan) noexcept {
  plan.state = PlanState::parked;
  plan.parked_at_ns = coarse_clock_ns();
  plan.newer = nullptr;
  plan.older = newest_;
  (newest_ != nullptr ? newest_->newer : oldest_) = &plan;
  newest_ = &plan;
  const std::size_t plans = parked_plans() + 1;
  const std::uint64_t bytes = parked_bytes() + plan.memory_bytes;
  parked_plans_.store(plans, std::memory_order_relaxed);
  parked_bytes_.store(bytes, std::memory_order_relaxed);
  if (plans > reserved_.plans) {
    process_totals().plans.fetch_add(plans - reserved_.plans, std::memory_order_relaxed);
    reserved_.plans = plans;
  }
  if (bytes > reserved_.bytes) {
    process_totals().bytes.fetch_add(bytes - reserved_.bytes, std::memory_order_relaxed);
    reserved_.bytes = bytes;
  }
  note_oldest();
}

void PlanCache::unlink(Plan& plan) noexcept {
  parked_.erase(plan);
  (plan.older != nullptr ? plan.older->newer : oldest_) = plan.newer;
  (plan.newer != nullptr ? plan.newer->older : newest_) = plan.older;
  parked_plans_.store(parked_plans() - 1, std::memory_order_relaxed);
  parked_bytes_.store(parked_bytes() - plan.memory_bytes, std::memory_order_relaxed);
  note_oldest();
}

void PlanCache::note_known() noexcept {
  process_totals().known.fetch_add(all_.size() - known_plans_.load(std::memory_order_relaxed),
                                   std::memory_order_relaxed);
  known_plans_.store(all_.size(), std::memory_order_relaxed);
}

void PlanCache::note_oldest() noexcept {
  oldest_ns_.store(oldest_ == nullptr ? UINT64_MAX : oldest_->parked_at_ns,
                   std::memory_order_relaxed);
}

void PlanCache::release_slack() noexcept {
  process_totals().plans.fetch_sub(reserved_.plans - parked_plans(), std::memory_order_relaxed);
  process_totals().bytes.fetch_sub(reserved_.bytes - parked_bytes(), std::memory_order_relaxed);
  reserved_ = {parked_plans(), parked_bytes()};
}

std::size_t PlanCache::drop_parked() noexcept {
  std::size_t count = 0;
  ++epoch_;
  for (; oldest_ != nullptr; ++count) drop(*oldest_);
  if (count > 0) release_slack();
  return count;
}

bool PlanCache::evict_oldest() noexcept {
  if (oldest_ == nullptr) return false;
  drop(*oldest_);
  release_slack();
  return true;
}

}  // namespace sqlitemem::ext::plans
