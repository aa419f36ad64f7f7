// The process's one monitor, when it samples, and the guard between two samples.
#include "ext/pressure/pressure_watch.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <ctime>
#include <new>

#include "allocators/base/bytes.h"
#include "allocators/base/clock.h"
#include "allocators/base/lock.h"
#include "allocators/config.h"
#include "allocators/manager/process_heap.h"
#include "allocators/manager/process_pool.h"
#include "allocators/pressure/alerts.h"
#include "allocators/pressure/allocation_guard.h"
#include "allocators/pressure/pressure_monitor.h"
#include "ext/host/mode.h"
#include "ext/host/page_cache_hook.h"
#include "ext/pressure/monitor_thread.h"
#include "ext/pressure/pressure_callback.h"
#include "ext/pressure/pressure_response.h"

namespace sqlitemem::ext {
namespace {

/// What is watched with. Leaked on purpose: memory may be asked for until the process ends.
struct Watch {
  LimitReader reader{{}};
  PressureMonitor monitor;
  LimitReading followed;  // Of the latest sample, and of the guard.
  bool has_limit = false;
};

constinit Lock watch_lock;
constinit Watch* watch SQLITEMEM_GUARDED_BY(watch_lock) = nullptr;

constexpr std::uint64_t ms_in_ns = 1'000'000;
constinit std::atomic<bool> is_started{false};
constinit std::atomic<std::uint64_t> due_at_ns{0};
constinit std::atomic<std::uint64_t> sampled_at_ns{0};  // Also by those who only look.
// What others ask without the lock.
constinit std::atomic<ResponseStage> stage_now{ResponseStage::none};
constinit std::atomic<bool> stops_growth{false};
// Growth is refused while heap and pool hold as much: the sample is old once pages have gone.
constexpr std::uint64_t no_refusal = UINT64_MAX;
constinit std::atomic<std::uint64_t> refuses_from_held{no_refusal};
constexpr std::uint64_t shortest_pause_ns = 20 * ms_in_ns;
constexpr std::uint64_t least_growth = mib, growth_to_first_look = 8 * mib;
constinit std::atomic<std::uint64_t> acted_at_ns{0};  // Of the latest sample that was acted on.
constinit std::atomic<std::uint64_t> look_from_held{growth_to_first_look};
constinit std::atomic<double> usage_now{0};
constinit std::atomic<std::uint64_t> check_after_ms{0};  // As the controller asked; 0: it did not.
[[gnu::tls_model("initial-exec")]] constinit thread_local bool is_sampling = false;

constexpr std::uint64_t least_reserve = 256 * kib;
/// In observing mode nothing is done, whatever the environment says.
ResponseMode response_mode() noexcept {
  return heap_is_ours() ? option_as<ResponseMode>(&Config::response_mode) : ResponseMode::off;
}

PressureRules rules() noexcept {
  return {.forecaster = option_as<ForecasterKind>(&Config::forecaster),
          .history_size = static_cast<std::size_t>(option(&Config::history_size)),
          .levels = static_cast<std::size_t>(option(&Config::pressure_levels)),
          .mode = response_mode()};
}

OwnMemory own_memory() noexcept {
  OwnMemory own;
  if (!heap_is_ours()) return own;
  const AddressSpace space = os_address_space();
  own.held_bytes = process_heap().budget().held_bytes();
  own.limit_bytes = static_cast<std::uint64_t>(option(&Config::memory_limit));
  own.spaces = process_spaces();
  own.idle_reserved_bytes = at_least_zero(space.reserved_bytes, own.held_bytes);
  own.idle_committed_bytes = at_least_zero(space.committed_bytes, own.held_bytes);
  return own;
}

std::int64_t wall_clock_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

/// nullptr: no memory.
Watch* make_watch() noexcept SQLITEMEM_REQUIRES(watch_lock) {
  if (watch != nullptr) return watch;
  try {
    watch = new Watch;
    watch->monitor.apply(rules());
  } catch (const std::bad_alloc&) {
  }
  return watch;
}

double usage_of(const LimitReading& limit) noexcept {
  return static_cast<double>(limit.used_bytes) / static_cast<double>(limit.limit_bytes);
}

/// Without what the kernel drops by itself: nothing is refused because of that.
std::uint64_t needed_bytes(const LimitReading& limit) noexcept {
  return at_least_zero(limit.used_bytes, limit.file_bytes);
}

GuardCeiling ceilings_of(const LimitReading& limit) noexcept {
  return guard_ceiling(process_heap().budget().held_bytes(), needed_bytes(limit),
                       limit.limit_bytes);
}

/// Heap and pool go as far without asking the guard. nullptr: as far as they like.
void set_ceiling(const LimitReading* limit) noexcept {
  if (!heap_is_ours()) return;
  const bool has_guard = limit != nullptr && response_mode() != ResponseMode::off;
  process_heap().budget().set_ceiling(has_guard ? ceilings_of(*limit).evict_above_bytes
                                                : MemoryBudget::unlimited);
}

/// What heap and pool hold when usage is where refusal ends, as long as only they change it. Until
/// the next sample that is good enough.
std::uint64_t held_at_refusal_exit(const LimitReading& limit) noexcept {
  const auto exit_bytes = static_cast<std::uint64_t>(PressureThresholds::refusal_exit_used *
                                                     static_cast<double>(limit.limit_bytes));
  const std::uint64_t too_much = at_least_zero(needed_bytes(limit), exit_bytes);
  return at_least_zero(process_heap().budget().held_bytes(), too_much);
}

/// A process that fills its caches within a second would come to its limit between two samples.
bool has_grown_much(std::uint64_t now_ns) noexcept {
  return heap_is_ours() &&
         process_heap().budget().held_bytes() >= look_from_held.load(std::memory_order_relaxed) &&
         now_ns - acted_at_ns.load(std::memory_order_relaxed) >= shortest_pause_ns;
}

/// The next look is due when a quarter of what is left has been taken.
std::uint64_t next_look(const LimitReading& limit) noexcept {
  const std::uint64_t left = at_least_zero(limit.limit_bytes, needed_bytes(limit));
  const std::uint64_t step = std::max({left / 4, limit.limit_bytes / 100, least_growth});
  return process_heap().budget().held_bytes() + step;
}

/// Adds a sample; the order of the controller, if it was asked.
PressureOrder take_sample(PressureMonitor::Act act) noexcept SQLITEMEM_REQUIRES(watch_lock) {
  Watch* const own = make_watch();
  if (own == nullptr) return {};
  own->monitor.set_mode(response_mode());  // It may have become ours since the last sample.
  PressureFigures figures;
  figures.now_ns = coarse_clock_ns();
  sampled_at_ns.store(figures.now_ns, std::memory_order_relaxed);
  figures.unix_ms = wall_clock_ms();
  figures.limits = &own->reader.read(own_memory(), figures.now_ns);
  if (heap_is_ours()) {
    const HeapTotals totals = process_heap().totals();
    figures.heap_held_bytes = totals.held_bytes;
    figures.allocations = totals.allocations;
    figures.frees = totals.frees;
    if (pool_is_ours()) figures.pool_bytes = process_pool().live_bytes().load();
  }
  const PressureOrder order = own->monitor.add(figures, act);
  const LimitReading* followed = own->monitor.followed(*figures.limits);
  own->has_limit = followed != nullptr;
  if (followed != nullptr) own->followed = *followed;
  usage_now.store(followed == nullptr ? 0 : usage_of(*followed), std::memory_order_relaxed);
  if (act == PressureMonitor::Act::yes) {
    acted_at_ns.store(figures.now_ns, std::memory_order_relaxed);
    look_from_held.store(followed == nullptr ? UINT64_MAX : next_look(*followed));
    stage_now.store(order.stage, std::memory_order_relaxed);
    stops_growth.store(order.stops_growth, std::memory_order_relaxed);
    refuses_from_held.store(
        order.refuses && followed != nullptr ? held_at_refusal_exit(*followed) : no_refusal,
        std::memory_order_relaxed);
    check_after_ms.store(order.check_after_ns / ms_in_ns, std::memory_order_relaxed);
  }
  set_ceiling(followed);
  return order;
}

/// std::bad_alloc passes through.
PressureReading read_monitor(const Watch& own, std::uint64_t now_ns)
    SQLITEMEM_REQUIRES(watch_lock) {
  PressureReading reading = own.monitor.reading(now_ns);
  if (heap_is_ours()) reading.refused_requests = process_heap().totals().failures;
  if (pool_is_ours()) reading.refused_requests += process_pool().totals().failures;
  return reading;
}

/// Alerts that need no more than the monitor knows are raised as samples are taken.
void raise_alerts() noexcept SQLITEMEM_REQUIRES(watch_lock) {
  if (watch == nullptr) return;
  try {
    const PressureReading reading = read_monitor(*watch, coarse_clock_ns());
    alert_book().evaluate(alert_inputs_of(reading), wall_clock_ms());
  } catch (const std::bad_alloc&) {  // At the next sample.
  }
}

/// What could go back to the operating system: free memory, and pages that nobody uses.
std::uint64_t reclaimable_bytes() noexcept {
  if (!heap_is_ours()) return 0;
  std::uint64_t live = process_heap().live_bytes(), evictable = 0;
  if (pool_is_ours()) {
    live += process_pool().live_bytes().load(std::memory_order_relaxed);
    evictable = process_pool().evictable_frames() * page_bytes;
  }
  return at_least_zero(process_heap().budget().held_bytes(), live) + evictable;
}

/// With the lock, which is only tried: who has it is sampling.
void sample_and_respond() noexcept SQLITEMEM_NO_THREAD_SAFETY {
  if (is_sampling || !watch_lock.try_lock()) return;
  is_sampling = true;
  const ResponseStage before = stage_now.load(std::memory_order_relaxed);
  const PressureOrder order = take_sample(PressureMonitor::Act::yes);
  const double usage = usage_now.load(std::memory_order_relaxed);
  raise_alerts();
  watch_lock.unlock();
  if (order.stage != before) tell_stage(before, order.stage, usage);
  if (order.bytes_to_free > 0 || order.stage >= ResponseStage::emergency) {
    const std::uint64_t requested = std::min(order.bytes_to_free, reclaimable_bytes());
    const ResponseOutcome outcome = respond_at_once(order, usage);
    leave_for_safe_point(order.stage, usage);
    watch_lock.lock();
    watch->monitor.acted(order.stage, outcome.action, requested, outcome.freed_bytes);
    watch_lock.unlock();
  }
  due_at_ns.store(coarse_clock_ns() + sampling_pause_ms() * ms_in_ns);
  is_sampling = false;
}

/// The budget was refused at the ceiling, or a page: may heap and pool hold `bytes` more after all?
bool guard_lets_grow(std::uint64_t bytes) noexcept SQLITEMEM_NO_THREAD_SAFETY {
  MemoryBudget& budget = process_heap().budget();
  if (is_sampling || !watch_lock.try_lock()) {  // Somebody is finding out: not at this one's cost.
    budget.set_ceiling(budget.held_bytes() + 2 * bytes);
    return true;
  }
  is_sampling = true;
  take_sample(PressureMonitor::Act::no);
  bool may = true;
  if (watch != nullptr && watch->has_limit) {
    const LimitReading& limit = watch->followed;
    const GuardCeiling ceilings = ceilings_of(limit);
    const std::uint64_t after = budget.held_bytes() + bytes;
    // memory_limit is exact, and refuses by itself.
    const bool can_refuse =
        response_mode() == ResponseMode::full && limit.source != LimitSource::config;
    may = !can_refuse || after <= ceilings.refuse_above_bytes;
    // The next look is due after another hundredth of the limit.
    if (may && after > ceilings.evict_above_bytes)
      budget.set_ceiling(after + limit.limit_bytes / 100);
  }
  watch_lock.unlock();
  is_sampling = false;
  return may;
}

void apply_options() noexcept {
  look_at_calls_again();
  follow_monitor_option();
  due_at_ns.store(std::min<std::uint64_t>(
      due_at_ns.load(),
      coarse_clock_ns() + static_cast<std::uint64_t>(option(&Config::sample_interval)) * ms_in_ns));
  const LockGuard guard(watch_lock);
  if (watch != nullptr) watch->monitor.apply(rules());
  if (response_mode() == ResponseMode::off) {
    stage_now = ResponseStage::none;
    stops_growth = false;
    refuses_from_held = no_refusal;
    check_after_ms = 0;
    set_ceiling(nullptr);
  }
}

// In the child nobody is sampling, and what was half done is done again.
void repair_watch() noexcept SQLITEMEM_NO_THREAD_SAFETY {
  new (&watch_lock) Lock;
  watch = nullptr;  // Leaked: another thread may have been changing it.
  is_sampling = false;
  stage_now = ResponseStage::none;
  stops_growth = false;
  refuses_from_held = no_refusal;
}

}  // namespace

void start_pressure_watch() noexcept {
  if (is_started.exchange(true)) return;
  due_at_ns.store(coarse_clock_ns() +
                  static_cast<std::uint64_t>(option(&Config::sample_interval)) * ms_in_ns);
  ::pthread_atfork(nullptr, nullptr, repair_watch);
  add_config_listener(apply_options);
  process_heap().set_slow_path_handler(pressure_tick);
  process_heap().set_refusal_handler(tell_refusal);
  set_ceiling_handler(guard_lets_grow);
}

void pressure_tick() noexcept {
  const std::uint64_t now = coarse_clock_ns();
  std::uint64_t due = due_at_ns.load(std::memory_order_relaxed);
  if (now < due && !has_grown_much(now)) [[likely]]
    return;
  // Whoever comes meanwhile has nothing to do.
  if (due_at_ns.compare_exchange_strong(due, now + sampling_pause_ms() * ms_in_ns))
    sample_and_respond();
}

void sample_pressure_now() noexcept { sample_and_respond(); }

std::optional<PressureReading> read_pressure() noexcept {
  try {
    const LockGuard guard(watch_lock);
    Watch* const own = make_watch();
    if (own == nullptr) return std::nullopt;
    // The next sample that is acted on is due as if nobody had looked.
    const bool is_due = own->monitor.samples() == 0 ||
                        coarse_clock_ns() - sampled_at_ns.load() >= sampling_pause_ms() * ms_in_ns;
    if (is_due) take_sample(PressureMonitor::Act::no);
    return read_monitor(*own, coarse_clock_ns());
  } catch (...) {
    return std::nullopt;
  }
}

GrowthRule growth_under_pressure() noexcept {
  const std::uint64_t held = process_heap().budget().held_bytes();
  if (held >= refuses_from_held.load(std::memory_order_relaxed)) return GrowthRule::reserve;
  const auto limit = static_cast<std::uint64_t>(option(&Config::memory_limit));
  if (limit != 0) {
    const auto percent = static_cast<std::uint64_t>(option(&Config::emergency_reserve));
    const std::uint64_t reserve =
        percent == 0 ? 0 : std::max(limit / 100 * percent, std::min(least_reserve, limit / 4));
    if (held >= limit - reserve) return GrowthRule::reserve;
  }
  return stops_growth.load(std::memory_order_relaxed) ? GrowthRule::recycle : GrowthRule::grow;
}

// The stage may be from before a long rest, and is left one at a time: usage decides as well.
bool refuses_connections() noexcept {
  const auto is_emergency = [] {
    return stage_now.load(std::memory_order_relaxed) >= ResponseStage::emergency &&
           response_mode() == ResponseMode::full;
  };
  if (!is_emergency()) return false;
  sample_pressure_now();
  return is_emergency() &&
         usage_now.load(std::memory_order_relaxed) >= PressureThresholds::emergency_exit_used;
}

// Near the limit a second is long: at a fixed second, recovery took twice as long in simulation.
std::uint64_t sampling_pause_ms() noexcept {
  const auto usual = static_cast<std::uint64_t>(option(&Config::sample_interval));
  const std::uint64_t asked = check_after_ms.load(std::memory_order_relaxed);
  return asked == 0 ? usual : std::min(usual, std::max<std::uint64_t>(asked, 100));
}

}  // namespace sqlitemem::ext
