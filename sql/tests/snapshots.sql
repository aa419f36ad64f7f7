-- Snapshots and their difference; unknown ids and missing arguments are refused in words.
SELECT * FROM memory_diff(1, 2);
SELECT memory_snapshot('empty');
CREATE TABLE t(a);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO t SELECT randomblob(500) FROM n;
SELECT memory_snapshot('full');
SELECT memory_snapshot();
SELECT snapshot_id, label, taken_at GLOB '20??-??-??T??:??:??Z', components > 0
FROM memory_snapshots;
SELECT growth_bytes > 500 * 1000 FROM memory_diff(1, 2)
WHERE component = 'connections: page caches';
SELECT sum(growth_bytes) FROM memory_diff(1, 1);
SELECT x.growth_bytes = -y.growth_bytes FROM memory_diff(1, 2) AS x, memory_diff(2, 1) AS y
WHERE x.component = y.component AND x.component = 'process: resident set';
SELECT * FROM memory_diff(1, 99);
SELECT * FROM memory_diff(1);
SELECT * FROM memory_diff('one', 2);
