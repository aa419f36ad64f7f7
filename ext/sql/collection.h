// Releasing memory on request: the steps of force_garbage_collection() and its like, measured and
// written down for memory_responses.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "allocators/stats/responses.h"

namespace sqlitemem::ext {

/// What a step dealt with.
struct StepCounts {
  std::optional<std::uint64_t> handled, skipped;
  std::optional<std::string> note;
};

/// One response: runs its steps one after another and measures each.
class Collection {
 public:
  /// `caller`: the connection that asks; `cause`: its call, as in memory_responses.
  Collection(sqlite3* caller, std::string cause);

  /// `is_process_wide`: what it returns to the system is not the heap's, so the process's resident
  /// memory is read before and after.
  void run(const char* action, const std::function<StepCounts()>& work,
           bool is_process_wide = false);

  [[nodiscard]] std::optional<std::uint64_t> freed_bytes() const { return freed_; }
  /// nullopt: no heap of ours.
  [[nodiscard]] std::optional<std::uint64_t> returned_bytes() const;
  /// Adds the steps to memory_responses, if there is memory for them.
  void write_down() noexcept;

 private:
  sqlite3* caller_;
  std::string cause_, started_at_;
  std::optional<std::uint64_t> used_at_start_, freed_;
  std::uint64_t resident_at_start_ = 0;
  std::vector<stats::MemoryResponsesRow> steps_;
};

/// force_garbage_collection(level), level 1 to 3. Bytes as its manual says; nullopt: nobody counts.
std::optional<std::uint64_t> collect_garbage(sqlite3* caller, std::int64_t level);

}  // namespace sqlitemem::ext
