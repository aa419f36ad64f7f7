// Fills memory_contexts: the trees of the heap, the buffer pool, the arenas and the connections.
#include <algorithm>

#include "allocators/base/bytes.h"
#include "allocators/stats/heap_figures.h"
#include "allocators/stats/memory_rows.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

using Bytes = std::optional<std::uint64_t>;

/// Builds rows in depth-first order and numbers them.
class Tree {
 public:
  std::size_t add(std::optional<std::size_t> parent, std::string_view name,
                  std::optional<std::string> ident, Bytes total, Bytes used, Bytes peak = {}) {
    MemoryContextsRow row;
    row.context_id = rows_.size() + 1;
    if (parent) {
      row.parent_id = rows_[*parent].context_id;
      row.level = rows_[*parent].level + 1;
    }
    row.name = name;
    row.ident = std::move(ident);
    row.total_bytes = total;
    row.used_bytes = used;
    if (total && used) row.free_bytes = at_least_zero(*total, *used);
    row.peak_bytes = peak;
    rows_.push_back(std::move(row));
    return rows_.size() - 1;
  }
  std::vector<MemoryContextsRow> finish() { return std::move(rows_); }

 private:
  std::vector<MemoryContextsRow> rows_;
};

void add_heap(Tree& tree, const HeapFigures& figures) {
  const std::uint64_t run_bytes = figures.runs.live_bytes + figures.runs.dirty_free_bytes;
  const HeapTotals& totals = figures.totals;
  const std::uint64_t total =
      figures.slab_reserved_bytes + run_bytes + figures.large.mapped_bytes + totals.metadata_bytes;
  const std::uint64_t used =
      figures.slab_live_bytes + figures.run_live_bytes + figures.large.live_bytes;
  const auto root = tree.add({}, "heap", {}, total, used, std::max(used, totals.peak_live_bytes));
  const auto slabs =
      tree.add(root, "slab allocator", {}, figures.slab_reserved_bytes, figures.slab_live_bytes);
  for (const SizeClassTotals& size_class : figures.classes) {
    if (size_class.is_run || size_class.reserved_bytes == 0) continue;
    tree.add(slabs, "size class", std::to_string(size_class.object_bytes),
             size_class.reserved_bytes, size_class.live_objects * size_class.object_bytes);
  }
  const auto runs = tree.add(root, "page runs", {}, run_bytes, figures.run_live_bytes);
  std::uint64_t left = run_bytes;
  for (const SizeClassTotals& size_class : figures.classes) {
    if (!size_class.is_run || size_class.reserved_bytes == 0) continue;
    // The class was read before the run heap as a whole: a child is never shown above its parent.
    const std::uint64_t bytes = std::min(left, size_class.reserved_bytes);
    left -= bytes;
    tree.add(runs, "run class", std::to_string(size_class.object_bytes), bytes,
             std::min(bytes, size_class.live_objects * size_class.object_bytes));
  }
  tree.add(root, "large objects", {}, figures.large.mapped_bytes, figures.large.live_bytes);
  tree.add(root, "bookkeeping", {}, totals.metadata_bytes, {});
}

void add_pool(Tree& tree, const PoolReading& pool) {
  const PoolTotals& totals = pool.totals;
  const std::uint64_t used = totals.used_bytes + totals.unevictable_bytes;
  const auto root = tree.add({}, "buffer pool", {}, std::max(used, totals.held_bytes), used);
  for (const CacheTotals& cache : pool.caches) {
    const std::uint64_t bytes = cache.frames * cache.frame_bytes;
    tree.add(root, "page cache", std::to_string(cache.id), bytes, bytes);
  }
}

void add_connections(Tree& tree, const std::vector<ConnectionMemoryRow>& connections) {
  Bytes sum;
  for (const ConnectionMemoryRow& connection : connections) {
    if (connection.total_bytes) sum = sum.value_or(0) + *connection.total_bytes;
  }
  const auto root = tree.add({}, "connections", {}, sum, sum);
  for (const ConnectionMemoryRow& connection : connections) {
    const auto parent = tree.add(root, "connection", std::to_string(connection.connection_id),
                                 connection.total_bytes, connection.total_bytes);
    const auto add_part = [&](std::string_view name, Bytes bytes) {
      tree.add(parent, name, {}, bytes, bytes);
    };
    add_part("page cache", connection.cache_share_bytes);
    add_part("schema", connection.schema_used_bytes);
    add_part("statements", connection.stmt_used_bytes);
  }
}

/// The arenas of a connection come one after another, by level; each is inside the one before.
void add_arenas(Tree& tree, const ArenaReading& reading) {
  const std::vector<ArenaFigures>& arenas = reading.arenas;
  std::vector<std::uint64_t> used(arenas.size());  // With the savepoints inside.
  for (std::size_t index = arenas.size(); index-- > 0;) {
    const bool has_inner = index + 1 < arenas.size() && arenas[index + 1].level > 0;
    used[index] = arenas[index].used_bytes + (has_inner ? used[index + 1] : 0);
  }
  const auto root =
      tree.add({}, "transaction arenas", {}, std::max(reading.used_bytes, reading.reserved_bytes),
               reading.used_bytes);
  std::size_t parent = root;
  for (std::size_t index = 0; index < arenas.size(); ++index) {
    const ArenaFigures& arena = arenas[index];
    if (arena.level > 0) {
      parent = tree.add(parent, "savepoint", std::to_string(arena.level), used[index], used[index]);
      continue;
    }
    const std::uint64_t total = std::max(used[index], arena.reserved_bytes.value_or(0));
    parent = tree.add(root, "connection", std::to_string(arena.connection_id), total, used[index]);
    parent = tree.add(parent, "transaction", std::to_string(arena.arena_id), total, used[index],
                      arena.peak_bytes);
  }
}

}  // namespace

std::vector<MemoryContextsRow> MemoryContextsRow::snapshot(Sources& sources, Arguments) {
  Tree tree;
  Reading& reading = sources.reading();
  if (const HeapReading* heap = reading.heap()) add_heap(tree, heap->figures);
  if (const PoolReading* pool = reading.pool()) add_pool(tree, *pool);
  if (const ArenasReading* arenas = reading.arenas()) add_arenas(tree, arenas->figures);
  add_connections(tree, reading.connections());
  return tree.finish();
}

}  // namespace sqlitemem::stats
