// The functions of SQLite that are passed on by a jump: the stub's entries, and where each leads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

/// Whatever can change what a prepared statement means, or shows which ones there are; and what a
/// killed transaction concerns.
// clang-format off
#define SQLITEMEM_SLOTS(X) \
  X(prepare) X(prepare_v2) X(prepare_v3) X(prepare16) X(prepare16_v2) X(prepare16_v3) X(step) \
  X(close) X(close_v2) X(interrupt) X(progress_handler) X(db_config) X(limit) \
  X(create_function) X(create_function16) X(create_function_v2) X(create_window_function) \
  X(create_collation) X(create_collation16) X(create_collation_v2) X(collation_needed) \
  X(collation_needed16) X(create_module) X(create_module_v2) X(drop_modules) \
  X(overload_function) X(load_extension) X(enable_load_extension) X(preupdate_hook) \
  X(update_hook) X(next_stmt) X(db_status) X(db_release_memory) X(file_control) X(deserialize) \
  X(backup_init) X(blob_open) X(table_column_metadata) X(snapshot_open) X(trace) X(trace_v2) \
  X(profile) X(unlock_notify) X(enable_shared_cache) X(set_authorizer) X(rollback_hook) \
  X(errmsg)
// clang-format on

namespace sqlitemem::ext::preload {

enum class Slot : std::size_t {
#define SQLITEMEM_SLOT(name) name,
  SQLITEMEM_SLOTS(SQLITEMEM_SLOT)
#undef SQLITEMEM_SLOT
      count
};
inline constexpr auto slot_count = static_cast<std::size_t>(Slot::count);

/// In place, so that they need no relocation.
inline constexpr char slot_names[slot_count][40] = {
#define SQLITEMEM_SLOT(name) "sqlite3_" #name,
    SQLITEMEM_SLOTS(SQLITEMEM_SLOT)
#undef SQLITEMEM_SLOT
};

/// Where an entry jumps to; nullptr: it asks first, with each call.
using SlotTable = std::atomic<void*>[slot_count];

/// The function that this call is for: never nullptr. `arguments`: its first six, as words.
using FindTarget = void* (*)(SlotTable& slots, Slot slot, const void* caller,
                             const std::uintptr_t* arguments);

/// What a call does whose SQLite has no such function: SQLITE_ERROR, or a null pointer.
void* missing_function(Slot slot) noexcept;

}  // namespace sqlitemem::ext::preload
