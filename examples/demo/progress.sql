-- The view `progress` begins a step's line: seconds since the start, and what SQLite has from us,
-- blocks and pages.
CREATE TEMP TABLE clock AS SELECT julianday('now') AS started;
CREATE TEMP VIEW progress AS
  SELECT format('%6.1f s %7.1f MB  ', (julianday('now') - started) * 86400,
    (SELECT sum(live_bytes) FROM slab_allocator_stats()) / 1048576.0 +
    (SELECT live_bytes FROM large_object_stats()) / 1048576.0 +
    coalesce((SELECT used_bytes + unevictable_bytes FROM buffer_pool_stats()), 0) / 1048576.0)
    AS so_far
  FROM clock;
