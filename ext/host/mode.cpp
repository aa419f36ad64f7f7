// The decided mode, checked against what SQLite does now each time somebody asks.
#include "ext/host/mode.h"

#include <atomic>
#include <utility>

#include "allocators/base/lock.h"
#include "ext/host/connections.h"
#include "ext/host/environment.h"
#include "ext/host/heap_hook.h"
#include "ext/host/page_trace.h"
#include "ext/host/plan_remark.h"

namespace sqlitemem::ext {
namespace {

constinit Lock mode_lock;
// Leaked on purpose: asked for until the last connection closes, which may be after static
// destructors.
constinit ModeReport* decided SQLITEMEM_GUARDED_BY(mode_lock) = nullptr;
constinit std::atomic<Accounting> accounting{Accounting::sqlite};
constinit std::atomic<bool> host_allocator{false};

const char* describe(Accounting by_whom) {
  switch (by_whom) {
    case Accounting::sqlite:
      return "";
    case Accounting::sqlitemem:
      return " SQLite's own memory accounting is off (option memstatus); sqlitemem answers "
             "sqlite3_memory_used() and keeps the heap limits instead.";
    case Accounting::nobody:
      return " SQLite's own memory accounting is off (option memstatus), so sqlite3_memory_used() "
             "stands still and SQLite's heap limits have no effect.";
  }
  return "";
}

ModeReport decided_report() {
  const LockGuard guard(mode_lock);
  return decided == nullptr ? ModeReport{Mode::observing, "Nothing was installed yet."} : *decided;
}

}  // namespace

void set_mode(Mode mode, std::string reason) {
  const LockGuard guard(mode_lock);
  if (decided == nullptr) decided = new ModeReport;
  *decided = {mode, std::move(reason)};
}

void set_accounting(Accounting by_whom) noexcept { accounting.store(by_whom); }
Accounting memory_accounting() noexcept { return accounting.load(std::memory_order_relaxed); }
void set_host_allocator(bool is_replaced) noexcept { host_allocator.store(is_replaced); }

bool heap_is_ours() noexcept { return heap_hook_in_force(); }

ModeReport mode_report() {
  ModeReport report = decided_report();
  if (report.mode == Mode::observing) return report;
  if (heap_hook_is_forwarding()) {
    return {
        Mode::observing,
        "The address space for the heap could not be reserved (see option region_size, and ulimit "
        "-v), so SQLite goes on with its own allocator."};
  }
  if (!heap_hook_in_force()) {
    report.mode = Mode::observing;
    report.reason =
        "The program gave SQLite an allocator of its own after sqlitemem was installed "
        "(sqlite3_config with SQLITE_CONFIG_MALLOC), and that one is in force.";
    if (heap_hook_was_in_force()) {
      report.reason += " SQLite was shut down and started again in between.";
    }
    return report;
  }
  if (host_allocator.load(std::memory_order_relaxed)) {
    report.reason +=
        " The program put an allocator of its own in front, which passes requests on to sqlitemem.";
  }
  report.reason += describe(memory_accounting());
  return report;
}

std::string mode_remarks() {
  std::string remarks;
  if (may_miss_connections()) {
    remarks +=
        "Connections opened before sqlitemem was loaded are not in connection_memory, and have "
        "none of its tables, unless they load it, too.";
  }
  if (const std::string trace = page_trace_remark(); !trace.empty())
    remarks += (remarks.empty() ? "" : " ") + trace;
  if (const std::string plans = plan_remark(); !plans.empty())
    remarks += (remarks.empty() ? "" : " ") + plans;
  const std::string problems = environment_problems();
  for (std::size_t begin = 0; begin < problems.size();) {
    const std::size_t end = problems.find('\n', begin);
    remarks +=
        (remarks.empty() ? "" : " ") + ("Ignored: " + problems.substr(begin, end - begin)) + ".";
    begin = end + 1;
  }
  return remarks;
}

const char* mode_name(Mode mode) noexcept {
  switch (mode) {
    case Mode::managed:
      return "managed";
    case Mode::attached:
      return "attached";
    case Mode::observing:
      return "observing";
  }
  return "observing";
}

}  // namespace sqlitemem::ext
