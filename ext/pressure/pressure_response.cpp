// The steps of each stage, measured and written down.
#include "ext/pressure/pressure_response.h"

#include <fmt/format.h>
#include <malloc.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "allocators/base/bytes.h"
#include "allocators/base/clock.h"
#include "allocators/config.h"
#include "allocators/manager/process_arenas.h"
#include "allocators/manager/process_heap.h"
#include "allocators/manager/process_pool.h"
#include "allocators/stats/process_memory.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/responses.h"
#include "ext/host/checkpoints.h"
#include "ext/host/connections.h"
#include "ext/host/mode.h"
#include "ext/host/page_cache_hook.h"
#include "ext/plans/plan_report.h"
#include "ext/pressure/running_steps.h"

namespace sqlitemem::ext {
namespace {

constinit std::atomic<ResponseStage> left_stage{ResponseStage::none};
constinit std::atomic<double> left_usage{0};
constinit std::atomic<std::uint64_t> heap_collected_at_ns{0};
constinit std::atomic<void (*)() noexcept> requester{nullptr};
[[gnu::tls_model("initial-exec")]] constinit thread_local bool is_working = false;

constexpr std::uint64_t collection_pause_ns = 1'000'000'000;

std::uint64_t held_bytes() noexcept {
  return heap_is_ours() ? process_heap().budget().held_bytes() : 0;
}

struct StepResult {
  std::optional<std::uint64_t> handled, skipped;
};

/// One response, step by step. Counting what is resident would cost more than the steps.
class Response {
 public:
  Response(ResponseStage stage, double usage_ratio)
      : cause_(fmt::format("pressure: {} at {:.1f} % of the limit", name_of(stage),
                           usage_ratio * 100)),
        started_at_(stats::iso8601(std::time(nullptr))),
        held_at_start_(held_bytes()) {}

  template <class Work>
  void run(const char* action, Work work) {
    const std::uint64_t before = held_bytes();
    const auto start = std::chrono::steady_clock::now();
    const StepResult result = work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    stats::MemoryResponsesRow row;
    row.cause = cause_;
    row.action = action;
    row.handled_count = result.handled;
    row.skipped_count = result.skipped;
    if (heap_is_ours()) row.returned_bytes = at_least_zero(before, held_bytes());
    row.duration_seconds = took.count();
    row.note = "Bytes by which heap and buffer pool hold less.";
    steps_.push_back(std::move(row));
    last_action_ = action;
  }

  ResponseOutcome finish() {
    const ResponseOutcome outcome{last_action_, at_least_zero(held_at_start_, held_bytes())};
    if (!steps_.empty()) stats::response_log().add(std::move(steps_), started_at_);
    return outcome;
  }

 private:
  std::string cause_, started_at_;
  std::uint64_t held_at_start_;
  const char* last_action_ = "";
  std::vector<stats::MemoryResponsesRow> steps_;
};

StepResult evict_pages(const PressureOrder& order) {
  BufferPool& pool = process_pool();
  const std::uint64_t before = pool.evictable_frames();
  if (order.stage >= ResponseStage::emergency) {
    pool.evict(before);
  } else {
    pool.release_bytes(order.bytes_to_free);
  }
  pool.trim();
  return {at_least_zero(before, pool.evictable_frames()), std::nullopt};
}

/// Free memory in magazines, slabs and free regions. A walk of the heap: not more than once a
/// second.
bool is_collection_due() noexcept {
  const std::uint64_t now = coarse_clock_ns();
  std::uint64_t last = heap_collected_at_ns.load(std::memory_order_relaxed);
  return now - last >= collection_pause_ns &&
         heap_collected_at_ns.compare_exchange_strong(last, now, std::memory_order_relaxed);
}

/// Also from inside the very statement: it ends with SQLITE_INTERRUPT when it can.
void interrupt(Response& response) {
  const InterruptSummary summary = interrupt_long_statements();
  if (summary.interrupted + summary.spared == 0) return;
  response.run("interrupt", [&] { return StepResult{summary.interrupted, summary.spared}; });
}

void run_immediate_steps(Response& response, const PressureOrder& order) {
  const std::uint64_t goal = at_least_zero(held_bytes(), order.bytes_to_free);
  // What nobody uses goes first: it is free already.
  if (is_collection_due()) {
    response.run("heap", [] {
      heap_collect();
      return StepResult{};
    });
  }
  if (held_bytes() > goal && process_arenas().reserved_bytes() > 0 &&
      order.stage >= ResponseStage::aggressive) {
    response.run("transaction_arenas", [] {
      make_arenas_give_way();
      return StepResult{};
    });
  }
  if (pool_is_ours() && (held_bytes() > goal || order.stage >= ResponseStage::emergency))
    response.run("buffer_pool", [&] { return evict_pages(order); });
  const bool may_interrupt = option_as<ResponseMode>(&Config::response_mode) == ResponseMode::full;
  if (may_interrupt && order.stage >= ResponseStage::emergency) interrupt(response);
}

unsigned percent_of_plans(ResponseStage stage) noexcept {
  if (stage == ResponseStage::gentle) return 10;
  return stage == ResponseStage::aggressive ? 50 : 100;
}

void run_left_steps(Response& response, ResponseStage stage, sqlite3* caller) {
  if (plans::has_cached()) {
    response.run("plan_cache", [&] {
      return StepResult{plans::clear_cached(percent_of_plans(stage)), std::nullopt};
    });
  }
  if (stage >= ResponseStage::aggressive) {
    response.run("wal_checkpoint", [&] {
      const CheckpointSummary summary = checkpoint_idle_connections(caller);
      return StepResult{summary.files, summary.busy};
    });
  }
  if (stage < ResponseStage::emergency) return;
  response.run("page_caches", [&] {
    const ReleaseSummary summary = release_connection_memory(caller);
    return StepResult{summary.connections_released, summary.connections_busy};
  });
  response.run("c_library", [] {
#if defined(__GLIBC__)
    ::malloc_trim(0);
#endif
    return StepResult{};
  });
}

}  // namespace

ResponseOutcome respond_at_once(const PressureOrder& order, double usage_ratio) noexcept {
  if (!heap_is_ours()) return {};
  try {
    Response response(order.stage, usage_ratio);
    run_immediate_steps(response, order);
    return response.finish();
  } catch (...) {  // No memory for a row: what was done is done all the same.
    return {};
  }
}

void leave_for_safe_point(ResponseStage stage, double usage_ratio) noexcept {
  left_usage.store(usage_ratio, std::memory_order_relaxed);
  ResponseStage before = left_stage.load();
  while (before < stage && !left_stage.compare_exchange_weak(before, stage)) {
  }
  look_at_calls_again();
}

void look_at_calls_again() noexcept {
  if (const auto request = requester.load(std::memory_order_acquire)) request();
}

bool has_work_for_safe_point() noexcept {
  return left_stage.load(std::memory_order_relaxed) != ResponseStage::none;
}

void work_at_safe_point(sqlite3* caller) noexcept {
  if (is_working || !has_work_for_safe_point()) return;
  const ResponseStage stage = left_stage.exchange(ResponseStage::none);
  if (stage == ResponseStage::none) return;
  is_working = true;
  try {
    Response response(stage, left_usage.load(std::memory_order_relaxed));
    run_left_steps(response, stage, caller);
    response.finish();
  } catch (...) {  // As above.
  }
  is_working = false;
}

void set_safe_point_requester(void (*request)() noexcept) noexcept {
  requester.store(request, std::memory_order_release);
}

}  // namespace sqlitemem::ext
