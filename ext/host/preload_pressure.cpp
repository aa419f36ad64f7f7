// Connects the stub's table of jumps with the response to memory pressure.
#include "ext/host/preload_pressure.h"

#include <sqlite3.h>

#include <atomic>

#include "allocators/config.h"
#include "allocators/pressure/pressure_controller.h"
#include "ext/host/core.h"
#include "ext/host/preload.h"
#include "ext/pressure/pressure_response.h"
#include "ext/pressure/running_steps.h"

namespace sqlitemem::ext::preload {
namespace {

using Step = int (*)(sqlite3_stmt*);
constinit std::atomic<Step> untimed_step{nullptr};

int step_timed(sqlite3_stmt* statement) {
  return timed_step(untimed_step.load(std::memory_order_acquire), served_functions().db_handle,
                    statement);
}

}  // namespace

void offer_safe_points() noexcept { set_safe_point_requester(look_at_next_calls); }

void* step_function(void* target) noexcept {
  if (option_as<ResponseMode>(&Config::response_mode) != ResponseMode::full) return target;
  untimed_step.store(reinterpret_cast<Step>(target), std::memory_order_release);
  return reinterpret_cast<void*>(step_timed);
}

}  // namespace sqlitemem::ext::preload
