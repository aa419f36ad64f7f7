// Why a running SQLite must be left alone: each check answers with a reason in words, or with
// nothing.
#include <dirent.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "allocators/config.h"
#include "ext/host/attach.h"
#include "ext/host/environment.h"

namespace sqlitemem::ext {
namespace {

using Reason = std::optional<std::string>;

Reason check_attach_option(const HostSqlite&) {
  read_environment_once();
  if (option_as<AttachPolicy>(&Config::attach) == AttachPolicy::never) {
    return "The option attach is set to never.";
  }
  // Whoever sets it wants something other than the default.
  if (environment_problem("SQLITEMEM_ATTACH").empty()) return std::nullopt;
  return "What the variable SQLITEMEM_ATTACH says is not understood, so SQLite is left alone.";
}

Reason check_version(const HostSqlite& host) {
  if (host.libversion_number == nullptr || host.libversion_number() >= oldest_sqlite_version) {
    return std::nullopt;
  }
  return "SQLite " + std::string(host.libversion()) +
         " is too old: taking over a running SQLite is known to be safe from 3.34.0 on.";
}

/// Everything that attach() and these checks call.
Reason check_exports(const HostSqlite& host) {
  const bool is_complete =
      host.config != nullptr && host.initialize != nullptr && host.shutdown != nullptr &&
      host.auto_extension != nullptr && host.cancel_auto_extension != nullptr &&
      host.vfs_find != nullptr && host.vfs_register != nullptr &&
      host.soft_heap_limit64 != nullptr && host.hard_heap_limit64 != nullptr &&
      host.memory_used != nullptr && host.status64 != nullptr && host.open_v2 != nullptr &&
      host.close != nullptr && host.exec != nullptr && host.malloc != nullptr &&
      host.free != nullptr && host.msize != nullptr && host.libversion_number != nullptr;
  if (is_complete) return std::nullopt;
  if (host.path.empty()) {
    return "SQLite is linked statically into the program and does not export sqlite3_config().";
  }
  return "SQLite is linked statically into " + host.path +
         ", which does not export sqlite3_config().";
}

Reason check_threads(const HostSqlite&) {
  const std::size_t threads = count_threads();
  if (threads == 1) return std::nullopt;
  if (threads == 0) return "/proc/self/task cannot be read, so other threads may be using SQLite.";
  return "The process has " + std::to_string(threads) +
         " threads, and another one could be inside SQLite. Load sqlitemem before threads are "
         "started, or use the preload library.";
}

sqlite3_int64 status_now(const HostSqlite& host, int what) {
  sqlite3_int64 now = 0, highest = 0;
  host.status64(what, &now, &highest, 0);
  return now;
}

int probe_auto_extension() { return SQLITE_OK; }

/// sqlite3_shutdown() forgets auto-extensions, and there is no list of them to be had. But the
/// first one on an empty list allocates an array, and later ones resize it: the count of
/// allocations tells.
Reason check_auto_extensions(const HostSqlite& host) {
  if (host.memory_used() == 0) {
    return "SQLite's memory accounting is off, so it cannot be told whether the program registered "
           "auto-extensions, which would be lost.";
  }
  const auto probe = reinterpret_cast<void (*)()>(probe_auto_extension);
  const sqlite3_int64 before = status_now(host, SQLITE_STATUS_MALLOC_COUNT);
  if (host.auto_extension(probe) != SQLITE_OK) return "sqlite3_auto_extension() failed.";
  const sqlite3_int64 after = status_now(host, SQLITE_STATUS_MALLOC_COUNT);
  host.cancel_auto_extension(probe);
  if (after == before + 1) return std::nullopt;
  return "The program registered auto-extensions (sqlite3_auto_extension), which would be lost.";
}

/// SQLite's own allocator answers sqlite3_msize() with the next multiple of 8 and keeps that size
/// in the 8 bytes before the block; built with malloc_usable_size() it answers with what the C
/// library says. Three sizes at which other allocators round differently; attach() checks the
/// methods themselves once it can see them.
Reason check_allocator(const HostSqlite& host) {
  bool is_header_build = true;
  for (const int bytes : {1, 100, 4361}) {
    void* block = host.malloc(bytes);
    if (block == nullptr) return "SQLite is out of memory.";
    const sqlite3_uint64 usable = host.msize(block);
    is_header_build =
        is_header_build && usable == ((static_cast<sqlite3_uint64>(bytes) + 7) & ~7ULL);
    host.free(block);
  }
  if (is_header_build) return std::nullopt;
  // glibc's chunks are a multiple of 16 less 8 bytes; anything else is neither of SQLite's two
  // ways.
  void* block = host.malloc(100);
  const sqlite3_uint64 usable = block == nullptr ? 0 : host.msize(block);
  host.free(block);
  if (usable % 16 == 8) return std::nullopt;
  return host_allocator_reason;
}

/// A private temporary database that stays in memory, closed again at the end.
class TrialDatabase {
 public:
  explicit TrialDatabase(const HostSqlite& host) : host_(host) {
    constexpr int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (host.open_v2("", &db_, flags, nullptr) == SQLITE_OK) return;
    host.close(db_);
    db_ = nullptr;
  }
  ~TrialDatabase() {
    if (db_ != nullptr) host_.close(db_);
  }
  TrialDatabase(const TrialDatabase&) = delete;
  TrialDatabase& operator=(const TrialDatabase&) = delete;

  [[nodiscard]] bool run(const char* sql) const {
    return db_ != nullptr && host_.exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
  }

 private:
  const HostSqlite& host_;
  sqlite3* db_ = nullptr;
};

constexpr const char* shared_page_cache_reason =
    "SQLite's page caches share memory here (SQLITE_CONFIG_PAGECACHE or "
    "SQLITE_ENABLE_MEMORY_MANAGEMENT), which a restart would damage.";

/// A page cache that is restarted rebuilds its buffer from SQLITE_CONFIG_PAGECACHE over live pages,
/// cuts the list that caches share, or, if it is the program's own, forgets what it likes. Only
/// SQLite's own one with separate caches is safe, and it shows itself: its first pages come from
/// one block that is not counted as overflow, and later ones are.
Reason check_page_cache(const HostSqlite& host) {
  if (status_now(host, SQLITE_STATUS_PAGECACHE_USED) > 0) return shared_page_cache_reason;
  const TrialDatabase trial(host);
  if (!trial.run("PRAGMA page_size = 4096; PRAGMA journal_mode = OFF")) {
    return "A trial database could not be opened, so the page cache could not be checked.";
  }
  const sqlite3_int64 before = status_now(host, SQLITE_STATUS_PAGECACHE_OVERFLOW);
  if (!trial.run("CREATE TABLE trial(x)")) {
    return "A trial table could not be made, so the page cache could not be checked.";
  }
  // Two pages and a page of scratch space: only the scratch space is counted when caches are
  // separate.
  const sqlite3_int64 first = status_now(host, SQLITE_STATUS_PAGECACHE_OVERFLOW) - before;
  if (first > 2 * 4096 || status_now(host, SQLITE_STATUS_PAGECACHE_USED) > 0) {
    return shared_page_cache_reason;
  }
  if (!trial.run("INSERT INTO trial VALUES(zeroblob(400000))")) {
    return "There is no memory for a trial database, so the page cache could not be checked.";
  }
  if (status_now(host, SQLITE_STATUS_PAGECACHE_OVERFLOW) - before < 100000) {
    return "The program may have a page cache of its own (SQLITE_CONFIG_PCACHE2), which a restart "
           "could damage.";
  }
  return std::nullopt;
}

}  // namespace

std::size_t count_threads() {
  DIR* tasks = ::opendir("/proc/self/task");
  if (tasks == nullptr) return 0;
  std::size_t threads = 0;
  while (const dirent* entry = ::readdir(tasks)) {
    if (entry->d_name[0] != '.') ++threads;
  }
  ::closedir(tasks);
  return threads;
}

std::optional<std::string> reason_not_to_attach(const HostSqlite& host) {
  // From what is free to check to what touches SQLite; the thread count stands before the first
  // that does.
  constexpr std::array checks{check_attach_option, check_exports,         check_version,
                              check_threads,       check_auto_extensions, check_allocator,
                              check_page_cache};
  for (const auto check : checks) {
    if (auto reason = check(host)) return reason;
  }
  return std::nullopt;
}

}  // namespace sqlitemem::ext
