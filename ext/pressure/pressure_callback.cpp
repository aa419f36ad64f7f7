// Calls the program's callback, and writes to SQLite's log.
#include "ext/pressure/pressure_callback.h"

#include <pthread.h>

#include <atomic>
#include <new>

#include "allocators/base/clock.h"
#include "allocators/base/lock.h"
#include "allocators/manager/process_heap.h"

namespace sqlitemem::ext {
namespace {

struct Target {
  PressureCallback callback = nullptr;
  void* context = nullptr;
};

constinit Lock target_lock;
constinit Target target SQLITEMEM_GUARDED_BY(target_lock);
constinit std::atomic<void (*)(int, const char*, ...)> log_function{nullptr};
constinit std::atomic<std::uint64_t> logged_at_ns{0};
constinit std::atomic<double> usage_told{0};
constinit std::atomic<ResponseStage> stage_told{ResponseStage::none};

constexpr std::uint64_t log_pause_ns = 1'000'000'000;

/// A callback that is told while it tells is not told again: it may have asked for memory itself.
[[gnu::tls_model("initial-exec")]] constinit thread_local bool is_telling = false;

void call(ResponseStage stage, double usage_ratio, std::size_t refused_bytes) noexcept {
  if (is_telling) return;
  Target to;
  {
    const LockGuard guard(target_lock);
    to = target;
  }
  if (to.callback == nullptr) return;
  is_telling = true;
  to.callback(to.context, static_cast<int>(stage), usage_ratio, refused_bytes);
  is_telling = false;
}

bool may_log() noexcept {
  const std::uint64_t now = coarse_clock_ns();
  std::uint64_t last = logged_at_ns.load(std::memory_order_relaxed);
  return (last == 0 || now - last >= log_pause_ns) &&
         logged_at_ns.compare_exchange_strong(last, now, std::memory_order_relaxed);
}

void repair_target_lock() noexcept SQLITEMEM_NO_THREAD_SAFETY { new (&target_lock) Lock; }

void register_fork_handler() noexcept {
  static const int is_told = ::pthread_atfork(nullptr, nullptr, repair_target_lock);
  static_cast<void>(is_told);
}

}  // namespace

void set_pressure_callback(PressureCallback callback, void* context) noexcept {
  register_fork_handler();
  const LockGuard guard(target_lock);
  target = {callback, context};
}

void set_pressure_log(void (*log)(int, const char*, ...)) noexcept {
  register_fork_handler();
  log_function.store(log, std::memory_order_release);
}

void tell_stage(ResponseStage before, ResponseStage now, double usage_ratio) noexcept {
  usage_told.store(usage_ratio, std::memory_order_relaxed);
  stage_told.store(now, std::memory_order_relaxed);
  const auto log = log_function.load(std::memory_order_acquire);
  if (log != nullptr && now > before && now >= ResponseStage::emergency) {
    log(SQLITE_WARNING, "sqlitemem: memory pressure: response stage %s at %.1f %% of the limit",
        name_of(now).data(), usage_ratio * 100);
  }
  call(now, usage_ratio, 0);
}

void tell_refusal(std::size_t bytes) noexcept {
  const MemoryBudget& budget = process_heap().budget();
  const std::uint64_t allowed = budget.in_force();
  const auto log = log_function.load(std::memory_order_acquire);
  if (log != nullptr && may_log()) {
    log(SQLITE_NOMEM, "sqlitemem: refused %llu bytes: %llu are held, %llu allowed (0: no limit)",
        static_cast<sqlite3_uint64>(bytes), static_cast<sqlite3_uint64>(budget.held_bytes()),
        static_cast<sqlite3_uint64>(allowed == MemoryBudget::unlimited ? 0 : allowed));
  }
  call(stage_told.load(std::memory_order_relaxed), usage_told.load(std::memory_order_relaxed),
       bytes);
}

}  // namespace sqlitemem::ext
