// memory_responses: what was done to release memory, and what it gave.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "allocators/base/lock.h"
#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;

struct MemoryResponsesRow {
  std::uint64_t response_id = 0, step = 0;
  std::string started_at, cause, action;
  std::optional<std::uint64_t> handled_count, skipped_count, freed_bytes, returned_bytes;
  double duration_seconds = 0;
  std::optional<std::string> note;

  static constexpr auto describe() {
    using R = MemoryResponsesRow;
    // clang-format off
    return describe_table<R>("memory_responses", "",
        "What was done to release memory, step by step, oldest first; the last 256 steps of the "
        "process are kept.", {
        {"response_id", &R::response_id, Role::label, "",
         "Which response: 1, 2, …; all steps of one have the same."},
        {"step", &R::step, Role::label, "", "1, 2, … within the response."},
        {"started_at", &R::started_at, Role::detail, "", "When the response began, ISO 8601, UTC."},
        {"cause", &R::cause, Role::detail, "", "The call that asked for it."},
        {"action", &R::action, Role::detail, "",
         "page_caches, plan_cache, transaction_arenas, buffer_pool, heap, c_library or "
         "wal_checkpoint."},
        {"handled_count", &R::handled_count, Role::detail, "",
         "Connections whose cache was released, plans dropped, pages evicted, or WAL files "
         "checkpointed; NULL where nothing is counted."},
        {"skipped_count", &R::skipped_count, Role::detail, "",
         "Connections left alone because they were busy: in a transaction, between two rows of a "
         "statement, or in use by another thread; NULL where no connection is asked."},
        {"freed_bytes", &R::freed_bytes, Role::detail, "bytes",
         "By how much less SQLite used after the step; NULL if nobody counts."},
        {"returned_bytes", &R::returned_bytes, Role::detail, "bytes",
         "By how much the resident memory of heap and buffer pool fell, or of the process for "
         "c_library; NULL where it is not ours to tell."},
        {"duration_seconds", &R::duration_seconds, Role::detail, "seconds", "Of the step."},
        {"note", &R::note, Role::detail, "", "More in words, where there is more."},
    });
    // clang-format on
  }
  static std::vector<MemoryResponsesRow> snapshot(Sources& sources, Arguments arguments);
};

struct MemoryResponseTotalsRow {
  std::string action;
  std::uint64_t steps = 0;
  std::optional<std::uint64_t> freed_bytes, returned_bytes;
  double duration_seconds = 0;

  static constexpr auto describe() {
    using R = MemoryResponseTotalsRow;
    // clang-format off
    return describe_table<R>("memory_response_totals", "response",
        "All steps of memory_responses since the process began, one row for each action, also "
        "those that are not kept any more.", {
        {"action", &R::action, Role::label, "", "As in memory_responses."},
        {"steps", &R::steps, Role::counter, "", "How often it was done."},
        {"freed_bytes", &R::freed_bytes, Role::counter, "bytes",
         "By how much less SQLite used after these steps, in sum; NULL if nobody counted."},
        {"returned_bytes", &R::returned_bytes, Role::counter, "bytes",
         "By how much resident memory fell, in sum; NULL where it is not ours to tell."},
        {"duration_seconds", &R::duration_seconds, Role::counter, "seconds",
         "How long they took, in sum."},
    });
    // clang-format on
  }
  static std::vector<MemoryResponseTotalsRow> snapshot(Sources& sources, Arguments arguments);
};

/// The last steps of the process, and sums of all. Thread-safe. A fork leaves the child with an
/// empty log that it can use: what its parent did freed nothing of its own.
class ResponseLog {
 public:
  static constexpr std::size_t max_steps = 256;

  /// Sets response_id, step and started_at of `steps`, which belong to one response. Returns the
  /// id: 1, 2, …, never used twice. std::bad_alloc: nothing was added.
  std::uint64_t add(std::vector<MemoryResponsesRow> steps, const std::string& started_at);
  [[nodiscard]] std::vector<MemoryResponsesRow> all() const;
  /// By action, in the order of their names.
  [[nodiscard]] std::vector<MemoryResponseTotalsRow> totals() const;

 private:
  mutable Lock lock_;
  std::uint64_t last_id_ SQLITEMEM_GUARDED_BY(lock_) = 0;
  std::deque<MemoryResponsesRow> steps_ SQLITEMEM_GUARDED_BY(lock_);
  std::vector<MemoryResponseTotalsRow> totals_ SQLITEMEM_GUARDED_BY(lock_);
};
/// Never destroyed: a connection may be asked until the process ends.
ResponseLog& response_log();

}  // namespace sqlitemem::stats
