// The trace file: numbering caches, buffering, and all the ways in which it may end.
#include "ext/host/page_trace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "allocators/base/bytes.h"
#include "allocators/base/lock.h"
#include "allocators/pool/page_cache.h"

namespace sqlitemem::ext {
namespace {

constexpr const char* variable = "SQLITEMEM_BUFFER_POOL_TRACE";
constexpr std::uint64_t max_bytes = gib;

// The format's bits; bench/README.md describes them.
constexpr std::uint32_t max_number = 0xFFFFFF;
constexpr unsigned cache_shift = 24;
constexpr std::size_t max_caches = 32;
constexpr std::uint32_t truncate_bit = 1U << 29, lookup_bit = 1U << 30, pinned_bit = 1U << 31;

enum class Stage : std::uint8_t {
  unknown,     ///< Nobody has looked at the environment.
  not_wanted,  ///< No variable.
  wanted,
  writing,
  failed,  ///< `error` and `failure` say why; what was written before stays.
  full,
  inherited,  ///< By a child of fork().
};

/// All in zeroed static memory, which is not resident while it is not used.
struct PageTrace {
  std::atomic<Stage> stage{Stage::unknown};
  Lock lock;
  std::array<char, 4096> path SQLITEMEM_GUARDED_BY(lock){};
  int file SQLITEMEM_GUARDED_BY(lock) = -1;
  struct stat identity SQLITEMEM_GUARDED_BY(lock) {};
  std::array<const PageCache*, max_caches> caches SQLITEMEM_GUARDED_BY(lock){};
  std::array<std::uint32_t, 16384> words SQLITEMEM_GUARDED_BY(lock){};
  std::size_t word_count SQLITEMEM_GUARDED_BY(lock) = 0;
  std::uint64_t bytes_written SQLITEMEM_GUARDED_BY(lock) = 0;
  std::uint64_t left_out SQLITEMEM_GUARDED_BY(lock) = 0;  // References that the format cannot say.
  bool is_exiting SQLITEMEM_GUARDED_BY(lock) = false;
  const char* failure SQLITEMEM_GUARDED_BY(lock) = "";
  int error SQLITEMEM_GUARDED_BY(lock) = 0;
};
constinit PageTrace trace;

bool is_writing() noexcept { return trace.stage.load(std::memory_order_acquire) == Stage::writing; }

void end_trace(Stage stage) noexcept SQLITEMEM_REQUIRES(trace.lock) {
  trace.stage.store(stage, std::memory_order_release);
  trace.word_count = 0;
}

void fail(const char* failure, int error) noexcept SQLITEMEM_REQUIRES(trace.lock) {
  trace.failure = failure;
  trace.error = error;
  end_trace(Stage::failed);
}

/// A program that closes files which it does not know may have one of its own under this number.
bool file_is_ours() noexcept SQLITEMEM_REQUIRES(trace.lock) {
  struct stat now {};
  return ::fstat(trace.file, &now) == 0 && now.st_dev == trace.identity.st_dev &&
         now.st_ino == trace.identity.st_ino;
}

void close_file() noexcept SQLITEMEM_REQUIRES(trace.lock) {
  if (file_is_ours()) ::close(trace.file);
  trace.file = -1;
}

void flush() noexcept SQLITEMEM_REQUIRES(trace.lock) {
  if (trace.word_count == 0 || !is_writing()) return;
  if (!file_is_ours()) return fail("the program closed its file", 0);
  if constexpr (std::endian::native == std::endian::big) {
    for (std::size_t i = 0; i < trace.word_count; ++i)
      trace.words[i] = __builtin_bswap32(trace.words[i]);
  }
  const auto* next = reinterpret_cast<const char*>(trace.words.data());
  std::size_t left = trace.word_count * sizeof(std::uint32_t);
  while (left > 0) {
    const ssize_t written = ::write(trace.file, next, left);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      fail("it cannot be written", written < 0 ? errno : ENOSPC);
      // Half of a word would make the whole file unreadable.
      const auto whole = trace.bytes_written / sizeof(std::uint32_t) * sizeof(std::uint32_t);
      if (::ftruncate(trace.file, static_cast<off_t>(whole)) != 0) trace.error = errno;
      return close_file();
    }
    next += written;
    left -= static_cast<std::size_t>(written);
    trace.bytes_written += static_cast<std::uint64_t>(written);
  }
  trace.word_count = 0;
  if (trace.bytes_written < max_bytes) return;
  end_trace(Stage::full);
  close_file();
}

void append(std::uint32_t word) noexcept SQLITEMEM_REQUIRES(trace.lock) {
  trace.words[trace.word_count++] = word;
  if (trace.word_count == trace.words.size() || trace.is_exiting) flush();
}

/// max_caches: it has none.
std::size_t number_of(const PageCache& cache) noexcept SQLITEMEM_REQUIRES(trace.lock) {
  return static_cast<std::size_t>(std::ranges::find(trace.caches, &cache) - trace.caches.begin());
}

// SQLite may be used by destructors that run later: from now on nothing waits in the buffer.
void flush_at_exit() noexcept {
  const LockGuard guard(trace.lock);
  trace.is_exiting = true;
  flush();
}

extern "C" void sqlitemem_trace_before_fork() SQLITEMEM_NO_THREAD_SAFETY { trace.lock.lock(); }
extern "C" void sqlitemem_trace_in_parent() SQLITEMEM_NO_THREAD_SAFETY { trace.lock.unlock(); }
extern "C" void sqlitemem_trace_in_child() SQLITEMEM_NO_THREAD_SAFETY {
  if (is_writing()) {
    end_trace(Stage::inherited);
    close_file();
  }
  trace.lock.unlock();
}

/// `%p` becomes the process's number. false: too long.
bool expand(std::string_view from, std::array<char, 4096>& to) noexcept {
  std::size_t length = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (length + 16 > to.size()) return false;
    if (from.substr(i, 2) == "%p") {
      length = static_cast<std::size_t>(fmt::format_to(to.data() + length, "{}", ::getpid()) -
                                        to.data());
      ++i;
    } else {
      to[length++] = from[i];
    }
  }
  to[length] = '\0';
  return true;
}

void open_file() noexcept SQLITEMEM_REQUIRES(trace.lock) {
  const int opened = ::open(trace.path.data(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (opened < 0) return fail("it cannot be made", errno);
  // Not where a program without standard output would have it.
  trace.file = ::fcntl(opened, F_DUPFD_CLOEXEC, 10);
  if (trace.file < 0)
    trace.file = opened;
  else
    ::close(opened);
  if (::fstat(trace.file, &trace.identity) != 0) return fail("it cannot be made", errno);
  ::pthread_atfork(sqlitemem_trace_before_fork, sqlitemem_trace_in_parent,
                   sqlitemem_trace_in_child);
  std::atexit(flush_at_exit);
  trace.stage.store(Stage::writing, std::memory_order_release);
}

}  // namespace

bool page_trace_is_wanted() noexcept {
  if (trace.stage.load(std::memory_order_acquire) == Stage::unknown) {
    const LockGuard guard(trace.lock);
    if (trace.stage.load(std::memory_order_relaxed) == Stage::unknown) {
      const char* path = ::secure_getenv(variable);
      const bool is_wanted = path != nullptr && *path != '\0';
      trace.stage.store(is_wanted ? Stage::wanted : Stage::not_wanted, std::memory_order_release);
      if (is_wanted && !expand(path, trace.path)) fail("its name is too long", 0);
    }
  }
  return trace.stage.load(std::memory_order_acquire) != Stage::not_wanted;
}

void start_page_trace() noexcept {
  if (!page_trace_is_wanted()) return;
  const LockGuard guard(trace.lock);
  if (trace.stage.load(std::memory_order_relaxed) == Stage::wanted) open_file();
}

void trace_fetch(const PageCache& cache, TracedFetch fetch) noexcept {
  if (!is_writing() || !cache.is_purgeable()) return;
  const LockGuard guard(trace.lock);
  if (!is_writing()) return;
  std::size_t number = number_of(cache);
  if (number == max_caches) {
    number =
        static_cast<std::size_t>(std::ranges::find(trace.caches, nullptr) - trace.caches.begin());
    if (number < max_caches) trace.caches[number] = &cache;
  }
  if (number == max_caches || fetch.number > max_number) {
    ++trace.left_out;
    return;
  }
  append(fetch.number | static_cast<std::uint32_t>(number) << cache_shift |
         (fetch.is_lookup ? lookup_bit : 0) | (fetch.was_pinned ? pinned_bit : 0));
}

void trace_truncation(const PageCache& cache, std::uint32_t first) noexcept {
  if (!is_writing()) return;
  const LockGuard guard(trace.lock);
  const std::size_t number = number_of(cache);
  if (!is_writing() || number == max_caches || first > max_number) return;
  append(std::max(first, 1U) | static_cast<std::uint32_t>(number) << cache_shift | truncate_bit);
}

void trace_destruction(const PageCache& cache) noexcept {
  if (!is_writing()) return;
  const LockGuard guard(trace.lock);
  const std::size_t number = number_of(cache);
  if (!is_writing() || number == max_caches) return;
  trace.caches[number] = nullptr;
  append(static_cast<std::uint32_t>(number) << cache_shift | truncate_bit);
  // A program that is killed while it waits for work has its trace.
  if (std::ranges::all_of(trace.caches, [](const auto* each) { return each == nullptr; })) flush();
}

std::string page_trace_remark() {
  if (!page_trace_is_wanted()) return {};
  const LockGuard guard(trace.lock);
  const std::string beginning = fmt::format("Trace of page references, {}: ", trace.path.data());
  std::string end;
  switch (trace.stage.load(std::memory_order_relaxed)) {
    case Stage::writing:
      end = "being written";
      break;
    case Stage::full:
      end = "ended at 1 GB, the most there is";
      break;
    case Stage::inherited:
      end = "written by the parent of this process only";
      break;
    case Stage::failed:
      end = trace.failure;
      if (trace.error != 0) end += fmt::format(" ({})", ::strerrordesc_np(trace.error));
      break;
    case Stage::unknown:
    case Stage::not_wanted:
    case Stage::wanted:
      end = "not made, because SQLite's pages are not in the buffer pool";
      break;
  }
  if (trace.left_out != 0)
    end += fmt::format(
        "; {} references are left out, because no more than {} page caches at a "
        "time, of 2^24 pages, can be told apart",
        trace.left_out, max_caches);
  return beginning + end + ".";
}

}  // namespace sqlitemem::ext
