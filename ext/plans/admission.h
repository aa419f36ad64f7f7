// What decides, under preload, whether a connection's statements may be kept.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace sqlitemem::ext::plans {

/// Why a connection is left alone; a bit each.
enum Reason : std::uint32_t {
  has_authorizer = 1U << 0,        ///< It would not be asked again.
  has_progress_handler = 1U << 1,  ///< SQLite 3.41 calls it while it compiles.
  has_modules = 1U << 2,           ///< Of the program: xBestIndex would not be asked again.
  has_unlock_notify = 1U << 3,
  has_short_sql_limit = 1U << 4,
  is_backup_target = 1U << 5,
  shares_cache = 1U << 6,
  prepares_utf16 = 1U << 7,
  is_out_of_memory = 1U << 8,  ///< A hazard could not be remembered.
};

/// Under the connection's mutex, but for the atomics.
struct Admission {
  std::uint32_t reasons = 0;
  /// Prepared and not finalized yet.
  int hazards = 0;
  /// An exclusive transaction began, so the schema may be newer than what was compiled.
  bool is_unverified = false;
  bool has_attached = false;
  /// SQLite itself prepared a hazard, for sqlite3_exec(), which is not over yet.
  bool ran_hazard_within = false;
  /// sqlite3_interrupt() was called; it may be in force. Set by any thread, also by a handler of
  /// signals.
  std::atomic<bool> is_interrupted{false};
  /// Texts seen once: 32 bits of the hash, by other bits of it.
  std::array<std::atomic<std::uint32_t>, 1024> seen{};

  /// True from the second time on, as far as it is remembered. Needs no mutex: what threads that
  /// share a connection do to each other here is to forget.
  bool is_second_sight(std::uint64_t hash) noexcept {
    std::atomic<std::uint32_t>& known = seen[(hash >> 8) % seen.size()];
    const std::uint32_t mark = static_cast<std::uint32_t>(hash >> 32) | 1U;
    if (known.load(std::memory_order_relaxed) == mark) return true;
    known.store(mark, std::memory_order_relaxed);
    return false;
  }
};

}  // namespace sqlitemem::ext::plans
