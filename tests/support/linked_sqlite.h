// The SQLite that the test program is linked with, as the code under test finds it.
#pragma once

#include "ext/host/attach.h"
#include "ext/host/host_sqlite.h"
#include "tests/support/catch.h"

namespace sqlitemem::tests {

inline ext::HostSqlite linked_sqlite() {
  ext::HostSqlite host = ext::find_host_sqlite(reinterpret_cast<const void*>(&sqlite3_libversion));
  REQUIRE(host.config != nullptr);
  return host;
}

#if defined(__SANITIZE_THREAD__)
inline constexpr bool is_thread_sanitized = true;
#elif defined(__has_feature)
inline constexpr bool is_thread_sanitized = __has_feature(thread_sanitizer);
#else
inline constexpr bool is_thread_sanitized = false;
#endif
/// ThreadSanitizer runs a thread in every program, so there is nothing to attach to.
inline bool has_threads_of_its_own() { return is_thread_sanitized || ext::count_threads() != 1; }

}  // namespace sqlitemem::tests
