// Under preload with SQLite's accounting off: its questions about memory are answered, and its
// limits kept, by us.
#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <optional>

#include "allocators/base/lock.h"
#include "allocators/manager/process_heap.h"
#include "allocators/manager/process_pool.h"
#include "ext/host/connections.h"
#include "ext/host/core.h"
#include "ext/host/heap_hook.h"
#include "ext/host/mode.h"
#include "ext/host/page_cache_hook.h"
#include "ext/host/preload.h"

namespace sqlitemem::ext::preload {
namespace {

constinit std::atomic<sqlite3_int64> soft_limit_bytes{0};
// Over the soft limit: what was in use after the last release. Trying again before it grows would
// release nothing.
constinit std::atomic<sqlite3_int64> last_release_bytes{0};

/// One of the three counters that SQLITE_CONFIG_MEMSTATUS switches.
struct Counter {
  sqlite3_int64 now = 0, highest = 0;
};
enum CounterIndex : std::size_t { used, largest, blocks, counters };

struct Readings {
  Lock lock;
  // The heap's peaks all start again together, SQLite's one by one: the highest value from before
  // the last restart.
  std::array<sqlite3_int64, counters> carried SQLITEMEM_GUARDED_BY(lock) = {};
};
constinit Readings readings;

/// What the heap and the pool say now; each keeps a peak of its own, so the sum may be above the
/// true one. Blocks that the previous allocator lent us count: SQLite has them.
std::array<Counter, counters> read_heap() noexcept {
  const HeapTotals totals = process_heap().totals();
  const LentBlocks lent = lent_blocks();
  const PagesInUse pages = process_pool().pages_in_use();
  std::array<Counter, counters> values;
  values[used] = {
      static_cast<sqlite3_int64>(totals.live_bytes + pages.bytes) + lent.bytes,
      static_cast<sqlite3_int64>(totals.peak_live_bytes + pages.peak_bytes) + lent.bytes};
  values[largest] = {0, static_cast<sqlite3_int64>(totals.largest_request_bytes)};
  values[blocks] = {
      static_cast<sqlite3_int64>(totals.live_objects + pages.frames) + lent.objects,
      static_cast<sqlite3_int64>(totals.peak_live_objects + pages.peak_frames) + lent.objects};
  return values;
}

Counter read(CounterIndex index, bool is_reset) noexcept {
  const LockGuard guard(readings.lock);
  const auto values = read_heap();
  const Counter answer{values[index].now, std::max(values[index].highest, readings.carried[index])};
  if (!is_reset) return answer;
  for (std::size_t i = 0; i < counters; ++i) {
    readings.carried[i] = i == index ? 0 : std::max(readings.carried[i], values[i].highest);
  }
  process_heap().reset_peaks();
  process_pool().reset_peaks();
  return answer;
}

sqlite3_int64 live_bytes() noexcept { return read_heap()[used].now; }

}  // namespace

bool answers_for_memory(const HostSqlite& sqlite) noexcept {
  return memory_accounting() == Accounting::sqlitemem && heap_hook_in_force() && is_served(sqlite);
}

sqlite3_int64 memory_used() noexcept { return read(used, false).now; }
sqlite3_int64 memory_highwater(bool is_reset) noexcept { return read(used, is_reset).highest; }

MemoryMark pages_beside(const HostSqlite& sqlite) noexcept {
  if (!is_served(sqlite) || !pool_is_ours()) return {};
  const PagesInUse pages = process_pool().pages_in_use();
  return {static_cast<sqlite3_int64>(pages.bytes), static_cast<sqlite3_int64>(pages.peak_bytes)};
}

int status(const HostSqlite& sqlite, int what, sqlite3_int64* now, sqlite3_int64* highest,
           bool is_reset) noexcept {
  const auto counter = [what]() -> std::optional<CounterIndex> {
    if (what == SQLITE_STATUS_MEMORY_USED) return used;
    if (what == SQLITE_STATUS_MALLOC_SIZE) return largest;
    if (what == SQLITE_STATUS_MALLOC_COUNT) return blocks;
    return std::nullopt;
  }();
  if (counter && answers_for_memory(sqlite)) {
    const Counter answer = read(*counter, is_reset);
    *now = answer.now;
    *highest = answer.highest;
    return SQLITE_OK;
  }
  const int rc = sqlite.status64(what, now, highest, is_reset ? 1 : 0);
  // Programs read the second as the size of the page caches, which SQLite does not see any more.
  if (rc == SQLITE_OK &&
      (what == SQLITE_STATUS_MEMORY_USED || what == SQLITE_STATUS_PAGECACHE_OVERFLOW)) {
    const MemoryMark pages = pages_beside(sqlite);
    *now += pages.now;
    *highest += pages.highest;
  }
  return rc;
}

void read_back_limits(const HostSqlite& sqlite) noexcept {
  if (!answers_for_memory(sqlite)) return;
  soft_limit_bytes.store(std::max<sqlite3_int64>(0, sqlite.soft_heap_limit64(-1)));
  const sqlite3_int64 hard = std::max<sqlite3_int64>(0, sqlite.hard_heap_limit64(-1));
  process_heap().set_live_limit(static_cast<std::uint64_t>(hard));
}

sqlite3_int64 change_limit(const HostSqlite& sqlite, sqlite3_int64 (*change)(sqlite3_int64),
                           sqlite3_int64 bytes) noexcept {
  const sqlite3_int64 before = change(bytes);  // SQLite keeps the two limits consistent.
  if (bytes >= 0) {
    read_back_limits(sqlite);
    last_release_bytes.store(0);
  }
  return before;
}

bool has_soft_limit() noexcept { return soft_limit_bytes.load(std::memory_order_relaxed) > 0; }

void end_of_statement(sqlite3* db) noexcept {
  const sqlite3_int64 limit = soft_limit_bytes.load(std::memory_order_relaxed);
  if (limit <= 0 || !heap_hook_in_force()) return;
  const sqlite3_int64 live = live_bytes();
  if (live <= limit) {
    last_release_bytes.store(0, std::memory_order_relaxed);
    return;
  }
  if (live <= last_release_bytes.load(std::memory_order_relaxed) + limit / 16) return;
  try {
    release_connection_memory(db);
  } catch (...) {  // No memory for the list of connections.
  }
  heap_collect();
  last_release_bytes.store(live_bytes(), std::memory_order_relaxed);
}

int release_memory(int bytes) noexcept {
  if (bytes <= 0) return 0;
  const sqlite3_int64 before = live_bytes();
  try {
    release_connection_memory(nullptr);
  } catch (...) {  // No memory for the list of connections.
  }
  const sqlite3_int64 released = before - live_bytes();
  heap_collect();
  return static_cast<int>(std::clamp<sqlite3_int64>(released, 0, INT_MAX));
}

}  // namespace sqlitemem::ext::preload
