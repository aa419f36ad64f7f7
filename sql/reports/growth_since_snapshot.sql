-- What grew since the last snapshot; SELECT memory_snapshot('label') takes one.
SELECT memory_snapshot('growth report') AS taken_snapshot;
SELECT d.component, printf('%+,d', d.growth_bytes) AS growth_bytes,
       printf('%+,d', d.growth_objects) AS growth_objects
FROM (SELECT max(snapshot_id) AS id FROM memory_snapshots) AS now
JOIN memory_diff(max(now.id - 1, (SELECT min(snapshot_id) FROM memory_snapshots)), now.id) AS d
WHERE d.growth_bytes <> 0
ORDER BY abs(d.growth_bytes) DESC, d.component
LIMIT 20;
