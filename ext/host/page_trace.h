// Writes every reference to a page of the buffer pool into a file, if the environment says so.
#pragma once

#include <cstdint>
#include <string>

namespace sqlitemem {
class PageCache;
}

namespace sqlitemem::ext {

/// SQLITEMEM_BUFFER_POOL_TRACE was set when this was called for the first time.
bool page_trace_is_wanted() noexcept;
/// Makes the file, if a trace is wanted. Idempotent. From then on the functions below write to it;
/// they may be called by any thread, for one cache by one at a time. Nothing here uses SQLite or
/// its heap. After fork() the child writes nothing.
void start_page_trace() noexcept;

struct TracedFetch {
  std::uint32_t number = 0;
  bool was_pinned = false;
  bool is_lookup = false;  ///< createFlag 0.
};
/// SQLite got the page.
void trace_fetch(const PageCache& cache, TracedFetch fetch) noexcept;
/// All pages numbered `first` and above are dropped.
void trace_truncation(const PageCache& cache, std::uint32_t first) noexcept;
/// Before another cache can have its address.
void trace_destruction(const PageCache& cache) noexcept;

/// What became of the trace, in a sentence; "" if none is wanted.
std::string page_trace_remark();

}  // namespace sqlitemem::ext
