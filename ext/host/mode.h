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

/// True if SQLite's allocations of this process come from our heap now (managed or attached).
bool heap_is_ours() noexcept;

const char* mode_name(Mode mode) noexcept;

}  // namespace sqlitemem::ext
