// The monitor's own thread (option monitor): samples, and works at safe points.
#pragma once

namespace sqlitemem::ext {

/// Starts or ends the thread as option monitor says. Not inside an allocation. A child of fork()
/// has no thread until this is called in it. At the process's end the thread is ended and joined.
void follow_monitor_option() noexcept;

/// Whether this thread is the only one but for ours: then a connection without a mutex is safe to
/// look into, because ours leaves such connections alone.
bool is_only_thread_of_program() noexcept;

}  // namespace sqlitemem::ext
