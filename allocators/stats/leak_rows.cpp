// One search for each kind of leak; the table leak_suspects has what they find.
#include "allocators/stats/leak_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "allocators/base/words.h"
#include "allocators/stats/doctor/examination.h"
#include "allocators/stats/reset_clock.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

using Suspects = std::vector<LeakSuspectsRow>;

std::string in_words(std::uint64_t bytes) { return bytes_in_words(static_cast<double>(bytes)); }

void find_continuous_growth(const Examination& seen, Suspects& suspects) {
  if (!seen.growth || !seen.growth->is_continuous) return;
  const Growth& growth = *seen.growth;
  LeakSuspectsRow& row = suspects.emplace_back();
  row.kind = "heap";
  row.subject = growth.subject == GrowthSubject::heap ? "heap without the buffer pool" : "process";
  row.live_bytes = growth.last_bytes;
  const PressureSample& last = seen.pressure->history.back();
  if (last.allocations > last.freed) row.live_count = last.allocations - last.freed;
  row.growth_bytes_per_hour = growth.bytes_per_hour;
  row.oldest_seconds = growth.seconds;
  row.evidence = fmt::format(
      "What is kept between bursts of work rose at {} of {} steps in {}, from {} to {}.",
      growth.rises, growth.steps, seconds_in_words(growth.seconds), in_words(growth.first_bytes),
      in_words(growth.last_bytes));
}

/// A component in all snapshots and now, oldest first.
struct Course {
  std::vector<std::uint64_t> bytes;
  std::size_t rises = 0;
  bool has_fallen = false;
};

Course course_of(const SnapshotPart& part, const Examination& seen) {
  Course course;
  for (const Snapshot& snapshot : seen.snapshots) {
    const auto then = std::ranges::find(snapshot.parts, part.component, &SnapshotPart::component);
    course.bytes.push_back(then == snapshot.parts.end() ? 0 : then->bytes);
  }
  course.bytes.push_back(part.bytes);
  for (std::size_t step = 1; step < course.bytes.size(); ++step) {
    if (course.bytes[step] > course.bytes[step - 1]) ++course.rises;
    if (course.bytes[step] < course.bytes[step - 1]) course.has_fallen = true;
  }
  return course;
}

/// Three moments at least: the difference of two is no course.
void find_growing_classes(const Examination& seen, Suspects& suspects) {
  if (seen.snapshots.size() < 2 || !seen.present.heap_was_measured) return;
  const Snapshot& first = seen.snapshots.front();
  const std::int64_t seconds = seen.present.taken_at_unix_seconds - first.taken_at_unix_seconds;
  if (!first.heap_was_measured || seconds < leak_floor::watched_seconds) return;
  for (const SnapshotPart& part : seen.present.parts) {
    if (!part.is_heap_part || !part.objects) continue;
    const Course course = course_of(part, seen);
    const std::size_t steps = course.bytes.size() - 1;
    const std::uint64_t growth = at_least_zero(part.bytes, course.bytes.front());
    if (course.has_fallen || 3 * course.rises < 2 * steps) continue;
    if (growth < leak_floor::class_growth_bytes || growth < course.bytes.front() / 5) continue;
    LeakSuspectsRow& row = suspects.emplace_back();
    row.kind = part.component == "large objects" ? "large_object" : "size_class";
    row.subject = part.component;
    row.live_count = part.objects;
    row.live_bytes = part.bytes;
    row.oldest_seconds = static_cast<double>(seconds);
    row.growth_bytes_per_hour = static_cast<double>(growth) * 3600 / *row.oldest_seconds;
    row.evidence =
        fmt::format("Since snapshot {} it rose at {} of {} readings and never fell, by {} in {}.",
                    first.snapshot_id, course.rises, steps, in_words(growth),
                    seconds_in_words(*row.oldest_seconds));
  }
}

struct StatementGroup {
  std::size_t count = 0, busy = 0;
  std::uint64_t bytes = 0;
};

void find_unfinalized_statements(const Examination& seen, Suspects& suspects) {
  std::map<std::pair<std::uint64_t, std::string>, StatementGroup> groups;
  for (const PlanCacheStatsRow& statement : seen.plans.statements) {
    if (statement.owner != "app") continue;
    StatementGroup& group = groups[{statement.connection_id, statement.fingerprint}];
    ++group.count;
    group.busy += statement.is_busy ? 1 : 0;
    group.bytes += statement.memory_bytes;
  }
  for (const auto& [key, group] : groups) {
    if (group.count < leak_floor::statements) continue;
    LeakSuspectsRow& row = suspects.emplace_back();
    row.kind = "statement";
    row.subject = key.second;
    row.live_count = group.count;
    row.live_bytes = group.bytes;
    row.evidence = fmt::format(
        "Connection {} has it open {} times, {} of them between two rows; sqlite3_finalize() is "
        "missing, or a cache of statements keys on values.",
        key.first, group.count, group.busy);
  }
}

/// No transaction, no statement at work, and for a while no change of pages, as far as it is known.
bool is_asleep(const ConnectionMemoryRow& connection, const Examination& seen) {
  if (connection.is_stale || connection.busy_statements.value_or(0) > 0) return false;
  if (connection.txn_state && connection.txn_state != "none") return false;
  const auto opened_at = unix_seconds_of(connection.opened_at);
  if (!opened_at || seen.now_unix_seconds - *opened_at < leak_floor::idle_connection_seconds)
    return false;
  if (!seen.pool) return true;
  for (const CacheOwner& owner : seen.pool->owners) {
    if (owner.connection_id != connection.connection_id) continue;
    const auto cache = std::ranges::find(seen.pool->caches, owner.cache_id, &CacheTotals::id);
    if (cache == seen.pool->caches.end()) continue;
    const auto idle_ns = at_least_zero(seen.pool->taken_at_ns, cache->used_at_ns);
    if (idle_ns < std::uint64_t{1'000'000'000} * leak_floor::idle_connection_seconds) return false;
  }
  return true;
}

struct ConnectionGroup {
  std::size_t count = 0, asleep = 0;
  std::uint64_t bytes = 0;
  std::int64_t oldest_unix_seconds = 0;
};

void find_unclosed_connections(const Examination& seen, Suspects& suspects) {
  std::map<std::string, ConnectionGroup> groups;
  for (const ConnectionMemoryRow& connection : seen.connections) {
    if (!connection.database_file) continue;
    ConnectionGroup& group = groups[*connection.database_file];
    const auto opened_at = unix_seconds_of(connection.opened_at).value_or(seen.now_unix_seconds);
    group.oldest_unix_seconds =
        group.count == 0 ? opened_at : std::min(group.oldest_unix_seconds, opened_at);
    ++group.count;
    group.asleep += is_asleep(connection, seen) ? 1 : 0;
    group.bytes += connection.total_bytes.value_or(0);
  }
  for (const auto& [file, group] : groups) {
    if (group.count < leak_floor::connections || 4 * group.asleep < 3 * group.count) continue;
    LeakSuspectsRow& row = suspects.emplace_back();
    row.kind = "connection";
    row.subject = file;
    row.live_count = group.count;
    row.live_bytes = group.bytes;
    row.oldest_seconds = static_cast<double>(seen.now_unix_seconds - group.oldest_unix_seconds);
    row.evidence = fmt::format(
        "{} connections to this file are open, and {} of them have done nothing that shows for {} "
        "or more.",
        group.count, group.asleep,
        seconds_in_words(static_cast<double>(leak_floor::idle_connection_seconds)));
  }
}

void find_forgotten_transactions(const Examination& seen, Suspects& suspects) {
  for (const OpenTransactionsRow& open : seen.transactions) {
    const bool is_zombie = open.is_zombie.value_or(false);
    const bool is_old = open.age_seconds.value_or(0) >= leak_floor::transaction_seconds;
    if (!is_zombie && !(is_old && is_orphaned(open, seen.orphan_idle_seconds))) continue;
    LeakSuspectsRow& row = suspects.emplace_back();
    row.kind = "transaction";
    row.subject = fmt::format("connection {}", open.connection_id);
    row.live_count = 1;
    row.oldest_seconds = open.age_seconds;
    row.evidence = open.reason.value_or("Nothing of it has moved.");
    if (open.last_sql) row.evidence += fmt::format(" Last statement: {}.", quoted(*open.last_sql));
  }
}

struct ObjectGroup {
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  double oldest_seconds = 0, youngest_seconds = 0;
};

/// One large object may live as long as the process; many of one size that came one after another
/// and all stayed are another matter.
void find_staying_objects(const Examination& seen, Suspects& suspects) {
  if (!seen.heap) return;
  std::map<std::uint64_t, ObjectGroup> groups;
  for (const LargeObjectInfo& object : seen.heap->large_objects) {
    const double age =
        static_cast<double>(at_least_zero(seen.heap->taken_at_ns, object.allocated_at_ns)) / 1e9;
    ObjectGroup& group = groups[object.mapped_bytes];
    group.oldest_seconds = std::max(group.oldest_seconds, age);
    group.youngest_seconds = group.count == 0 ? age : std::min(group.youngest_seconds, age);
    ++group.count;
    group.bytes += object.mapped_bytes;
  }
  for (const auto& [bytes, group] : groups) {
    const bool came_one_by_one = group.youngest_seconds < group.oldest_seconds / 2;
    if (group.count < leak_floor::large_objects || !came_one_by_one) continue;
    if (group.bytes < leak_floor::large_object_bytes ||
        group.oldest_seconds < leak_floor::large_object_seconds)
      continue;
    LeakSuspectsRow& row = suspects.emplace_back();
    row.kind = "large_object";
    row.subject = fmt::format("objects of {}", in_words(bytes));
    row.live_count = group.count;
    row.live_bytes = group.bytes;
    row.oldest_seconds = group.oldest_seconds;
    row.growth_bytes_per_hour = static_cast<double>(group.bytes) * 3600 / group.oldest_seconds;
    row.evidence = fmt::format("{} of this size came in the last {}, the last {} ago, and stayed.",
                               group.count, seconds_in_words(group.oldest_seconds),
                               seconds_in_words(group.youngest_seconds));
  }
}

}  // namespace

std::vector<LeakSuspectsRow> find_leak_suspects(const Examination& seen) {
  Suspects suspects;
  find_continuous_growth(seen, suspects);
  find_growing_classes(seen, suspects);
  find_unfinalized_statements(seen, suspects);
  find_unclosed_connections(seen, suspects);
  find_forgotten_transactions(seen, suspects);
  find_staying_objects(seen, suspects);
  std::ranges::stable_sort(suspects, std::greater{},
                           [](const LeakSuspectsRow& row) { return row.live_bytes.value_or(0); });
  return suspects;
}

std::vector<LeakSuspectsRow> LeakSuspectsRow::snapshot(Sources& sources, Arguments) {
  return find_leak_suspects(examine(sources));
}

}  // namespace sqlitemem::stats
