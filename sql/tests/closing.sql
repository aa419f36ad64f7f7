-- memory_stats closes: the rows of category rss are the resident set, no more and no less.
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO t SELECT i, hex(randomblob(40)) FROM n;
WITH m AS MATERIALIZED (SELECT * FROM memory_stats())
SELECT sum(memory_bytes) FILTER (WHERE category = 'rss') =
       sum(memory_bytes) FILTER (WHERE component = 'resident_set') FROM m;
SELECT round(sum(percentage), 6) FROM memory_stats('rss');
SELECT min(memory_bytes) >= 0 FROM memory_stats('rss');
SELECT count(*) FROM memory_stats('unattributed');
SELECT count(*) FROM memory_stats('no such component');
SELECT component FROM memory_stats WHERE memory_bytes IS NULL AND note IS NULL;
SELECT count(DISTINCT component || category) = count(*) FROM memory_stats;
