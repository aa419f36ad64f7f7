// The statements of one connection: those that wait to be taken again, least recently used first,
// and those that the program has and may give back.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "ext/plans/chained_table.h"
#include "ext/plans/plan.h"
#include "ext/plans/plan_limits.h"
#include "ext/plans/sqlite_calls.h"

namespace sqlitemem::ext::plans {

/// What the preload library has to know of a connection beyond its plans; see admission.h.
struct Admission;

/// Every member function requires the connection's mutex (sqlite3_db_mutex), which is null for a
/// connection that its program keeps to one thread at a time, unless it says otherwise.
class PlanCache {
 public:
  PlanCache(const SqliteCalls& calls, sqlite3* db);
  /// Requires: the connection is being closed, so that no statement of it is left.
  ~PlanCache();
  PlanCache(const PlanCache&) = delete;
  PlanCache& operator=(const PlanCache&) = delete;

  [[nodiscard]] sqlite3* db() const noexcept { return db_; }
  [[nodiscard]] sqlite3_mutex* mutex() const noexcept { return mutex_; }

  /// A parked plan for that text, as new, from now on the program's; nullptr: there is none.
  Plan* take(const PlanKey& key) noexcept;
  /// Remembers a statement that was just prepared. nullptr: no memory, it is not remembered.
  Plan* track(sqlite3_stmt* statement, const PlanKey& key, std::size_t tail) noexcept;
  Plan* track_hazard(sqlite3_stmt* statement) noexcept;
  [[nodiscard]] Plan* find(sqlite3_stmt* statement) const noexcept;
  /// The statement is no longer ours to know; it is not finalized.
  void forget(Plan& plan) noexcept;
  /// Parks a plan that is in use if `may_park` and it is fit; else finalizes it. Returns what
  /// sqlite3_finalize() returns. The plan may be gone afterwards.
  int give_back(Plan& plan, bool may_park) noexcept;

  /// Finalizes all that are parked; how many. Those that the program has are as old, so that they
  /// are not parked when it gives them back.
  std::size_t drop_parked() noexcept;
  /// The least recently used one; false: none is parked.
  bool evict_oldest() noexcept;
  void count_miss() noexcept { counters.misses.add(1); }

  /// Any thread that uses the connection: false also means that no statement of it is known.
  [[nodiscard]] bool knows_any() const noexcept {
    return known_plans_.load(std::memory_order_relaxed) > 0;
  }
  /// Any thread: a glance.
  [[nodiscard]] std::size_t parked_plans() const noexcept {
    return parked_plans_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t parked_bytes() const noexcept {
    return parked_bytes_.load(std::memory_order_relaxed);
  }
  /// When the oldest was parked; UINT64_MAX: none is.
  [[nodiscard]] std::uint64_t oldest_ns() const noexcept {
    return oldest_ns_.load(std::memory_order_relaxed);
  }
  /// Calls `use(plan)` for each parked plan, the oldest first.
  template <class Use>
  void for_each_parked(Use use) const {
    for (const Plan* plan = oldest_; plan != nullptr; plan = plan->newer) use(*plan);
  }
  /// Gives back what is reserved beyond what is parked.
  void release_slack() noexcept;

  PlanCounters counters;
  /// SQLite will tell us when it closes the connection, so that parked plans cannot keep it open.
  std::atomic<bool> is_armed{false};
  /// Set under the mutex: the program closes it, so nothing is kept any more.
  bool is_closing = false;
  std::unique_ptr<Admission> admission;

 private:
  Plan* add(std::unique_ptr<Plan> plan) noexcept;
  int drop(Plan& plan) noexcept;
  void link(Plan& plan) noexcept;
  void unlink(Plan& plan) noexcept;
  /// Everything the program could tell from a statement just prepared is put back.
  bool make_as_new(Plan& plan, int& rc) noexcept;
  bool is_what_it_was(const Plan& plan) const noexcept;
  void note_known() noexcept;
  void note_oldest() noexcept;

  const SqliteCalls& calls_;
  sqlite3* const db_;
  sqlite3_mutex* const mutex_;
  ChainedTable<Plan, &Plan::next_by_statement, &Plan::statement_hash> all_;
  ChainedTable<Plan, &Plan::next_by_text, &Plan::text_hash> parked_;
  Plan* oldest_ = nullptr;
  Plan* newest_ = nullptr;
  std::uint64_t epoch_ = 0;  // Counts the changes that no plan compiled before outlives.
  std::atomic<std::size_t> known_plans_{0};
  std::atomic<std::size_t> parked_plans_{0};
  std::atomic<std::uint64_t> parked_bytes_{0};
  std::atomic<std::uint64_t> oldest_ns_{UINT64_MAX};
  Reservation reserved_;
};

}  // namespace sqlitemem::ext::plans
