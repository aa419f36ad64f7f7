// Asks SQLite and the asking connection how they are set up.
#include <algorithm>
#include <array>

#include "ext/host/environment.h"
#include "ext/sql/live_sources.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

/// The first value of a PRAGMA that only tells; nullopt if it may not be run. Inside a statement of
/// the same connection, as full-text search does it.
std::optional<std::int64_t> ask(sqlite3* db, const char* pragma) {
  sqlite3_stmt* statement = nullptr;
  std::optional<std::int64_t> answer;
  if (sqlite3_prepare_v2(db, pragma, -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW)
    answer = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return answer;
}

/// 0: what SQLite was built for decides; 1: files; 2: memory. SQLITE_TEMP_STORE can overrule it.
std::optional<bool> is_temp_in_memory(sqlite3* db) {
  if (sqlite3_compileoption_used("TEMP_STORE=0") != 0) return false;
  if (sqlite3_compileoption_used("TEMP_STORE=3") != 0) return true;
  const auto setting = ask(db, "PRAGMA temp_store");
  if (!setting) return std::nullopt;
  if (*setting == 0) return sqlite3_compileoption_used("TEMP_STORE=2") != 0;
  return *setting == 2;
}

std::optional<std::uint64_t> mmap_bytes(sqlite3* db) {
  sqlite3_int64 bytes = -1;  // Only asks.
  if (sqlite3_file_control(db, "main", SQLITE_FCNTL_MMAP_SIZE, &bytes) != SQLITE_OK || bytes < 0)
    return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

/// Pages, or kibibytes if negative.
std::optional<std::uint64_t> cache_bytes(sqlite3* db) {
  const auto size = ask(db, "PRAGMA main.cache_size");
  if (!size) return std::nullopt;
  if (*size < 0) return static_cast<std::uint64_t>(-*size) * 1024;
  const auto page_bytes = ask(db, "PRAGMA main.page_size");
  if (!page_bytes) return std::nullopt;
  return static_cast<std::uint64_t>(*size) * static_cast<std::uint64_t>(*page_bytes);
}

std::optional<std::uint64_t> limit_of(sqlite3_int64 bytes) {
  if (bytes < 0) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace

stats::HostSettings LiveSources::host_settings() {
  stats::HostSettings settings;
  settings.can_release_memory = sqlite3_compileoption_used("ENABLE_MEMORY_MANAGEMENT") != 0;
  settings.soft_heap_limit_bytes = limit_of(sqlite3_soft_heap_limit64(-1));
  settings.hard_heap_limit_bytes = limit_of(sqlite3_hard_heap_limit64(-1));
  settings.temp_is_in_memory = is_temp_in_memory(db_);
  settings.mmap_bytes = mmap_bytes(db_);
  settings.cache_bytes = cache_bytes(db_);
  settings.environment_problems = environment_problems();
  return settings;
}

}  // namespace sqlitemem::ext
