-- What grew since the last snapshot; SELECT memory_snapshot('label') takes one.
WITH last AS (SELECT max(snapshot_id) AS id FROM memory_snapshots),
     now AS MATERIALIZED (SELECT memory_snapshot('growth report') AS id, last.id AS since FROM last)
SELECT d.component, printf('%+,d', d.growth_bytes) AS growth_bytes,
       printf('%+,d', d.growth_objects) AS growth_objects
FROM now JOIN memory_diff(coalesce(now.since, now.id), now.id) AS d
WHERE d.growth_bytes <> 0
ORDER BY abs(d.growth_bytes) DESC, d.component
LIMIT 20;
