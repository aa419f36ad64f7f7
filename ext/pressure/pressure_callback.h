// Tells the program of pressure: its callback, and sqlite3_log().
#pragma once

#include <sqlite3.h>

#include <cstddef>

#include "allocators/pressure/pressure_reading.h"

namespace sqlitemem::ext {

/// See sqlitemem_on_pressure(): `stage` counts from 0 (none) to 4 (refusal); `refused_bytes` is 0
/// unless a request was refused just now.
using PressureCallback = void (*)(void* context, int stage, double usage_ratio,
                                  sqlite3_uint64 refused_bytes);
/// nullptr: none. Any thread; the old one may still be called for a moment.
void set_pressure_callback(PressureCallback callback, void* context) noexcept;

/// Where sqlite3_log() is. Until then nothing is logged.
void set_pressure_log(void (*log)(int, const char*, ...)) noexcept;

/// The response has gone from one stage to another. With no lock held; may be inside an allocation.
void tell_stage(ResponseStage before, ResponseStage now, double usage_ratio) noexcept;

/// A request was answered with SQLITE_NOMEM. Inside the allocation; logged once a second.
void tell_refusal(std::size_t bytes) noexcept;

}  // namespace sqlitemem::ext
