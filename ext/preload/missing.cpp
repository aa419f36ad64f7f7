// In place of a function that a SQLite does not have. Part of the stub and of the core.
#include "ext/preload/slots.h"

namespace sqlitemem::ext::preload {
namespace {

int answer_error() { return 1; }  // SQLITE_ERROR
void* answer_null() { return nullptr; }

}  // namespace

void* missing_function(Slot slot) noexcept {
  switch (slot) {
    case Slot::preupdate_hook:
    case Slot::update_hook:
    case Slot::next_stmt:
    case Slot::backup_init:
    case Slot::trace:
    case Slot::profile:
    case Slot::interrupt:
    case Slot::rollback_hook:
    case Slot::errmsg:
      return reinterpret_cast<void*>(answer_null);
    default:
      return reinterpret_cast<void*>(answer_error);
  }
}

}  // namespace sqlitemem::ext::preload
