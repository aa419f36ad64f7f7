-- memory_fragmentation: how much memory is held for how much use, with a verdict on each part.
CREATE TEMP VIEW IF NOT EXISTS memory_fragmentation AS
SELECT component, coalesce(status, 'unknown') AS status,
       round(100 * fragmentation_ratio, 1) AS lost_percent,
       waste_bytes, kept_free_bytes, reclaimable_bytes, note
FROM fragmentation_stats
ORDER BY waste_bytes IS NULL, waste_bytes DESC, component;
