-- memory_growth: what changed between the oldest and the newest snapshot kept, most growth first.
CREATE TEMP VIEW IF NOT EXISTS memory_growth AS
SELECT coalesce(f.label, f.snapshot_id) AS since, coalesce(l.label, l.snapshot_id) AS until,
       d.component, d.before_bytes, d.after_bytes, d.growth_bytes, d.growth_objects
FROM memory_snapshots AS f
JOIN memory_snapshots AS l
JOIN memory_diff(f.snapshot_id, l.snapshot_id) AS d
WHERE f.snapshot_id = (SELECT min(snapshot_id) FROM memory_snapshots)
  AND l.snapshot_id = (SELECT max(snapshot_id) FROM memory_snapshots)
  AND d.growth_bytes <> 0
ORDER BY d.growth_bytes DESC, d.component;
