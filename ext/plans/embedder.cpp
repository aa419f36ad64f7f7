// The plan cache as a program uses it that knows of it.
#include "ext/plans/embedder.h"

#include <cstring>
#include <new>

#include "allocators/base/lock.h"
#include "allocators/config.h"
#include "ext/plans/plan_registry.h"
#include "ext/plans/sql_text.h"

namespace sqlitemem::ext::plans {
namespace {

constinit std::atomic<const SqliteCalls*> served{nullptr};

// The same bounds as under preload: longer texts are not prepared often.
constexpr std::size_t longest_kept_sql_bytes = 4096;

std::size_t length_of(const char* sql, int bytes) noexcept {
  return bytes < 0 ? std::strlen(sql) : ::strnlen(sql, static_cast<std::size_t>(bytes));
}

}  // namespace

const SqliteCalls* served_calls() noexcept { return served.load(std::memory_order_acquire); }

const SqliteCalls* use_sqlite(const HostSqlite& host) noexcept {
  static constinit Lock lock;
  if (const SqliteCalls* calls = served_calls()) return calls;
  const LockGuard guard(lock);
  if (const SqliteCalls* calls = served_calls()) return calls;
  auto* found = new (std::nothrow) SqliteCalls;
  if (found == nullptr) return nullptr;
  if (find_calls(host, *found) != nullptr) {
    delete found;
    return nullptr;
  }
  served.store(found, std::memory_order_release);  // For ever: statements may come until the end.
  add_config_listener([]() noexcept {
    if (is_over_limits()) enforce_limits(*served_calls());
  });
  return found;
}

int prepare_cached(const SqliteCalls& calls, sqlite3* db, const char* sql, int bytes,
                   sqlite3_stmt** statement, const char** tail) noexcept {
  constexpr unsigned flags = SQLITE_PREPARE_PERSISTENT;
  const auto prepare = [&] { return calls.prepare_v3(db, sql, bytes, flags, statement, tail); };
  if (db == nullptr || sql == nullptr || statement == nullptr) return prepare();
  const std::string_view text(sql, length_of(sql, bytes));
  if (text.size() > longest_kept_sql_bytes || kind_of(text) != StatementKind::plain)
    return prepare();
  const MutexGuard mutex(calls, calls.db_mutex(db));
  PlanCache* const cache = cache_of(calls, db, Drain::by_guard);
  if (cache == nullptr) return prepare();
  const PlanKey key(text, flags | embedder_flag);
  if (const Plan* plan = cache->take(key)) {
    // As after any statement that was prepared: no error is left to be asked for.
    if (calls.errcode(db) != SQLITE_OK) calls.exec(db, "", nullptr, nullptr, nullptr);
    *statement = plan->statement;
    if (tail != nullptr) *tail = sql + plan->tail;
    return SQLITE_OK;
  }
  const char* end = sql;
  const int rc = calls.prepare_v3(db, sql, bytes, flags, statement, &end);
  if (tail != nullptr) *tail = end;
  cache->count_miss();
  if (rc == SQLITE_OK && *statement != nullptr)
    cache->track(*statement, key, static_cast<std::size_t>(end - sql));
  return rc;
}

int release(const SqliteCalls& calls, sqlite3_stmt* statement) noexcept {
  sqlite3* const db = statement == nullptr ? nullptr : calls.db_handle(statement);
  PlanCache* const cache = db == nullptr ? nullptr : find_cache(db);
  if (cache == nullptr) return calls.finalize(statement);
  MutexGuard mutex(calls, cache->mutex());
  Plan* const plan = cache->find(statement);
  if (plan != nullptr && plan->state == PlanState::parked) return SQLITE_MISUSE;
  if (plan != nullptr && plan->state == PlanState::in_use && cache->is_armed && !cache->is_closing)
    return cache->give_back(*plan, (plan->flags & embedder_flag) != 0);
  if (plan != nullptr) cache->forget(*plan);
  mutex.leave();  // It may be what its connection waits for to close.
  return calls.finalize(statement);
}

int drop_cached(const SqliteCalls& calls, sqlite3* db) noexcept {
  PlanCache* const cache = db == nullptr ? nullptr : find_cache(db);
  if (cache == nullptr) return 0;
  const MutexGuard mutex(calls, cache->mutex());
  return static_cast<int>(cache->drop_parked());
}

}  // namespace sqlitemem::ext::plans
