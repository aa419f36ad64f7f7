// Where the stub's jumping entries lead: straight to SQLite, or to the plan cache, per SQLite.
#include <dlfcn.h>

#include <array>
#include <new>

#include "allocators/base/lock.h"
#include "ext/host/core.h"
#include "ext/host/preload.h"
#include "ext/host/preload_callbacks.h"
#include "ext/host/preload_plans.h"
#include "ext/host/preload_prepare.h"
#include "ext/host/preload_pressure.h"
#include "ext/pressure/pressure_response.h"

namespace sqlitemem::ext::preload {
namespace {

/// One SQLite's functions, by slot. Never freed: calls may come until the process ends.
struct Targets {
  const HostSqlite* sqlite = nullptr;
  std::array<void*, slot_count> functions{};
};

constinit Lock targets_lock;
constinit std::array<std::atomic<const Targets*>, 8> known_targets{};
constinit std::atomic<SlotTable*> stub_slots{nullptr};
// Counts the SQLites that make a slot's one target wrong. A slot is set before and checked after.
constinit std::atomic<bool> are_many{false};

const Targets* look_up(const HostSqlite& sqlite) noexcept {
  for (const auto& slot : known_targets) {
    const Targets* targets = slot.load(std::memory_order_acquire);
    if (targets == nullptr || targets->sqlite == &sqlite) return targets;
  }
  return nullptr;
}

const Targets* targets_of(const HostSqlite& sqlite) {
  if (const Targets* known = look_up(sqlite)) return known;
  auto* targets = new Targets{&sqlite, {}};
  void* handle = handle_of({sqlite.begin, sqlite.end, sqlite.path});
  for (std::size_t index = 0; index < slot_count; ++index) {
    void* found = handle == nullptr ? nullptr : ::dlsym(handle, slot_names[index]);
    targets->functions[index] = found != nullptr && sqlite.contains(found)
                                    ? found
                                    : missing_function(static_cast<Slot>(index));
  }
  const LockGuard guard(targets_lock);
  if (const Targets* known = look_up(sqlite)) {
    delete targets;
    return known;
  }
  for (auto& slot : known_targets) {
    if (slot.load(std::memory_order_relaxed) != nullptr) continue;
    slot.store(targets, std::memory_order_release);
    return targets;
  }
  return targets;  // As many SQLites as are known at all: leaked.
}

/// Nothing to do before each call, nor does it depend on who calls.
bool may_lead_by_itself(Slot slot) noexcept {
  const PlanMode mode = plan_mode();
  if (mode == PlanMode::undecided || mode == PlanMode::checking) return false;
  return mode == PlanMode::off || plan_function(slot) != nullptr;
}

}  // namespace

void reset_slots() noexcept {
  are_many.store(true);
  SlotTable* slots = stub_slots.load();
  if (slots == nullptr) return;
  for (auto& slot : *slots) slot.store(nullptr);
}

void look_at_next_calls() noexcept {
  SlotTable* slots = stub_slots.load();
  if (slots == nullptr) return;
  for (auto& slot : *slots) slot.store(nullptr);
}

void* find_target(SlotTable& slots, Slot slot, const void* caller,
                  const std::uintptr_t* arguments) {
  stub_slots.store(&slots);
  const HostSqlite* sqlite = real_sqlite(caller);
  if (sqlite == nullptr) return missing_function(slot);
  const Targets* targets = nullptr;
  try {
    targets = targets_of(*sqlite);
  } catch (const std::bad_alloc&) {
  }
  if (targets == nullptr) return missing_function(slot);
  void* target = targets->functions[static_cast<std::size_t>(slot)];
  if (!is_served(*sqlite)) return target;
  if (target == missing_function(slot)) return target;
  set_prepare_targets(targets->functions.data());
  if (has_work_for_safe_point() && !is_from_within(caller)) work_at_safe_point(nullptr);
  before_call(slot, caller, arguments);
  if (void* ours = plan_function(slot)) target = ours;
  if (slot == Slot::step) target = step_function(target);
  if (void* ours = callback_function(*sqlite, slot)) target = ours;
  if (!are_many.load() && is_only_sqlite() && may_lead_by_itself(slot)) {
    slots[static_cast<std::size_t>(slot)].store(target);
    if (are_many.load()) slots[static_cast<std::size_t>(slot)].store(nullptr);
  }
  return target;
}

}  // namespace sqlitemem::ext::preload
