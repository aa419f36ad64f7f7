// How this process is served: managed, attached or observing, and why, in words.
#pragma once

#include <string>

namespace sqlitemem::ext {

enum class Mode { managed, attached, observing };

struct ModeReport {
  Mode mode = Mode::observing;
  std::string reason;  ///< Full sentences, without the mode's name.
};

/// Any thread. The text of memory_mode() is "<mode>: <reason>".
ModeReport mode_report();

/// What else a reader of memory_mode() must know, in full sentences; empty if nothing.
std::string mode_remarks();

/// True if SQLite's allocations of this process come from our heap now (managed or attached).
bool heap_is_ours() noexcept;

/// Who counts for sqlite3_memory_used() and for SQLITE_STATUS_MEMORY_USED, MALLOC_SIZE and
/// MALLOC_COUNT.
enum class Accounting {
  sqlite,     ///< SQLite itself, as ever (or nobody, if it was built or configured without).
  sqlitemem,  ///< The preload library answers in SQLite's place.
  nobody,  ///< It was switched off (option memstatus) where nobody can answer instead: the numbers
           ///< stand still.
};
Accounting memory_accounting() noexcept;

const char* mode_name(Mode mode) noexcept;

// For the ways in (attach, preload, embedded), which decide.

/// What was decided, once it is in force. Later calls replace earlier ones.
void set_mode(Mode mode, std::string reason);
void set_accounting(Accounting accounting) noexcept;
/// The program put an allocator of its own in front of ours or in its place (`is_replaced`), or
/// took it back.
void set_host_allocator(bool is_replaced) noexcept;

}  // namespace sqlitemem::ext
